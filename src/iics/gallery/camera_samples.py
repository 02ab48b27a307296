"""Features of some crops of a gallery, drawn by their ids: what a camera's mean and `--centre auto` are taken from.

An id is a hash, so crops whose ids begin low are as good as drawn by lot, and always the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from iics.arrays import FloatArray
from iics.gallery.filters import GalleryFilters
from iics.models.centring import FEWEST_CROPS

MOST_OWN_CROPS = 4096
"""Crops that the mean of a camera is taken over at most, up to a few: 32 MB of features."""
_HEX_DIGITS = 8
Count = Callable[[str], int]
Sample = Callable[[GalleryFilters, str], FloatArray]
"""Filters, and what ids must lie below ("" for any) -> features. Shape (n, d)."""


@dataclass(eq=False)
class OwnMeans:
    """Means of a gallery's cameras, computed when they are asked for; another number of crops makes them anew.

    They are not stored: what is stored could be wrong after a kill, or where two write, and would go on telling of
    crops that were forgotten.

    Attributes:
        count: Number of crops that meet an expression of the database.
        sample: Features of crops.
    """

    count: Count
    sample: Sample
    _known: dict[str, tuple[int, FloatArray]] = field(default_factory=dict)

    def __call__(self, name: str) -> tuple[int, FloatArray | None]:
        """Return how many crops a camera has, and their mean; None if they are too few for one."""
        filters = GalleryFilters(cameras=(name,))
        num_crops = self.count(filters.expression())
        if num_crops < FEWEST_CROPS:
            return num_crops, None
        known = self._known.get(name)
        if known is None or known[0] != num_crops:
            features = self.sample(filters, ids_below(MOST_OWN_CROPS, num_crops))
            known = num_crops, features.mean(axis=0, dtype=np.float64)
            self._known[name] = known
        return known

    def forget(self) -> None:
        """Compute all anew when asked: crops were written or deleted."""
        self._known.clear()


def ids_below(wanted: int, num_crops: int) -> str:
    """Return what about `wanted` of so many ids lie below; "" if all are wanted."""
    if num_crops <= wanted:
        return ""
    return f"{wanted * 16**_HEX_DIGITS // num_crops:0{_HEX_DIGITS}x}"
