"""Make the runs that tables need: each once, one after the other, whatever fails.

All runs share one process: compiled kernels and decoded crops are there for the next one.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from iics.errors import IicsError, SettingsError
from iics.paper.planned_runs import PlannedRun
from iics.paper.run_store import RunStore
from iics.training.ending_together import launched_by_torchrun
from iics.training.progress import ProgressCallback

logger = logging.getLogger(__name__)

Failures = dict[str, str]
"""Reason by the name of the run."""


def make_runs(
    runs: Sequence[PlannedRun],
    store: RunStore,
    *,
    source_of: Callable[[PlannedRun], Mapping[str, str]],
    before_run: Callable[[PlannedRun, int], None] | None = None,
    after_run: Callable[[Failures], None] | None = None,
    display: Callable[[], AbstractContextManager[ProgressCallback | None]] = nullcontext,
) -> Failures:
    """Make all runs that are not finished, in order, and return those that failed.

    A run that fails, for whatever reason, does not stop the others; a reason that is not ours is logged with its
    traceback.

    Args:
        runs: Each once.
        store: Where they lie.
        source_of: Where a run's crops come from, for its folder.
        before_run: Called with a run about to be trained and its place among `runs`, from 1.
        after_run: Called with the failures so far whenever a run was finished or failed.
        display: Makes, for each run, what is told about every step.

    Raises:
        SettingsError: Under torchrun.
    """
    if launched_by_torchrun():
        raise SettingsError("iics reproduce runs in one process; start it without torchrun.")
    failures: Failures = {}
    for place, run in enumerate(runs, start=1):
        try:
            if store.state(run) == "finished":
                continue
            if before_run is not None:
                before_run(run, place)
            with display() as progress:
                store.make(run, source=source_of(run), progress=progress)
        except IicsError as error:
            failures[run.name] = str(error)
        except Exception as error:
            logger.exception("Run %s failed.", run.name)
            failures[run.name] = f"{type(error).__name__}: {error}"
        gc.collect()  # a model and the matrices of a run lie in cycles; the next run needs their memory
        if after_run is not None:
            after_run(failures)
    return failures
