"""Pairs of crops whose answer is known without labels: of one tracklet, or of two people in one picture.

In: a CropSet with tracklets, and times or boxes. Out: indices of pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics import pictures
from iics.arrays import IntArray
from iics.crops import CropSet
from iics.pictures import UNKNOWN

MAX_PAIRS = 1_000_000
_MOST_REPEATED = 0.01


@dataclass(frozen=True, eq=False)
class CropPairs:
    """Some pairs of crops.

    Attributes:
        first: Index of one crop of each pair. Shape (m,).
        second: Index of the other. Shape (m,).
        num_independent: Number of different pairs of tracklets or, if tracklets are not known, of different
            pictures: more frames of the same two people give no new evidence.
    """

    first: IntArray
    second: IntArray
    num_independent: int

    @classmethod
    def none(cls) -> CropPairs:
        """Return no pairs."""
        return cls(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), num_independent=0)

    def __len__(self) -> int:
        return len(self.first)


def picture_ids(crops: CropSet) -> IntArray | None:
    """Return the picture of each crop as `iics.pictures` does; None, too, where times cannot tell pictures apart.

    They cannot without tracklets, nor where more than 1 % of the crops repeat a tracklet in such a picture.
    """
    found = pictures.picture_ids(crops)
    if found is None or crops.boxes is not None:
        return found
    if crops.tracklet_ids is None:
        return None
    num_tracked = int(((found != UNKNOWN) & (crops.tracklet_ids >= 0)).sum())
    is_coarse = len(pictures.twice_in_a_picture(crops, found)) > _MOST_REPEATED * num_tracked
    return None if is_coarse else found


def same_tracklet_pairs(tracklet_ids: IntArray, generator: np.random.Generator) -> CropPairs:
    """Return each crop with one other of its tracklet, drawn at random; tracklets of one crop give none.

    One per crop instead of all pairs, because these grow with the square of a tracklet's length.

    Args:
        tracklet_ids: -1 is unknown. Shape (n,).
        generator: Source of the choice.
    """
    known = np.flatnonzero(tracklet_ids >= 0)
    order = known[np.argsort(tracklet_ids[known], kind="stable")]
    starts, sizes = _runs(tracklet_ids[order])
    start, size = np.repeat(starts, sizes), np.repeat(sizes, sizes)  # of each crop's tracklet, in `order`
    has_other = size > 1
    # A step around the tracklet that is never a whole turn: always another crop, all with equal chances.
    step = generator.integers(1, np.maximum(size, 2))
    other = start + (np.arange(len(order)) - start + step) % size
    return CropPairs(order[has_other], order[other[has_other]], num_independent=int((sizes > 1).sum()))


def apart_pairs(crops: CropSet, generator: np.random.Generator) -> CropPairs:
    """Return pairs of two people in one picture: not of one tracklet, where tracklets are known. A million at most.

    One person detected twice in a picture would be a false pair; detections should have gone through non-maximum
    suppression.

    Args:
        crops: The set; no pair if its pictures are not known.
        generator: Source of the choice if there are more.
    """
    of_crops = picture_ids(crops)
    if of_crops is None:
        return CropPairs.none()
    tracklets = crops.tracklet_ids
    is_usable = of_crops != UNKNOWN
    if tracklets is not None and (crops.boxes is None or (tracklets >= 0).any()):
        # Without a tracklet, two crops at one time may be one person, and we could not say which people a pair shows.
        is_usable &= tracklets >= 0
    else:
        tracklets = None
    usable = np.flatnonzero(is_usable)
    order = usable[np.argsort(of_crops[usable], kind="stable")]
    starts, sizes = _runs(of_crops[order])
    first, second = (order[side] for side in _pairs_within(starts, sizes, generator))
    if tracklets is None:
        return CropPairs(first, second, num_independent=len(np.unique(of_crops[first])))
    is_apart = tracklets[first] != tracklets[second]
    first, second = first[is_apart], second[is_apart]
    both = np.sort(np.stack([tracklets[first], tracklets[second]]), axis=0)
    return CropPairs(first, second, num_independent=len(np.unique(both, axis=1).T))


def _runs(ids: IntArray) -> tuple[IntArray, IntArray]:
    """Return where each run of equal numbers starts and how long it is."""
    _, starts, sizes = np.unique(ids, return_index=True, return_counts=True)
    return starts.astype(np.int64), sizes.astype(np.int64)


def _pairs_within(starts: IntArray, sizes: IntArray, generator: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Return all pairs of places within runs, or a million drawn from them with equal chances."""
    num_pairs = sizes * (sizes - 1) // 2
    if num_pairs.sum() > MAX_PAIRS:
        run = generator.choice(len(sizes), MAX_PAIRS, p=num_pairs / num_pairs.sum())
        one = generator.integers(sizes[run])
        other = (one + generator.integers(1, sizes[run])) % sizes[run]
        return starts[run] + one, starts[run] + other
    end = np.repeat(starts + sizes, sizes)
    firsts, seconds = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for step in range(1, int(sizes.max(initial=1))):
        place = np.flatnonzero(np.arange(len(end)) + step < end)
        firsts.append(place)
        seconds.append(place + step)
    return np.concatenate(firsts), np.concatenate(seconds)
