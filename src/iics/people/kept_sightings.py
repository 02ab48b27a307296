"""Kept sightings -> arrays, as linking takes them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from iics.arrays import DoubleArray, FloatArray
from iics.natural_order import natural_order
from iics.people.kept import KeptSighting
from iics.people.sightings import Sightings


def as_sightings(kept: Sequence[KeptSighting], features: FloatArray) -> Sightings:
    """Return sightings as arrays.

    Args:
        kept: In order of their keys.
        features: Of each. Shape (k, d).
    """
    names = tuple(natural_order(each.camera for each in kept))
    number = {name: index for index, name in enumerate(names)}
    return Sightings(
        tuple(each.key for each in kept),
        features,
        names,
        np.array([number[each.camera] for each in kept], dtype=np.int64),
        _times([each.first for each in kept]),
        _times([each.last for each in kept]),
    )


def _times(times: Sequence[float | None]) -> DoubleArray:
    return np.array([math.nan if time is None else time for time in times], dtype=np.float64)
