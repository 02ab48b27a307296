"""What a method is: stages that train in turn, round after round. `iics.methods.by_name` lists all methods.

To add one, write a folder with a `Method` in it and give it a line there. Records, tables of clusters, checkpoints,
reports and resuming use what its stages return, and need no change.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from iics.arrays import IntArray
from iics.config import Settings
from iics.crops import CropSet
from iics.training.context import TrainingContext
from iics.training.step_memory import StepBatch

_OF_A_RECORD = ("round", "seconds", "phases", "alpha", "evaluation", "pseudo_labels")

State = dict[str, Any]
"""What training needs beside the backbone to go on: tensors, numbers and text, in lists and dictionaries.

Opaque to all but the method; it goes from stage to stage and from round to round, and through checkpoints.
"""


@dataclass(frozen=True, eq=False)
class StageResult:
    """What a stage returns, besides the trained backbone.

    Attributes:
        state: What later stages and a resumed run need.
        record: What it did, for metrics.jsonl: numbers by name, which reports draw; statistics of pseudo-labels.
        labels: Cluster of each crop; -1 for crops without one. None if the stage has no clusters. Shape (n,).
    """

    state: State
    record: dict[str, Any]
    labels: IntArray | None = None


def _nothing(_settings: Settings) -> tuple[str, ...]:
    return ()


def _any_choices(_settings: Settings) -> None:
    pass


def _always(_settings: Settings, _round_index: int) -> bool:
    return True


@dataclass(frozen=True)
class Stage:
    """A part of a round.

    Attributes:
        name: In records, tables and file names, e.g. "stage1".
        title: For people, e.g. "stage 1".
        stream: Seeds its random choices, together with seed and round; different for every stage of a method.
        train: Trains the model of a context in place. Gets the state of the stage before, empty at first, and may
            change it.
        batch: Number of crops in one of its steps, asked before training.
        has_clusters: Whether it labels crops; if so, tables of clusters have a column for it.
        in_cameras: Whether its clusters are of one camera each.
        in_round: Whether a round has it, by the settings and the round from 0. The last stage is in every round.
    """

    name: str
    title: str
    stream: int
    train: Callable[[TrainingContext, State], StageResult]
    batch: Callable[[CropSet, Settings], StepBatch]
    has_clusters: bool = True
    in_cameras: bool = False
    in_round: Callable[[Settings, int], bool] = _always

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_-]*", self.name) or self.name in _OF_A_RECORD:
            raise ValueError(
                f"A stage is called by small letters, digits, - and _, and not {', '.join(_OF_A_RECORD)}, which stand "
                f"beside stages in a record; got {self.name!r}."
            )


@dataclass(frozen=True)
class Method:
    """How a model is trained.

    Attributes:
        stages: The stages of a round in order, under some settings.
        check: Raises an error if it cannot learn from some crops under some settings, or they do not fit into
            memory.
        check_choices: Raises a SettingsError if settings name something that does not exist; asked before crops
            are read.
        uses_identities: Whether it trains on identities; other methods only measure by them.
        settings: Dataclass of its own settings, with a default for each field: `Settings.own`, and flags --own.NAME
            of `iics train`. None if it has none.
        costs_like: From settings to those of IICS whose rounds cost what its own do, for estimates of time and memory.
            None if there are none.
        ignores: From settings to those that nothing reads under them: by place, e.g. "momentum", or by how it begins,
            "stage2.".
        for_crops: From crops and settings to those that such crops allow, and why they differ ("" if they do not):
            what compares cameras is left out of a run on one camera.
    """

    stages: Callable[[Settings], tuple[Stage, ...]]
    check: Callable[[CropSet, Settings], None]
    check_choices: Callable[[Settings], None] = _any_choices
    uses_identities: bool = False
    settings: type | None = None
    costs_like: Callable[[Settings], Settings] | None = None
    ignores: Callable[[Settings], tuple[str, ...]] = _nothing
    for_crops: Callable[[CropSet, Settings], tuple[Settings, str]] = lambda _crops, settings: (settings, "")
