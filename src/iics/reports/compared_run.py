"""A run among others, as its folder tells it: what it recorded, on which pictures, and numbers of its last record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from iics.reports.judgement_file import Judgement
from iics.reports.told_run import NumberOf, ToldRun, score_of, setting_text
from iics.runs.run_crops import TRAIN, RunCrops
from iics.settings_json import leaves

_OF_THE_MACHINE = ("pixels.", "loggers", "device", "engine.workers")
"""Settings that decide no result."""


@dataclass(frozen=True, eq=False)
class ComparedRun:
    """A run among others.

    Attributes:
        name: What it is called beside the others.
        folder: Where it lies.
        told: What it recorded.
        judgement: What its own crops say without labels; None if it was not judged.
        trained_on: What tells its pictures from those of other runs.
        measured_on: Likewise, of those it is measured on; empty if it is on none.
    """

    name: str
    folder: Path
    told: ToldRun
    judgement: Judgement | None
    trained_on: frozenset[str]
    measured_on: frozenset[str]

    @classmethod
    def read(cls, folder: Path, *, name: str) -> ComparedRun:
        """Read a run folder, also of a run at work.

        Raises:
            RunFolderError: If it is none, or something in it cannot be read.
        """
        told = ToldRun.read(folder)
        pictures = RunCrops.read(folder, num_crops=int(told.data.get("num_crops", 0)))
        sets = {} if pictures is None else pictures.splits
        of_train = [crop.contents for crop in sets.get(TRAIN, ())] or [str(told.data.get("fingerprint"))]
        others = [
            f"{split} {crop.contents} {crop.identity}" for split in sets if split != TRAIN for crop in sets[split]
        ]
        return cls(name, folder, told, Judgement.read(folder), frozenset(of_train), frozenset(others))

    @property
    def is_finished(self) -> bool:
        """Whether all its rounds are recorded."""
        return self.rounds == self.told.settings.get("rounds")

    @property
    def rounds(self) -> int:
        """How many it trained."""
        return self.told.records[-1].number if self.told.records else 0

    @property
    def seed(self) -> Any:
        """Its seed."""
        return self.told.settings.get("seed")

    @cached_property
    def settings(self) -> dict[str, str]:
        """Its settings as text, by name, without those that decide no result."""
        found = leaves(self.told.settings)
        return {name: setting_text(value) for name, value in found if not name.startswith(_OF_THE_MACHINE)}

    def number(self, number_of: NumberOf) -> float | None:
        """Return a number of its last record."""
        return number_of(self.told.records[-1]) if self.told.records else None


def scored(key: str) -> Callable[[ComparedRun], float | None]:
    """Return what reads a score of the last evaluation, in percent."""
    return lambda run: _times(100, run.number(score_of(key)))


def judged(name: str, moment: str, factor: float) -> Callable[[ComparedRun], float | None]:
    """Return what reads a number without labels, "before" or "after" training, times a factor."""

    def of(run: ComparedRun) -> float | None:
        found = None if run.judgement is None else getattr(run.judgement, moment)
        return None if found is None else factor * float(getattr(found, name))

    return of


def of_clusters(name: str, scale: float = 1) -> Callable[[ComparedRun], float | None]:
    """Return what reads a statistic of the clusters of the last stage that clusters all cameras."""

    def of(run: ComparedRun) -> float | None:
        over_all = run.told.over_all_cameras
        return _times(scale, run.number(over_all[-1].number(name))) if over_all else None

    return of


def stability(run: ComparedRun) -> float | None:
    """Return how alike the clusters over all cameras of the last two rounds are."""
    over_all = run.told.over_all_cameras
    return run.number(over_all[-1].stability) if over_all else None


def _times(factor: float, value: float | None) -> float | None:
    return None if value is None else factor * value
