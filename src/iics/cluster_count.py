"""Number of clusters, chosen without labels: the cut of one dendrogram with the largest mean silhouette.

The silhouette of a crop (Rousseeuw, 1987) is (b - a) / max(a, b), with a its mean distance to the rest of its own
cluster and b to the nearest other cluster; 0 for a cluster of one crop. Within one camera that is all. Over several
cameras the plain silhouette prefers clusters of one camera each, because crops of one camera are close anyway; so there
a and b are taken over pairs from *different* cameras only, and a crop whose cluster holds no other camera scores 0.
The paper fixes the number instead and leaves its choice to future work; neither a number nor a fraction of pairs
carries over to data of another size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse

from iics.clustering import FloatArray, Linkage, cut_number
from iics.data.crops import IntArray

_NUM_REFINEMENTS = 2


@dataclass(frozen=True, eq=False)
class ClusterCount:
    """A number of clusters and how it was found.

    Attributes:
        number: The chosen number; 1 if no cut scores above 0.
        score: Its mean silhouette, 0 for a number of 1.
        candidates: All numbers tried, ascending. Shape (m,).
        scores: Mean silhouette of each. Shape (m,).
    """

    number: int
    score: float
    candidates: IntArray
    scores: npt.NDArray[np.float64]


def choose_number_of_clusters(
    linkage: Linkage,
    distance: FloatArray,
    *,
    camera_ids: IntArray | None = None,
    min_number: int = 2,
    num_candidates: int = 24,
    max_rows: int = 4000,
) -> ClusterCount:
    """Return the number of clusters with the largest mean silhouette, the smallest such number on a tie.

    Tries numbers spaced geometrically from `min_number` to n / 2, then twice more between the neighbours of the best
    one. Each takes O(max_rows * n) time; memory is two matrices of n x max_rows.

    Args:
        linkage: Result of `average_linkage` on `distance`.
        distance: Symmetric. Shape (n, n).
        camera_ids: Camera of each crop, to compare only crops of different cameras; None compares all. Shape (n,).
        min_number: Smallest number tried, at least 2. Over several cameras no fewer than any one of them needs alone:
            with few cameras and weak features the inter-camera silhouette otherwise finds groups of similar people.
        num_candidates: Numbers tried in the first pass, at least 2; a third as many in each refinement.
        max_rows: Crops whose silhouettes are averaged, evenly spaced over all if there are more.

    Raises:
        ValueError: If linkage and distance do not belong together or a setting is out of range.
    """
    num_crops = len(distance)
    if distance.shape != (len(linkage) + 1,) * 2:
        raise ValueError(f"linkage joins {len(linkage) + 1} crops, but distance has shape {distance.shape}.")
    if num_candidates < 2 or max_rows < 1:
        raise ValueError(f"num_candidates must be at least 2 and max_rows 1, got {num_candidates} and {max_rows}.")
    if min_number < 2:
        raise ValueError(f"min_number must be at least 2, got {min_number}.")
    rows = np.unique(np.linspace(0, num_crops - 1, min(num_crops, max_rows)).round().astype(np.int64))
    comparisons = _comparisons(distance, rows, camera_ids)
    scores: dict[int, float] = {}

    def try_numbers(numbers: IntArray) -> None:
        for number in numbers.tolist():
            if number not in scores:
                labels = cut_number(linkage, number)
                scores[number] = float(np.concatenate([silhouettes(labels, c) for c in comparisons]).mean())

    if num_crops > 2:  # two crops are one cluster or two singletons: nothing to compare
        largest = max(2, num_crops // 2)
        try_numbers(_geometric(min(min_number, largest), largest, num_candidates))
        for _ in range(_NUM_REFINEMENTS):
            tried = sorted(scores)
            place = tried.index(_best(scores))
            below, above = tried[max(place - 1, 0)], tried[min(place + 1, len(tried) - 1)]
            try_numbers(_geometric(below, above, max(num_candidates // 3, 2)))
    candidates = np.array(sorted(scores), dtype=np.int64)
    values = np.array([scores[number] for number in candidates.tolist()], dtype=np.float64)
    if not (values > 0).any():
        return ClusterCount(number=1, score=0.0, candidates=candidates, scores=values)
    best = _best(scores)
    return ClusterCount(number=best, score=scores[best], candidates=candidates, scores=values)


def mean_silhouette(distance: FloatArray, labels: IntArray, *, camera_ids: IntArray | None = None) -> float:
    """Return the mean silhouette of a partition into at least 2 clusters.

    Args:
        distance: Symmetric; the diagonal counts as 0. Negative distances (Eq. 5) are all raised by one constant.
            Shape (n, n).
        labels: Clusters 0..k-1. Shape (n,).
        camera_ids: Camera of each crop, to compare only crops of different cameras; None compares all. Shape (n,).

    Raises:
        ValueError: If there are fewer than 2 clusters.
    """
    if labels.max() < 1:
        raise ValueError("A silhouette compares clusters; it needs at least 2, got 1.")
    comparisons = _comparisons(distance, np.arange(len(distance)), camera_ids)
    return float(np.concatenate([silhouettes(labels, c) for c in comparisons]).mean())


@dataclass(frozen=True, eq=False)
class Comparison:
    """Some crops (columns) and the crops they are compared with (rows).

    Attributes:
        rows: Indices of the crops compared with. Shape (r,).
        columns: Indices of the crops whose silhouettes are wanted. Shape (c,).
        distance: Not negative; 0 between a crop and itself. Shape (r, c).
        counts_itself: Whether each column is also a row.
    """

    rows: IntArray
    columns: IntArray
    distance: FloatArray
    counts_itself: bool


def silhouettes(labels: IntArray, comparison: Comparison) -> npt.NDArray[np.float64]:
    """Return the silhouette of each column of a comparison. Shape (c,).

    A crop scores 0 if no other crop of its own cluster, or no crop of another cluster, is among the rows.
    """
    row_labels, own = labels[comparison.rows], labels[comparison.columns]
    sizes = np.bincount(row_labels, minlength=int(labels.max()) + 1)
    membership = scipy.sparse.csr_array(
        (np.ones(len(row_labels), dtype=comparison.distance.dtype), (row_labels, np.arange(len(row_labels)))),
        shape=(len(sizes), len(row_labels)),
    )
    sums = membership @ comparison.distance  # (clusters, columns): distances of a crop summed over each cluster
    place = np.arange(len(own))
    num_own = sizes[own] - comparison.counts_itself
    a = sums[own, place] / np.maximum(num_own, 1)
    sums /= np.maximum(sizes, 1)[:, None].astype(sums.dtype)
    sums[sizes == 0] = np.inf
    sums[own, place] = np.inf
    b = sums.min(axis=0)
    larger = np.maximum(a, b)
    is_defined = (num_own > 0) & np.isfinite(b) & (larger > 0)
    return np.where(is_defined, (np.where(is_defined, b, 0) - a) / np.where(is_defined, larger, 1), 0).astype(
        np.float64
    )


def _comparisons(distance: FloatArray, columns: IntArray, camera_ids: IntArray | None) -> list[Comparison]:
    """Return who is compared with whom: all with all, or each camera's crops with those of the others."""
    shift = min(0.0, float(distance.min()))
    everyone = np.arange(len(distance))
    if camera_ids is None:
        block = distance if len(columns) == len(distance) else np.ascontiguousarray(distance[:, columns])
        return [Comparison(everyone, columns, _raised(block, shift, columns), counts_itself=True)]
    comparisons = []
    for camera in np.unique(camera_ids[columns]):
        others, own = everyone[camera_ids != camera], columns[camera_ids[columns] == camera]
        comparisons.append(Comparison(others, own, distance[np.ix_(others, own)] - shift, counts_itself=False))
    return comparisons


def _raised(block: FloatArray, shift: float, columns: IntArray) -> FloatArray:
    if shift == 0:
        return block
    raised = block - shift
    raised[columns, np.arange(len(columns))] = 0
    return raised


def _geometric(low: int, high: int, count: int) -> IntArray:
    return np.unique(np.geomspace(low, high, count).round().astype(np.int64))


def _best(scores: dict[int, float]) -> int:
    return max(sorted(scores), key=lambda number: scores[number])
