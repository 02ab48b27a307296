"""Crops of the gallery -> mean feature of each sighting, centred by camera; and which tracklets are broken."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from iics.arrays import BoolArray, FloatArray
from iics.gallery.gallery import Gallery
from iics.labelling.broken_tracklets import LEAST_TRACKLETS, broken_threshold, split_each
from iics.models.centring import centred
from iics.people.kept import KeptSighting

_CROPS_AT_ONCE = 4096
"""32 MB of features."""
_TRACKLETS_LOOKED_AT = 1000


@dataclass(frozen=True, eq=False)
class MeanFeatures:
    """What crops make of sightings.

    Attributes:
        features: L2-normalised mean of each sighting's crops. Shape (k, d).
        is_broken: Whether it is a tracklet of two individuals. Shape (k,).
        is_there: Whether it has crops; they may have been deleted just now. Shape (k,).
    """

    features: FloatArray
    is_broken: BoolArray
    is_there: BoolArray


def mean_features(
    gallery: Gallery,
    sightings: Sequence[KeptSighting],
    centres: Mapping[str, FloatArray],
    *,
    broken_below: float | None,
    progress: Callable[[int], None] | None = None,
) -> MeanFeatures:
    """Return the mean features of sightings; a few thousand crops are held at once.

    Args:
        gallery: Where their crops are.
        sightings: With their crops and cameras.
        centres: Of their cameras; none where features are plain.
        broken_below: Cosine across the split of a tracklet below which it is broken; None calls none so.
        progress: Called with the number of crops just read.
    """
    features = np.zeros((len(sightings), gallery.dimension), dtype=np.float32)
    is_broken, is_there = np.zeros(len(sightings), dtype=np.bool_), np.zeros(len(sightings), dtype=np.bool_)
    for block in _blocks(sightings):
        rows, starts = _crop_features(gallery, [sightings[at] for at in block], centres)
        sizes = np.diff(starts)
        filled = np.flatnonzero(sizes)
        is_there[block[filled]] = True
        sums = np.add.reduceat(rows, starts[:-1][filled], axis=0) if len(filled) else rows
        features[block[filled]] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
        if broken_below is not None and len(rows):
            across, _ = split_each(rows, np.arange(len(rows)), starts)
            is_broken[block] = (across < broken_below) & (sizes > 1)
        if progress is not None:
            progress(len(rows))
    return MeanFeatures(features, is_broken, is_there)


def learned_threshold(
    gallery: Gallery, tracklets: Sequence[KeptSighting], centres: Mapping[str, FloatArray]
) -> float | None:
    """Return below which cosine across its split a tracklet is broken, by a sample of some; None if they are few.

    Args:
        gallery: Where their crops are.
        tracklets: Of several crops each.
        centres: As of `mean_features`.
    """
    if len(tracklets) < LEAST_TRACKLETS:
        return None
    by_lot = sorted(tracklets, key=lambda each: hashlib.blake2b(each.key.encode()).digest())[:_TRACKLETS_LOOKED_AT]
    blocks = [_crop_features(gallery, [by_lot[at] for at in block], centres) for block in _blocks(by_lot)]
    sizes = np.concatenate([np.diff(starts) for _, starts in blocks])
    of_tracklet = np.repeat(np.arange(len(sizes)), sizes)
    tracklet_ids = np.unique(of_tracklet, return_inverse=True)[1]  # without gaps: all crops of one may be gone
    cameras = np.unique([each.camera for each in by_lot], return_inverse=True)[1]
    return broken_threshold(np.concatenate([rows for rows, _ in blocks]), tracklet_ids, cameras[of_tracklet])


def _blocks(sightings: Sequence[KeptSighting]) -> Iterator[np.ndarray]:
    """Yield places of successive sightings with about `_CROPS_AT_ONCE` crops together."""
    if not sightings:
        return
    ends = np.cumsum([len(each.crop_ids) for each in sightings])
    yield from np.split(np.arange(len(sightings)), np.flatnonzero(np.diff(ends // _CROPS_AT_ONCE)) + 1)


def _crop_features(
    gallery: Gallery, sightings: Sequence[KeptSighting], centres: Mapping[str, FloatArray]
) -> tuple[FloatArray, np.ndarray]:
    """Return the features of all their crops, sighting after sighting, and where each starts, with the end."""
    stored = gallery.features_by_id([crop for each in sightings for crop in each.crop_ids])
    parts, starts = [], [0]
    for each in sightings:
        rows = [stored[crop] for crop in each.crop_ids if crop in stored]
        if rows:
            own = np.array(rows, dtype=np.float32)
            parts.append(centred(own, centres[each.camera]) if centres else own)
        starts.append(starts[-1] + len(rows))
    features = np.concatenate(parts) if parts else np.empty((0, gallery.dimension), dtype=np.float32)
    return np.ascontiguousarray(features), np.array(starts)
