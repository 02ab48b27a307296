"""The runs of a reproduction on disk: which are finished, what they measured, and how one is made or gone on with.

Every run is an ordinary run folder. Its last line in metrics.jsonl holds the scores: those on its own test set by their
plain names, those on another data set (Table 3) with `other_` before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from iics.crops import DataSplits
from iics.errors import RunFolderError, WriteError
from iics.evaluation.evaluate import check_scorable, numbers
from iics.evaluation.ranked_results import EvaluatedModel
from iics.models.reid_model import ReidModel
from iics.paper.planned_runs import PlannedRun
from iics.paper.study_data import check_measurable
from iics.reports.camera_pairs_file import write_rankings
from iics.runs.run_files import read_records
from iics.trained_run import resume, train
from iics.training.progress import ProgressCallback, ProgressEvent

OTHER = "other_"

RunState = Literal["finished", "started", "to do"]


class RunStore:
    """A folder of run folders.

    Attributes:
        path: The folder.
    """

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
        """Return what a finished run measured after its last round, by name; None if it is not finished."""
        records = self._records(run)
        if not records or records[-1].get("round") != run.settings.rounds:
            return None
        evaluation: Mapping[str, float] = records[-1]["evaluation"]
        return evaluation or None

    def seconds(self, run: PlannedRun) -> float:
        """Return how long a run has trained so far."""
        return float(sum(sum(record.get("seconds", {}).values()) for record in self._records(run)))

    def make(self, run: PlannedRun, *, source: Mapping[str, str], progress: ProgressCallback | None = None) -> None:
        """Train a run that is not finished, from the start or from where it was stopped, and measure it at the end.

        Args:
            run: Which.
            source: Where the crops come from, for the run folder.
            progress: Told about every step.

        Raises:
            IicsError: As `iics.train` and `iics.resume`.
        """
        evaluator = _Evaluator(run, self.folder(run), progress)
        measured_on = {split.name: split for test in run.tests for split in check_measurable(test)}
        if self.state(run) == "started":
            resume(self.folder(run), run.train, measured_on=measured_on, after_round=evaluator, progress=progress)
        else:
            train(
                run.train,
                settings=run.settings,
                out=self.folder(run),
                source={**source, "evaluate": "end", "crops": run.train.name},
                measured_on=measured_on,
                after_round=evaluator,
                progress=progress,
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

    def _records(self, run: PlannedRun) -> list[dict[str, Any]]:
        return read_records(self.folder(run))


class _Evaluator:
    """Measures a run's model after its last round, on everything the run is tested on; its rankings stay in its folder.

    They are those on its own test set.
    """

    def __init__(self, run: PlannedRun, folder: Path, progress: ProgressCallback | None) -> None:
        self._run, self._folder, self._progress = run, folder, progress
        for test in run.tests:
            check_scorable(*check_measurable(test))

    def __call__(self, model: ReidModel, round_number: int) -> Mapping[str, float]:
        if round_number < self._run.settings.rounds:
            return {}
        scores: dict[str, float] = {}
        for prefix, test in zip(("", OTHER), self._run.tests, strict=False):
            evaluated = self._measure(model, test)
            scores |= {prefix + name: value for name, value in numbers(evaluated.result).items()}
            if not prefix:
                write_rankings(evaluated, self._folder)
        return scores

    def _measure(self, model: ReidModel, test: DataSplits) -> EvaluatedModel:
        query, gallery = check_measurable(test)
        rounds, total, done = self._run.settings.rounds, len(query) + len(gallery), 0

        def count(num_done: int) -> None:
            nonlocal done
            done += num_done
            if self._progress is not None:
                self._progress(ProgressEvent(rounds, rounds, "evaluate", done, total, num_done))

        batch_size = self._run.settings.inference_batch_size
        return EvaluatedModel.embed(model, query, gallery, batch_size=batch_size, progress=count)
