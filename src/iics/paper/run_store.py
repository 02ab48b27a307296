"""The runs of a reproduction on disk: which are finished, what they measured, and how one is made or gone on with.

Every run is an ordinary run folder. Its last line in metrics.jsonl holds the scores: those on its own test set by their
plain names, those on another data set (Table 3) with `other_` before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from iics.errors import RunFolderError, WriteError
from iics.measuring import Measuring
from iics.paper.planned_runs import PlannedRun
from iics.paper.study_data import check_measurable
from iics.runs.record import RoundRecord
from iics.runs.run_files import METRICS, read_records
from iics.trained_run import resume, train
from iics.training.progress import ProgressCallback

OTHER = "other_"

RunState = Literal["finished", "started", "to do"]


class RunStore:
    """A folder of run folders."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def folder(self, run: PlannedRun) -> Path:
        """Return where a run is, or will be."""
        return self.path / run.name

    def state(self, run: PlannedRun) -> RunState:
        """Return how far a run is."""
        if self.scores(run) is not None:
            return "finished"
        return "started" if (self.folder(run) / "settings.json").is_file() else "to do"

    def scores(self, run: PlannedRun) -> Mapping[str, float] | None:
        """Return what a finished run measured after its last round, by name; None if it is not finished.

        Raises:
            RunFolderError: If its metrics are damaged, or hold no scores, as those that something else trained.
        """
        records = self._records(run)
        if not records or records[-1].number != run.settings.rounds:
            return None
        last = records[-1]
        needed = ["mean_ap", OTHER + "mean_ap"][: len(run.tests)]
        wrong = [name for name in [*needed, *last.evaluation] if last.evaluation and name not in last.scores]
        if "evaluation" not in last.values or wrong:
            raise RunFolderError(
                f"{self.folder(run) / METRICS}, last line, has no number at {wrong[0] if wrong else 'evaluation'}, "
                "where the scores of a finished run stand. Restore it from a copy, or delete the folder: iics "
                "reproduce makes the run anew."
            )
        return last.scores or None

    def seconds(self, run: PlannedRun) -> float:
        """Return how long a run has trained so far."""
        return float(sum(record.all_seconds for record in self._records(run)))

    def make(self, run: PlannedRun, *, source: Mapping[str, str], progress: ProgressCallback | None = None) -> None:
        """Train a run that is not finished, from the start or from where it was stopped, and measure it at the end.

        Raises:
            IicsError: As `iics.train` and `iics.resume`.
        """
        tests = [check_measurable(test) for test in run.tests]
        measuring = Measuring(
            dict(zip(("", OTHER), tests, strict=False)),
            is_due=lambda round_number: round_number == run.settings.rounds,
            settings=run.settings,
            folder=self.folder(run),
            progress=progress,
        )
        measured_on = {split.name: split for test in tests for split in test}
        listener = False if progress is None else progress
        if self.state(run) == "started":
            resume(self.folder(run), run.train, measured_on=measured_on, after_round=measuring, progress=listener)
        else:
            train(
                run.train,
                settings=run.settings,
                out=self.folder(run),
                source={**source, "evaluate": "end", "crops": run.train.name},
                measured_on=measured_on,
                after_round=measuring,
                progress=listener,
            )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from making runs here within the block.

        Raises:
            RunFolderError: If one is at work here.
            WriteError: If the folder cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock")
            lock.acquire(timeout=0)
        except Timeout as error:
            raise RunFolderError(
                f"Another process is making runs in {self.path}. Wait for it, or choose another --out."
            ) from error
        except OSError as error:
            raise WriteError(f"Cannot write to {self.path}: {error.strerror or error}.") from error
        try:
            yield
        finally:
            lock.release()

    def _records(self, run: PlannedRun) -> list[RoundRecord]:
        return read_records(self.folder(run))
