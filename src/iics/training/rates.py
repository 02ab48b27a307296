"""Schedules of the learning rates, as factors of the base rate by step."""

from __future__ import annotations

import math

import torch

from iics.config import RateSchedule


def cosine_decay(step: int, *, num_steps: int) -> float:
    """Return the factor of the learning rates at a step, from 0: half a cosine from 1 down to 0 at `num_steps`."""
    return (1 + math.cos(math.pi * step / num_steps)) / 2


def rate_factors(schedule: RateSchedule, num_steps: int) -> list[float]:
    """Return the factors of a stage's steps: all 1, or falling along a cosine in every round anew."""
    if schedule == "constant":
        return [1.0] * num_steps
    return [cosine_decay(step, num_steps=num_steps) for step in range(num_steps)]


def scale_rates(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Set each group's rate to so many times its base, which it holds as "initial_lr"."""
    for group in optimiser.param_groups:
        group["lr"] = factor * group["initial_lr"]
