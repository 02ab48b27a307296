"""How alike sightings are: their cosine, measured against how alike each is to sightings of others.

A cosine of 0.5 means much for a sighting that stands alone, and little for one in grey that is as near to a hundred
others. So it is compared with the sighting's own background, a sample of all: with the cosine that 7 % of the
background of a camera reach (the level), in units of the tail above it (the scale b, measured from there to the nearest
1 %, which may be of the same person; more where there are few people). For sightings i and j of cameras c(i) and c(j):

    likeness(i, j) = ((f_i . f_j - level(i, c(j))) / b_i + (f_i . f_j - level(j, c(i))) / b_j) / 2

This is the symmetric score normalisation of speaker verification (Auckenthaler et al., 2000; its adaptive form by
Cumani et al., 2011), with one cohort for each camera. It asks for no labels. Being bilinear, the mean likeness of all
pairs of two groups needs only sums over each group.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from iics.arrays import DoubleArray, FloatArray, IntArray
from iics.people.sightings import Sightings

LEAST_BACKGROUND = 50
"""Sightings that a background needs; with fewer, the likeness is the plain cosine."""
LEAST_OF_CAMERA = 30
"""Sightings of a camera that a level of its own needs; with fewer, it has that of all cameras."""
LEAST_NEAREST = 0.01
"""Share of the background that is left out as perhaps of the same person, at least."""
_NEAR_BY_NEAREST = 7
_ROWS = 1024
_PAIRS = 256
"""Of groups whose sums are held at once: a few MB, which stay in a processor's cache."""
_LEAST_SCALE = 1e-3


@dataclass(frozen=True, eq=False)
class Likeness:
    """What the likeness of n sightings is computed from.

    Attributes:
        features: L2-normalised. Shape (n, d).
        weights: 1 / b of each; 1 for plain cosines. Shape (n,).
        levels: level / b of each against each camera; 0 for plain cosines. Shape (n, c).
        camera_ids: Shape (n,).
    """

    features: FloatArray
    weights: FloatArray
    levels: FloatArray
    camera_ids: IntArray

    def __len__(self) -> int:
        return len(self.features)

    def sums(self, groups: IntArray, num_groups: int) -> GroupSums:
        """Return the sums over groups; a group of one sighting is that sighting. Groups have shape (n,)."""
        return self._of_each().merged(groups, num_groups)

    def _of_each(self) -> GroupSums:
        """Return the sums over groups of one."""
        is_of_camera = np.zeros(self.levels.shape, np.float32)
        is_of_camera[np.arange(len(self)), self.camera_ids] = 1
        weighted = self.weights[:, None] * self.features
        return GroupSums(self.features, weighted, self.levels, is_of_camera, np.ones(len(self), np.int64))

    def to_others(self, groups: IntArray, sums: GroupSums) -> DoubleArray:
        """Return the mean likeness of each to the others of its group; means nothing where it is alone. Shape (n,)."""
        own = self._of_each()
        itself = self.weights - self.levels[np.arange(len(self)), self.camera_ids]
        total = own.mean(np.arange(len(self)), groups, others=sums) * sums.sizes[groups] - itself
        return total / np.maximum(sums.sizes[groups] - 1, 1)

    def block(self, rows: slice) -> FloatArray:
        """Return the likeness of some sightings to all; with itself it means nothing. Shape (len(rows), n)."""
        cosines = self.features[rows] @ self.features.T
        cosines *= self.weights[rows, None] + self.weights[None]
        cosines -= self.levels[rows][:, self.camera_ids]
        cosines -= self.levels[:, self.camera_ids[rows]].T
        cosines /= 2
        return cosines


