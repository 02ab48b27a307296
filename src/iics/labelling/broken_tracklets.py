"""Broken tracklets: those that jump to another individual, found by how little their two halves have in common.

Each tracklet is split in two where its features differ most. The mean cosine across the split is compared with two
spreads: that of all tracklets, most of which are whole; and that of tracklets made broken, half of one glued to half of
another of the same camera. What is nearer to the glued ones is called broken. Both spreads are measured on the features
of the round, so the test sharpens as features do, and has no number to be set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import BoolArray, DoubleArray, FloatArray, IndexArray, IntArray
from iics.kernels import kernel, on_each_thread
from iics.similarity.cosine import dot
from iics.similarity.distance_graph import evenly_spaced

LEAST_TRACKLETS = 20
"""Tracklets of two crops or more that a spread needs; of fewer, none is called broken."""
_MOST_GLUED = 1000
_MOST_CROPS_GLUED = 16
_RAREST = 2.0
"""Spreads below the median that a broken tracklet lies at least, so that weak features break few whole tracklets."""
_MOST_SPLITS = 8
_STEPS = 3


@dataclass(frozen=True, eq=False)
class Broken:
    """What was found.

    Attributes:
        parts: The tracklet of each crop after splits, 0..k-1 without gaps. Shape (n,).
        was_broken: Whether the crop's tracklet was. Shape (n,).
        num_broken: Tracklets that were.
        spread: Mean distance (1 - cosine) across the split of a tracklet, the median over tracklets of two crops or
            more; 0 without such.
    """

    parts: IntArray
    was_broken: BoolArray
    num_broken: int
    spread: float


def find_broken(features: FloatArray, tracklets: IntArray, camera_ids: IntArray) -> Broken:
    """Return which tracklets jump to another individual, and their parts; parts are tested again.

    Takes O(n d) time.

    Args:
        features: L2-normalised. Shape (n, d).
        tracklets: Tracklet of each crop, 0..k-1 without gaps; crops of none are one of their own. Shape (n,).
        camera_ids: Camera of each crop. Shape (n,).
    """
    rows, starts = _runs(tracklets)
    across, is_other = split_each(features, rows, starts)
    known = across[np.diff(starts) > 1]
    spread = float(1 - np.median(known)) if len(known) else 0.0
    parts, was_broken = tracklets.astype(np.int64), np.zeros(len(tracklets), dtype=np.bool_)
    threshold = _threshold(features, rows, starts, camera_ids, known)
    if threshold is None:
        return Broken(parts, was_broken, 0, spread)
    num_parts = len(starts) - 1
    for _ in range(_MOST_SPLITS):
        broken = np.flatnonzero((across < threshold) & (np.diff(starts) > 1))
        if len(broken) == 0:
            break
        new_part = np.full(len(starts) - 1, -1)
        new_part[broken] = num_parts + np.arange(len(broken))
        of_row = np.repeat(new_part, np.diff(starts))
        was_broken[rows[of_row >= 0]] = True
        moved = is_other & (of_row >= 0)
        parts[rows[moved]] = of_row[moved]
        num_parts += len(broken)
        rows, starts = _runs(parts)
        across, is_other = split_each(features, rows, starts)
    return Broken(parts, was_broken, len(np.unique(tracklets[was_broken])), spread)


def broken_threshold(features: FloatArray, tracklets: IntArray, camera_ids: IntArray) -> float | None:
    """Return the mean cosine across a split below which tracklets like these are called broken; None if too few tell.

    Arguments are those of `find_broken`; a sample of tracklets is enough.
    """
    rows, starts = _runs(tracklets)
    across, _ = split_each(features, rows, starts)
    known = across[np.diff(starts) > 1]
    return _threshold(features, rows, starts, camera_ids, known)


def broken_below(known: DoubleArray, glued: DoubleArray) -> float:
    """Return the mean cosine across a split below which a tracklet is called broken.

    The lowest of three: half-way between the medians of all tracklets and of glued ones; as many spreads below the one
    as above the other; two spreads below the one. A spread is 1.4826 times the median departure from the median, which
    few broken tracklets do not move.

    Args:
        known: Of all tracklets.
        glued: Of tracklets made broken.
    """
    (centre, spread), (centre_glued, spread_glued) = _robust(known), _robust(glued)
    half_way = (centre + centre_glued) / 2
    both = spread + spread_glued
    as_many = (centre * spread_glued + centre_glued * spread) / both if both else half_way
    return min(half_way, as_many, centre - _RAREST * spread)


def split_each(features: FloatArray, rows: IndexArray, starts: IndexArray) -> tuple[DoubleArray, BoolArray]:
    """Split each run of rows in two, by two means on the sphere, from the two crops that differ most.

    Args:
        features: L2-normalised. Shape (n, d).
        rows: Crops, tracklet after tracklet. Shape (r,).
        starts: Where each tracklet starts in `rows`, and the end. Shape (k + 1,).

    Returns:
        The mean cosine across each split, 1 where there is none, shape (k,); and whether each row is on its second
        side, shape (r,).
    """
    across, is_other = np.ones(len(starts) - 1), np.zeros(len(rows), dtype=np.bool_)
    on_each_thread(_split, np.ascontiguousarray(features), rows, starts, across, is_other)
    return across, is_other


def _threshold(
    features: FloatArray, rows: IndexArray, starts: IndexArray, camera_ids: IntArray, known: DoubleArray
) -> float | None:
    if len(known) < LEAST_TRACKLETS:
        return None
    glued, _ = split_each(features, *_glued(rows, starts, camera_ids))
    return broken_below(known, glued) if len(glued) else None


def _runs(tracklets: IntArray) -> tuple[IndexArray, IndexArray]:
    """Return the crops in order of their tracklets, and where each tracklet starts, with the end."""
    rows = np.argsort(tracklets, kind="stable")
    return rows, np.concatenate([[0], np.cumsum(np.bincount(tracklets))])


def _glued(rows: IndexArray, starts: IndexArray, camera_ids: IntArray) -> tuple[IndexArray, IndexArray]:
    """Return tracklets made broken: half of one, and half of another one of its camera, of a sample of them."""
    sizes = np.diff(starts)
    shuffled = np.random.default_rng(0).permutation(len(sizes))  # neighbours in a list may show one individual
    of_camera = np.lexsort((shuffled, camera_ids[rows[starts[:-1]]]))
    cameras = camera_ids[rows[starts[:-1]]][of_camera]
    pairs = np.flatnonzero((cameras[1:] == cameras[:-1]) & (sizes[of_camera[:-1]] > 1))
    if len(pairs):
        pairs = pairs[evenly_spaced(len(pairs), _MOST_GLUED)]
    made = []
    for one, other in zip(of_camera[pairs], of_camera[pairs + 1], strict=True):
        size = min(int(sizes[one]), _MOST_CROPS_GLUED)
        kept = rows[starts[one] : starts[one] + size - size // 2]
        made.append(np.concatenate([kept, rows[starts[other] : starts[other] + min(size // 2, int(sizes[other]))]]))
    counts = np.array([len(each) for each in made], dtype=np.int64)
    return np.concatenate([np.empty(0, dtype=np.int64), *made]), np.concatenate([[0], np.cumsum(counts)])


def _robust(values: DoubleArray) -> tuple[float, float]:
    centre = float(np.median(values))
    return centre, float(1.4826 * np.median(np.abs(values - centre)))


@kernel()
def _least_like(features: FloatArray, own: IndexArray, crop: FloatArray) -> int:
    """Return the place of the crop least like another one."""
    place, least = 0, np.float32(np.inf)
    for i in range(len(own)):
        cosine = dot(features[own[i]], crop)
        if cosine < least:
            place, least = i, cosine
    return place


@kernel()
def _split(
    features: FloatArray,
    rows: IndexArray,
    starts: IndexArray,
    across: DoubleArray,
    is_other: BoolArray,
    thread: int,
    num_threads: int,
) -> None:
    one, other = np.empty(features.shape[1], np.float32), np.empty(features.shape[1], np.float32)
    for tracklet in range(thread, len(starts) - 1, num_threads):
        own, chosen = rows[starts[tracklet] : starts[tracklet + 1]], is_other[starts[tracklet] : starts[tracklet + 1]]
        one[:] = 0
        for i in range(len(own)):
            one += features[own[i]]
        one[:] = features[own[_least_like(features, own, one)]]
        other[:] = features[own[_least_like(features, own, one)]]
        is_new = np.zeros(len(own), np.bool_)
        for _ in range(_STEPS):
            length, length_other = np.sqrt(dot(one, one)), np.sqrt(dot(other, other))
            num_other = 0
            for i in range(len(own)):
                is_new[i] = dot(features[own[i]], other) * length > dot(features[own[i]], one) * length_other
                num_other += is_new[i]
            if num_other == 0 or num_other == len(own):
                break
            one[:], other[:] = 0, 0
            for i in range(len(own)):
                chosen[i] = is_new[i]
                if is_new[i]:
                    other += features[own[i]]
                else:
                    one += features[own[i]]
            across[tracklet] = dot(one, other) / (num_other * (len(own) - num_other))
