"""`iics train --resume`: a run, or the runs of several seeds, goes on with the data that it began with."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from iics.cli.source import DataSource
from iics.cli.train_summary import print_end
from iics.errors import RunFolderError
from iics.progress_display import training_display
from iics.training.progress import ProgressCallback

if TYPE_CHECKING:
    from iics.runs.rounds import TrainingRun
    from iics.trained_run import When
    from iics.training.distributed import Processes


def resume(run_path: Path, data_dir: Path | None) -> int:
    """Go on with what lies in a folder; its data lies in `data_dir` now if that is given. Returns the exit status."""
    from iics.runs.run_folder import RunFolder
    from iics.runs.seed_runs import SeedRuns
    from iics.trained_run import resume_on
    from iics.training.distributed import joined_processes

    with joined_processes() as processes:
        if processes.from_first(lambda: SeedRuns.are_at(run_path)):
            return _resume_seeds(run_path, data_dir, processes)
        values = processes.from_first(lambda: RunFolder.open(run_path).source())
        source = _source_of_run(run_path, values, data_dir)
        splits = source.load()
        if processes.is_first:
            print(f"Going on with {run_path}.", file=sys.stderr)
        with resume_hint(run_path, processes), display(processes) as progress:

            def end(_finished: TrainingRun) -> None:
                if data_dir is not None:
                    RunFolder.open(run_path).move_source(source.to_values())

            run = resume_on(run_path, splits, evaluate=cast("When", values["evaluate"]), at_end=end, progress=progress)
        if processes.is_first:
            print_end(run)
    return 0


@contextmanager
def display(processes: Processes) -> Iterator[ProgressCallback]:
    """Show progress on the first process; the others keep to errors."""
    if processes.is_first:
        with training_display() as progress:
            yield progress
    else:
        logging.getLogger("iics").setLevel(logging.ERROR)
        yield lambda _: None


@contextmanager
def resume_hint(out: Path, processes: Processes) -> Iterator[None]:
    """On Ctrl-C, say how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        if processes.is_first and any((out / name).exists() for name in ("settings.json", "seeds.json")):
            print(f"\nStopped. {out} holds the model so far; go on with: iics train --resume {out}", file=sys.stderr)
        raise


def _resume_seeds(folder: Path, data_dir: Path | None, processes: Processes) -> int:
    from iics.cli.train_seeds import print_seed, print_seeds
    from iics.runs.seed_runs import SeedRuns
    from iics.trained_seeds import resume_seeds_on

    values = processes.from_first(lambda: SeedRuns.read(folder).source)
    source = _source_of_run(
        folder, dict(values), data_dir, again="iics.train_seeds(crops, ...) as it was called before"
    )
    splits = source.load()
    if processes.is_first:
        print(f"Going on with {folder}.", file=sys.stderr)
    moved = None if data_dir is None else source.to_values()
    with resume_hint(folder, processes), display(processes) as progress:
        runs = resume_seeds_on(folder, splits, moved=moved, before_seed=print_seed, progress=progress)
    if processes.is_first:
        print_seeds(runs)
    return 0


def _source_of_run(run: Path, values: dict[str, str], data_dir: Path | None, *, again: str = "") -> DataSource:
    """Return where the run's data is: where it was, or where the command line says that it lies now."""
    source, again = DataSource.from_values(values), again or f"iics.resume({str(run)!r}, crops)"
    if source is None:
        raise RunFolderError(f"{run} was not started by iics train; go on with {again}.")
    if "evaluate" not in values:
        raise RunFolderError(
            f"{run / 'data.json'} is damaged: it has no evaluate. Restore it from a copy, or go on with {again}."
        )
    return source if data_dir is None else replace(source, data_dir=data_dir).absolute()