@dataclass(frozen=True, eq=False)
class GroupSums:
    """Sums over the sightings of each of g groups.

    Attributes:
        plain: Of features. Shape (g, d).
        weighted: Of features, each by its weight. Shape (g, d).
        levels: Shape (g, c).
        cameras: How many are of each camera. Shape (g, c).
        sizes: How many there are. Shape (g,).
    """

    plain: FloatArray
    weighted: FloatArray
    levels: FloatArray
    cameras: FloatArray
    sizes: IntArray

    def mean(self, first: IntArray, second: IntArray, *, others: GroupSums | None = None) -> DoubleArray:
        """Return the mean likeness of all pairs between groups `first` and `second`, one by one. Shape (m,).

        Args:
            first: Shape (m,).
            second: Shape (m,).
            others: Whose groups `second` are; None for these.
        """
        others = others or self
        found = np.empty(len(first))
        for start in range(0, len(first), _PAIRS):
            a, b = first[start : start + _PAIRS], second[start : start + _PAIRS]
            total = np.einsum("ij,ij->i", self.weighted[a], others.plain[b])
            total += np.einsum("ij,ij->i", self.plain[a], others.weighted[b])
            total -= np.einsum("ij,ij->i", self.levels[a], others.cameras[b])
            total -= np.einsum("ij,ij->i", self.cameras[a], others.levels[b])
            found[start : start + _PAIRS] = total / (2.0 * self.sizes[a] * others.sizes[b])
        return found

    def merged(self, groups: IntArray, num_groups: int) -> GroupSums:
        """Return the sums over groups of groups; `groups` is the new group of each. Shape (g,)."""
        shape = (num_groups, len(groups))
        membership = csr_matrix((np.ones(len(groups), np.float32), (groups, np.arange(len(groups)))), shape=shape)
        return GroupSums(
            membership @ self.plain,
            membership @ self.weighted,
            membership @ self.levels,
            membership @ self.cameras,
            np.bincount(groups, weights=self.sizes, minlength=num_groups).astype(np.int64),
        )


def likeness_of(
    sightings: Sightings, background: Sightings, *, is_plain: bool, nearest: float = LEAST_NEAREST
) -> Likeness:
    """Return what the likeness of sightings is computed from; O(n b d) time, in blocks.

    Args:
        sightings: n of them.
        background: A sample of all sightings, b of them; a sighting is not in its own background.
        is_plain: Whether likeness is the plain cosine.
        nearest: Share of the background that may be of the same person.
    """
    near = min(_NEAR_BY_NEAREST * nearest, (1 + nearest) / 2)
    num, num_cameras = len(sightings), len(sightings.camera_names)
    weights, levels = np.ones(num, np.float32), np.zeros((num, num_cameras), np.float32)
    if is_plain:
        return Likeness(sightings.features, weights, levels, sightings.camera_ids)
    place = {key: at for at, key in enumerate(background.keys)}
    own = np.array([place.get(key, -1) for key in sightings.keys], dtype=np.int64)
    columns = _columns_by_camera(sightings, background)
    for start in range(0, num, _ROWS):
        rows = slice(start, start + _ROWS)
        cosines = sightings.features[rows] @ background.features.T
        is_in = np.flatnonzero(own[rows] >= 0)
        cosines[is_in, own[rows][is_in]] = -np.inf
        level, high = _reached_by(cosines, near, nearest)
        scale = np.maximum((high - level) / math.log(near / nearest), _LEAST_SCALE)
        weights[rows] = 1 / scale
        for camera, chosen in enumerate(columns):
            (of_camera,) = (level,) if chosen is None else _reached_by(cosines[:, chosen], near)
            levels[rows, camera] = of_camera / scale
    return Likeness(sightings.features, weights, levels, sightings.camera_ids)


def _columns_by_camera(sightings: Sightings, background: Sightings) -> list[IntArray | None]:
    """Return the background of each camera of the sightings; None where there is too little."""
    found: list[IntArray | None] = []
    for name in sightings.camera_names:
        number = background.camera_names.index(name) if name in background.camera_names else -1
        own = np.flatnonzero(background.camera_ids == number)
        found.append(own if len(own) >= LEAST_OF_CAMERA else None)
    return found


def _reached_by(cosines: FloatArray, *shares: float) -> list[FloatArray]:
    """Return the cosine that each share of each row reaches, at least two of them. Each of shape (rows,)."""
    num = cosines.shape[1]
    places = [num - max(round(share * num), 2) for share in shares]
    parted = np.partition(cosines, places, axis=1)
    return [parted[:, place].copy() for place in places]
