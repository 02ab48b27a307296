"""Adam that lives through all rounds: linear warm-up, then rates that fall by a factor every so many rounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import nn

from iics.config import Rate
from iics.models.tuning import learning_groups
from iics.ranges import check_ranges, number, whole


@dataclass(frozen=True)
class AdamSettings:
    """How the backbone is optimised."""

    learning_rate: Rate = 0.00035
    """Learning rate of Adam after the warm-up."""
    weight_decay: Annotated[float, number(0, 1)] = 0.0005
    """Weight decay of Adam: a penalty in the gradient, as torch's Adam has it."""
    warmup_rounds: Annotated[float, number(0, 1000)] = 1.0
    """Rounds, perhaps a part of one, over which the rate rises from a hundredth; 0: none."""
    decay_rounds: Annotated[int, whole(1, 10**4)] = 20
    """Rounds after which the rate falls, again and again."""
    decay: Annotated[float, number(0, 1, above=True)] = 0.1
    """What it is multiplied by."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="own.")


WARMUP_START = 0.01


def adam(backbone: nn.Module, settings: AdamSettings, *, layer_decay: float = 1.0) -> torch.optim.Optimizer:
    """Return a new Adam of a backbone; its groups keep their rates as "initial_lr" too, the base of a schedule."""
    groups = learning_groups(backbone, rate=settings.learning_rate, layer_decay=layer_decay)
    return torch.optim.Adam(groups, weight_decay=settings.weight_decay)


def rate_factors(settings: AdamSettings, *, round_index: int, num_steps: int) -> list[float]:
    """Return what the rate is multiplied by in each step of a round, a function of the number of the round alone.

    So a resumed run computes it, and nothing has to be restored. Rounds have steps as they have labelled crops; hence
    the warm-up counts in rounds.

    Args:
        settings: Of the rates.
        round_index: From 0.
        num_steps: Of this round.
    """
    fallen = settings.decay ** (round_index // settings.decay_rounds)
    factors = []
    for step in range(num_steps):
        done = round_index + (step + 1) / num_steps
        warm = 1.0 if done >= settings.warmup_rounds else done / settings.warmup_rounds
        factors.append(fallen * (WARMUP_START + (1 - WARMUP_START) * warm))
    return factors
