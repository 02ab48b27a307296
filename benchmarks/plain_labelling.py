"""The plain forms that labelling is timed beside: written as one writes them first, on a slice of the crops.

Each takes the same arrays as the fast form and returns the rows of a slice, so that one can see that both compute the
same. The time of all rows is that of the slice times n over its length: every row costs the same.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from iics.arrays import FloatArray, Int32Array


def score_overlap_rows(scores: Tensor, rows: range) -> Tensor:
    """Return rows of Eq. 9 by a loop over crops, (sum - L1) / (sum + L1). Shape (len(rows), n)."""
    overlap = torch.empty(len(rows), len(scores))
    for at, row in enumerate(rows):
        difference = (scores[row] - scores).abs().sum(dim=1)
        both = (scores[row] + scores).sum(dim=1)
        overlap[at] = (both - difference) / (both + difference)
    return overlap


class PlainReranking:
    """k-reciprocal re-ranking by numpy loops over dense matrices, with an index from columns to rows.

    Args:
        distance: All pairs. Shape (n, n).
        k1: As for `k_reciprocal_distance`.
        k2: As for `k_reciprocal_distance`.
        lambda_value: As for `k_reciprocal_distance`.
    """

    def __init__(self, distance: FloatArray, *, k1: int, k2: int, lambda_value: float) -> None:
        self._distance, self._k1, self._k2, self._lambda = distance, k1, k2, lambda_value

    def ranking(self, rows: range) -> npt.NDArray[np.intp]:
        """Return all crops by their distance to some. Shape (len(rows), n)."""
        return np.stack([np.argsort(self._distance[row], kind="stable") for row in rows])

    def weights(self, ranking: Int32Array, rows: range) -> FloatArray:
        """Return the weights of some crops, before they are averaged, as dense rows. Shape (len(rows), n)."""

        def reciprocal(crop: int, k: int) -> Int32Array:
            forward = ranking[crop, : k + 1]
            backward = ranking[forward, : k + 1]
            return forward[np.where(backward == crop)[0]]

        weights = np.zeros((len(rows), len(self._distance)), np.float32)
        for at, row in enumerate(rows):
            close = reciprocal(row, self._k1)
            expanded = close
            for candidate in close:
                candidates = reciprocal(candidate, round(self._k1 / 2))
                if 3 * len(np.intersect1d(candidates, close)) >= 2 * len(candidates):
                    expanded = np.append(expanded, candidates)
            expanded = np.unique(expanded)
            weight = np.exp(-self._distance[row, expanded])
            weights[at, expanded] = weight / weight.sum()
        return weights

    def averaged(self, weights: FloatArray, ranking: Int32Array, rows: range) -> FloatArray:
        """Return the weights of some crops averaged over their nearest. Shape (len(rows), n)."""
        return np.stack([weights[ranking[row, : self._k2]].mean(axis=0) for row in rows])

    def distances(self, averaged: FloatArray, users: list[npt.NDArray[np.intp]], rows: range) -> FloatArray:
        """Return the new distances of some crops. Shape (len(rows), n).

        Args:
            averaged: Averaged weights of all crops. Shape (n, n).
            users: For each column the rows that are not 0 there; of length n.
            rows: The crops wanted.
        """
        distances = np.empty((len(rows), len(averaged)), np.float32)
        for at, row in enumerate(rows):
            shared = np.zeros(len(averaged), np.float32)
            for column in np.where(averaged[row] != 0)[0]:
                those = users[column]
                shared[those] += np.minimum(averaged[row, column], averaged[those, column])
            jaccard = 1 - shared / (2 - shared)
            distances[at] = (1 - self._lambda) * jaccard + self._lambda * self._distance[row]
        return distances
