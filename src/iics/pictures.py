"""Pictures: which crops are of one frame of a camera. CropSet -> a number for each crop."""

from __future__ import annotations

import numpy as np

from iics.arrays import IntArray
from iics.crops import CropSet

UNKNOWN = -1


def picture_ids(crops: CropSet) -> IntArray | None:
    """Return the picture of each crop, -1 if it is not known; None if it is not known for any crop. Shape (n,).

    Crops with boxes are of one picture if they share a file; others if they share camera and time.
    """
    if crops.boxes is not None:
        _, pictures = np.unique([str(path) for path in crops.paths], return_inverse=True)
        return pictures.astype(np.int64)
    if crops.times is None or np.isnan(crops.times).all():
        return None
    is_known = ~np.isnan(crops.times)
    moments = np.stack([crops.camera_ids[is_known].astype(np.float64), crops.times[is_known]])
    _, found = np.unique(moments, axis=1, return_inverse=True)
    pictures = np.full(len(crops), UNKNOWN, dtype=np.int64)
    pictures[is_known] = found.reshape(-1)
    return pictures


def twice_in_a_picture(crops: CropSet, pictures: IntArray) -> IntArray:
    """Return pairs of crops of one tracklet in one picture: each such crop, and the first of its kind. Shape (m, 2)."""
    if crops.tracklet_ids is None:
        return np.empty((0, 2), dtype=np.int64)
    tracked = np.flatnonzero((pictures != UNKNOWN) & (crops.tracklet_ids >= 0))
    places = np.stack([pictures[tracked], crops.tracklet_ids[tracked]])
    _, first, place = np.unique(places, axis=1, return_index=True, return_inverse=True)
    first_of_kind = tracked[first[place.reshape(-1)]]
    is_again = first_of_kind != tracked
    return np.stack([tracked[is_again], first_of_kind[is_again]], axis=1)
