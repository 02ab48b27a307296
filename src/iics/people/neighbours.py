"""Which people new sightings may be of: the identities of the kept sightings nearest to each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iics.arrays import FloatArray
from iics.people.kept import Kept
from iics.people.store import PeopleStore

NEAREST = 3
"""Kept sightings that are looked at for each new one: several of each of the few people that it may be of."""
_KEPT_AT_ONCE = 4096
"""32 MB of features."""
_QUERIES_AT_ONCE = 4096
_FEW = 1000
"""New sightings below which the database is asked: milvus-lite then takes less than reading all features does."""


def nearest_sightings(store: PeopleStore, kept: Kept, keys: Sequence[str], features: FloatArray) -> set[str]:
    """Return the kept sightings that are among the `NEAREST` of any new one.

    The database is asked for those of a few new ones. For many, kept features go by in blocks: as fast for thousands as
    for one, in the same memory however many there are.

    Args:
        store: Where they are kept.
        kept: All that is kept.
        keys: Of the kept sightings to look among.
        features: Of the new ones, L2-normalised. Shape (n, d).
    """
    if len(features) < _FEW:
        # What was replaced, or is a camera's mean, may be among the answers.
        of_id = {kept.sightings[key].feature_id: key for key in keys}
        near = store.nearest_vectors(features, min(len(keys), NEAREST))
        return {of_id[each] for each in near if each in of_id}
    found: set[str] = set()
    for start in range(0, len(features), _QUERIES_AT_ONCE):
        queries = features[start : start + _QUERIES_AT_ONCE]
        best = np.empty((len(queries), 0), dtype=np.float32)
        places = np.empty((len(queries), 0), dtype=np.int64)
        for first in range(0, len(keys), _KEPT_AT_ONCE):
            block = keys[first : first + _KEPT_AT_ONCE]
            own = store.vectors([kept.sightings[key].feature_id for key in block])
            best = np.concatenate([best, queries @ own.T], axis=1)
            own_places = np.broadcast_to(np.arange(first, first + len(block)), (len(queries), len(block)))
            places = np.concatenate([places, own_places], axis=1)
            if best.shape[1] > NEAREST:
                chosen = np.argpartition(-best, NEAREST - 1, axis=1)[:, :NEAREST]
                best = np.take_along_axis(best, chosen, axis=1)
                places = np.take_along_axis(places, chosen, axis=1)
        found |= {keys[place] for place in np.unique(places)}
    return found
