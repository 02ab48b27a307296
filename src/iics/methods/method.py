"""What a method is: stages that train one after another, round after round. `iics.methods.by_name` lists all methods.

To add one, write a folder with a `Method` in it and give it a line there. Records, tables of clusters, checkpoints,
reports and resuming follow from what its stages return.
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
    """What a stage leaves behind, beside the trained backbone.

    Attributes:
        state: What the stages after it, and a resumed run, need.
        record: What it did, for metrics.jsonl: numbers by name, which reports draw; statistics of pseudo-labels.
        labels: Cluster of each crop; -1 for crops without one. None if the stage has no clusters. Shape (n,).
    """

    state: State
    record: dict[str, Any]
    labels: IntArray | None = None


@dataclass(frozen=True)
class Stage:
    """A part of a round.

    Attributes:
        name: In records, tables and file names, e.g. "stage1".
        title: For people, e.g. "stage 1".
        stream: What its random choices are seeded by, beside seed and round; no two stages of a method share one.
        train: Trains the model of a context, in place; gets the state that the stage before left, empty at first, and
            may change it: nobody else holds it.
        batch: How many crops a step of it takes, asked before training.
        has_clusters: Whether it labels crops; tables of clusters have a column for it.
        in_cameras: Whether its clusters are of one camera each.
    """

    name: str
    title: str
    stream: int
    train: Callable[[TrainingContext, State], StageResult]
    batch: Callable[[CropSet, Settings], StepBatch]
    has_clusters: bool = True
    in_cameras: bool = False

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
        check: Refuses crops that it cannot learn from under some settings, and more of them than fit into memory.
        uses_identities: Whether it learns from identities; others only measure against them.
        settings: Dataclass of what only this method is told, with a default for each field: `Settings.own`, and flags
            --own.NAME of `iics train`. None if it needs nothing more.
    """

    stages: Callable[[Settings], tuple[Stage, ...]]
    check: Callable[[CropSet, Settings], None]
    uses_identities: bool = False
    settings: type | None = None
