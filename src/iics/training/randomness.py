"""Every random choice of a run comes from its seed, round and stage: a resumed run draws what the unbroken one did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from iics.arrays import IntArray

_ORDER_OF_CROPS, _STAGES, _STARTING_WEIGHTS = 0, 1, 2


def stage_generator(seed: int, *, round_index: int, stage_number: int) -> torch.Generator:
    """Return the generator of one stage (by its number) of one round (from 0); stages draw independently."""
    return _generator(seed, _STAGES, round_index, stage_number)


def crop_order(seed: int, num_crops: int) -> IntArray:
    """Return a random order of the crops.

    Benchmarks list crops by identity; where distances tie, clustering joins neighbours in the list, and the identities
    would leak into the pseudo-labels. Shape (num_crops,).
    """
    order: IntArray = torch.randperm(num_crops, generator=_generator(seed, _ORDER_OF_CROPS)).numpy()
    return order


@contextmanager
def seeded_starting_weights(seed: int) -> Iterator[None]:
    """Seed torch's global generator within the block: modules draw their random starting weights from nowhere else."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.set_state(_generator(seed, _STARTING_WEIGHTS).get_state())
        yield


def _generator(*entropy: int) -> torch.Generator:
    state = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(state % 2**63)
