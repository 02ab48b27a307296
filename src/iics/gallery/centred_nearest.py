"""The crops of a gallery nearest to a query by centred cosine, from a database that holds plain features.

Of camera c with mean m, a crop f scores s = q.(f - m) / n with n = |f - m| = sqrt(1 + |m|^2 - 2 f.m). The database can
only rank by v.f. But n is concave in f.m, so it lies above its chord n >= a - b f.m over the camera's range of f.m,
and for t >= 0 every crop with s >= t has (q + t b m).f >= q.m + t a. With t the score of the last match found so far,
crops are asked for in the order of the left side until it falls below the right: no better one is left.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from iics.arrays import FloatArray
from iics.gallery.nearest import Nearest, in_order
from iics.gallery.schema import FEATURE_FIELD, ID_FIELD, MOST_MATCHES
from iics.gallery.stored_values import Row
from iics.models.centring import centred
from iics.shown_name import shown

logger = logging.getLogger(__name__)

_GROWTH = 4
_ROWS_AT_ONCE = 1000
_ROUNDING = 1e-4
"""How far a database's products may be off, in float32."""
FeaturesOf = Callable[[Sequence[str]], Mapping[str, FloatArray]]
"""Ids -> plain features of those crops that are there."""


@dataclass(frozen=True, eq=False)
class CameraCrops:
    """The crops of one camera that count.

    Attributes:
        name: Of the camera.
        centre: Its mean m. Shape (d,).
        nearest: Ranks them by their product with a query.
    """

    name: str
    centre: FloatArray
    nearest: Nearest

    def range(self) -> tuple[float, float] | None:
        """Return the least and the largest f.m; None without crops."""
        near, far = self.nearest(np.stack([self.centre, -self.centre]), 1, False)
        return (-far[0]["similarity"], near[0]["similarity"]) if near and far else None


class CentredNearest:
    """Ranks the crops of several cameras; called as `iics.gallery.nearest.Nearest` is, with centred queries.

    Args:
        cameras: Whose crops count.
        features_of: Plain features by id.
    """

    def __init__(self, cameras: Sequence[CameraCrops], features_of: FeaturesOf) -> None:
        ranges = [(camera, camera.range()) for camera in cameras]
        self._cameras = [(camera, found) for camera, found in ranges if found is not None]
        self._features_of = features_of

    def __call__(self, queries: FloatArray, limit: int, with_features: bool) -> list[list[Row]]:
        """Return the nearest rows of each query, best first, with `similarity` and, if wanted, features centred."""
        return [self._of_query(query, limit, with_features) for query in queries]

    def _of_query(self, query: FloatArray, limit: int, with_features: bool) -> list[Row]:
        found: dict[str, Row] = {}
        for camera, _ in self._cameras:
            self._score(found, camera, query, camera.nearest(query[None], limit, False)[0], with_features)
        scores = sorted((row["similarity"] for row in found.values()), reverse=True)
        least = scores[limit - 1] if len(scores) >= limit else -math.inf
        for camera, of_camera in self._cameras:
            direction, bound = reach(query, camera.centre, of_camera, least)
            self._score_all(found, camera, query, direction, bound, limit, with_features)
        return in_order(found.values())[:limit]

    def _score_all(
        self,
        found: dict[str, Row],
        camera: CameraCrops,
        query: FloatArray,
        direction: FloatArray,
        bound: float,
        limit: int,
        with_features: bool,
    ) -> None:
        """Add all crops of a camera that reach a bound along a direction."""
        while True:
            (rows,) = camera.nearest(direction[None], limit, False)
            self._score(found, camera, query, rows, with_features)
            if len(rows) < limit or rows[-1]["similarity"] < bound - _ROUNDING:
                return
            if limit == MOST_MATCHES:
                logger.warning(
                    "Of camera %s only the %d crops that are likeliest to match were looked at: a search finds no more "
                    "at once. Filters, e.g. of time, narrow it.",
                    shown(camera.name),
                    MOST_MATCHES,
                )
                return
            limit = min(limit * _GROWTH, MOST_MATCHES)

    def _score(
        self, found: dict[str, Row], camera: CameraCrops, query: FloatArray, rows: Sequence[Row], with_features: bool
    ) -> None:
        """Add rows that are not there yet, with their centred cosine."""
        new = [row for row in rows if row[ID_FIELD] not in found]
        for start in range(0, len(new), _ROWS_AT_ONCE):
            block = new[start : start + _ROWS_AT_ONCE]
            features = self._features_of([row[ID_FIELD] for row in block])
            there = [row for row in block if row[ID_FIELD] in features]  # one may have been forgotten just now
            if not there:
                continue
            moved = centred(np.stack([features[row[ID_FIELD]] for row in there]), camera.centre)
            for row, feature, score in zip(there, moved, moved @ query, strict=True):
                of_feature = {FEATURE_FIELD: feature} if with_features else {}
                found[row[ID_FIELD]] = {**row, **of_feature, "similarity": float(score)}


def reach(
    query: FloatArray, centre: FloatArray, of_camera: tuple[float, float], least: float
) -> tuple[FloatArray, float]:
    """Return v and a bound such that each crop f with a centred score of at least `least` has v.f >= bound.

    Args:
        query: q, centred and L2-normalised. Shape (d,).
        centre: m. Shape (d,).
        of_camera: Least and largest f.m of the crops.
        least: t; any number, also minus infinity.
    """
    lowest, highest = of_camera
    squared = 1 + float(centre @ centre)
    longest, shortest = (math.sqrt(max(squared - 2 * product, 0)) for product in (lowest, highest))
    start = float(query @ centre)
    if least <= 0:  # n at its largest makes the right side least
        return query, start + least * longest
    slope = (longest - shortest) / (highest - lowest) if highest > lowest else 0.0
    return query + least * slope * centre, start + least * (longest + slope * lowest)
