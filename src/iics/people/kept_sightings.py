"""Kept sightings -> arrays, as linking and measuring take them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from iics.arrays import DoubleArray, FloatArray, IntArray
from iics.gallery.filters import GalleryFilters
from iics.gallery.schema import ID_FIELD
from iics.natural_order import natural_order
from iics.people.kept import KeptSighting
from iics.people.sightings import Sightings
from iics.people.store import PeopleStore

_ROWS_AT_ONCE = 4096


def as_sightings(kept: Sequence[KeptSighting], features: FloatArray, identity_ids: IntArray | None = None) -> Sightings:
    """Return sightings as arrays.

    Args:
        kept: In order of their keys.
        features: Of each. Shape (k, d).
        identity_ids: Known identity of each, None where they are not wanted. Shape (k,).
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
        tuple(each.crop_ids for each in kept),
        np.full(len(kept), -1, dtype=np.int64) if identity_ids is None else identity_ids,
    )


def read_sightings(store: PeopleStore) -> Sightings:
    """Return all kept sightings, with the identities that the gallery knows, for measuring; reads all of its rows."""
    kept = store.kept()
    keys = sorted(kept.sightings)
    features = np.empty((len(keys), store.gallery.dimension), dtype=np.float32)
    for start in range(0, len(keys), _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        features[block] = store.vectors([kept.sightings[key].feature_id for key in keys[block]])
    known = {row[ID_FIELD]: row["identity"] for row in store.gallery.rows(GalleryFilters(), fields=["identity"])}
    identity_ids = [_one_identity([known.get(crop) for crop in kept.sightings[key].crop_ids]) for key in keys]
    return as_sightings([kept.sightings[key] for key in keys], features, np.array(identity_ids, dtype=np.int64))


def _one_identity(of_crops: list[int | None]) -> int:
    found = set(of_crops)
    identity = found.pop() if len(found) == 1 else None
    return -1 if identity is None else identity


def _times(times: Sequence[float | None]) -> DoubleArray:
    return np.array([math.nan if time is None else time for time in times], dtype=np.float64)
