"""Sightings: what is linked into people. A tracklet of one camera; a crop by itself where it has none."""

from __future__ import annotations

from dataclasses import dataclass

from iics.arrays import DoubleArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Sightings:
    """k sightings, in order of their keys. Nothing here says who anybody is: linking never learns it.

    Attributes:
        keys: What each is called for ever: `t` and the gallery's number of its tracklet, or the id of its only crop.
        features: Mean of its crops' features, each centred by its camera's mean if the gallery's choice is to centre;
            L2-normalised. Shape (k, d).
        camera_names: Of all cameras, in natural order.
        camera_ids: Index into `camera_names` of each. Shape (k,).
        first: When its first crop was taken, in seconds since 1970 UTC; NaN if unknown. Shape (k,).
        last: When its last crop was taken. Shape (k,).
    """

    keys: tuple[str, ...]
    features: FloatArray
    camera_names: tuple[str, ...]
    camera_ids: IntArray
    first: DoubleArray
    last: DoubleArray

    def __len__(self) -> int:
        return len(self.keys)
