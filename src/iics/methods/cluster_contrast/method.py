"""Cluster Contrast as a method: rounds of one stage, density labels and the loss of a cluster memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from iics.methods.adam import AdamSettings
from iics.methods.density_labels import LabelSettings
from iics.methods.density_round import RoundSettings, density_method, train_round
from iics.methods.method import StageResult, State
from iics.ranges import check_ranges, number
from iics.training.cluster_memory import ClusterMemory, Towards
from iics.training.context import TrainingContext


@dataclass(frozen=True)
class ClusterContrastSettings:
    """What only this method is told."""

    labels: Annotated[LabelSettings, tyro.conf.arg(name="")] = field(default_factory=LabelSettings)
    work: Annotated[RoundSettings, tyro.conf.arg(name="")] = field(default_factory=RoundSettings)
    rates: Annotated[AdamSettings, tyro.conf.arg(name="")] = field(default_factory=AdamSettings)
    temperature: Annotated[float, number(0, 10, above=True)] = 0.05
    """Similarities to the clusters' vectors are divided by it."""
    memory_momentum: Annotated[float, number(0, 1)] = 0.1
    """Share of itself that a cluster's vector keeps in a step; the rest comes from the batch."""
    memory_towards: Towards = "mean"
    """What a vector moves to: the mean of the batch's crops of its cluster, or the hardest (least like it)."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="own.")


def train_cluster_contrast(context: TrainingContext, state: State) -> StageResult:
    """Label all crops, train against the memory of their clusters; see `train_round`."""
    own: ClusterContrastSettings = context.settings.own

    def memory(num_features: int, num_labels: int) -> ClusterMemory:
        return ClusterMemory(
            num_features,
            num_labels,
            temperature=own.temperature,
            momentum=own.memory_momentum,
            towards=own.memory_towards,
        )

    return train_round(context, state, memory, labels=own.labels, work=own.work, rates=own.rates)


CLUSTER_CONTRAST = density_method("contrast", stream=4, train=train_cluster_contrast, settings=ClusterContrastSettings)
