"""What can be wrong with tracklets before there are features: CropSet -> warnings, and a table of what there is.

Whether a tracklet jumps to another individual, only features tell: training looks for such ones in every round.
"""

from __future__ import annotations

import numpy as np

from iics.arrays import DoubleArray
from iics.crops import CropSet
from iics.data_splits import DataSplits
from iics.pictures import picture_ids, twice_in_a_picture

_LONG_PAUSE = 100
"""Times the median time between crops of a tracklet: a number used again for somebody else pauses as long."""
_LEAST_SECONDS = 10.0


def tracklet_table(splits: DataSplits) -> str | None:
    """Return how many tracklets each split has, as text; None if there are none."""
    lines = []
    for split, crops in splits.sets.items():
        sizes = _sizes(crops)
        if len(sizes):
            lines.append(
                f"Tracklets of {split}: {len(sizes):,} with {sizes.sum():,} of {len(crops):,} crops; {sizes.min()} to "
                f"{sizes.max()} crops each, {sizes.mean():.1f} on average."
            )
    return "\n".join(lines) or None


def tracklet_warnings(crops: CropSet) -> list[str]:
    """Return warnings of one split: two crops of a tracklet in one frame, and long pauses within tracklets."""
    return [warning for find in (_twice_in_a_frame, _long_pauses) for warning in find(crops)]


def _sizes(crops: CropSet) -> np.ndarray:
    if crops.tracklet_ids is None:
        return np.empty(0, dtype=np.int64)
    return np.unique(crops.tracklet_ids[crops.tracklet_ids >= 0], return_counts=True)[1]


def _twice_in_a_frame(crops: CropSet) -> list[str]:
    pictures = picture_ids(crops)
    again = np.empty((0, 2), dtype=np.int64) if pictures is None else twice_in_a_picture(crops, pictures)
    if len(again) == 0:
        return []
    one, other = (crops.label(index) for index in again[0])
    return [
        f"{len(again)} crops of {crops.name} share frame and tracklet with another, e.g. {one} and {other}: a tracklet "
        "has one box in a frame. Its numbers are of two individuals, or times are too coarse to tell frames apart."
    ]


def _long_pauses(crops: CropSet) -> list[str]:
    if crops.times is None or crops.tracklet_ids is None:
        return []
    known = np.flatnonzero((crops.tracklet_ids >= 0) & ~np.isnan(crops.times))
    order = known[np.lexsort((crops.times[known], crops.tracklet_ids[known]))]
    is_same = crops.tracklet_ids[order[1:]] == crops.tracklet_ids[order[:-1]]
    pauses: DoubleArray = np.diff(crops.times[order])[is_same]
    later = order[1:][is_same]
    if len(pauses) == 0:
        return []
    long = np.flatnonzero(pauses > max(_LONG_PAUSE * float(np.median(pauses)), _LEAST_SECONDS))
    if len(long) == 0:
        return []
    worst = long[np.argmax(pauses[long])]
    num_tracklets = len(np.unique(crops.tracklet_ids[later[long]]))
    return [
        f"{num_tracklets} tracklets of {crops.name} pause for more than {_LONG_PAUSE} times the usual time between two "
        f"crops, e.g. for {pauses[worst]:g} s before {crops.label(later[worst])}: their numbers may have been used "
        "again for others. Number tracklets anew after a pause."
    ]
