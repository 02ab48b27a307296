"""Number of clusters, chosen without labels: the cut of one dendrogram with the largest mean silhouette.

The silhouette of a crop (Rousseeuw, 1987) is (b - a) / max(a, b), with a its mean distance to the rest of its own
cluster and b to the nearest other cluster; 0 for a cluster of one crop. Within one camera, this is used as it is.
Over several cameras it prefers clusters of one camera each, because crops of one camera are close anyway. So there,
a and b only use pairs from *different* cameras, and a crop whose cluster holds no other camera scores 0. The paper
fixes the number and leaves its choice to future work; a number, or a fraction of pairs, does not suit data of
another size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from iics.arrays import DoubleArray, FloatArray, IntArray
from iics.clustering.cuts import cut_number, guessed_number
from iics.clustering.distances import Distances, Memory
from iics.clustering.merges import ROUNDING, Linkage

_NUM_REFINEMENTS = 2


class LargestSilhouette:
    """The number of clusters with the largest mean silhouette, over a sample of crops; see `Clustering`."""

    def look(self, distances: Distances, camera_ids: IntArray | None) -> list[Comparison]:
        """Return what the number is chosen by."""
        columns, block = distances.sample()
        if camera_ids is not None and len(np.unique(camera_ids)) < 2:
            camera_ids = None  # there is no pair across cameras to compare by
        # Over several cameras, what is alone scores 0: it links no two cameras.
        alone = None if distances.known.alone is None or camera_ids is not None else distances.known.alone()[columns]
        return comparisons_of(block, columns, camera_ids=camera_ids, alone=alone)

    def cluster(self, distances: Distances, seen: list[Comparison], *, min_number: int) -> IntArray:
        """See `Clustering`."""
        linkage = distances.linkage()
        least = distances.num_parts(linkage)
        most = distances.known.most_of(len(distances))
        chosen = choose_number_of_clusters(linkage, seen, min_number=max(min_number, least), max_number=most)
        return cut_number(linkage, max(chosen.number, least))

    def expected_number(self, num_crops: int) -> int:
        """See `Clustering`."""
        return guessed_number(num_crops)

    def memory(self, distances: Memory, num_crops: int) -> int:
        """See `Clustering`."""
        return distances.sample_memory(num_crops)


@dataclass(frozen=True)
class ClusterCount:
    """A number of clusters and how it was found.

    Attributes:
        number: The chosen number; 1 if no cut scores above 0.
        score: Its mean silhouette, 0 for a number of 1.
    """

    number: int
    score: float


def choose_number_of_clusters(
    linkage: Linkage,
    comparisons: list[Comparison],
    *,
    min_number: int = 2,
    max_number: int | None = None,
    num_candidates: int = 24,
) -> ClusterCount:
    """Return the number of clusters with the largest mean silhouette, the smallest such number on a tie.

    Tries numbers in geometric steps from `min_number` to `max_number`, then twice more around the best.
    The time of each try is proportional to the number of pairs compared.

    Args:
        linkage: Result of `linkage_in_place`.
        comparisons: Result of `comparisons_of` on the same crops.
        min_number: Smallest number tried, at least 2. Over several cameras, the largest number of one camera:
            otherwise, with few cameras and weak features, the inter-camera silhouette finds groups of similar
            people.
        max_number: Largest number tried; None for n / 2.
        num_candidates: Numbers tried in the first pass, at least 2; a third as many in each refinement.

    Raises:
        ValueError: If linkage and comparisons do not belong together or a setting is out of range.
    """
    num_crops = len(linkage) + 1
    last_compared = max(int(max(c.rows.max(initial=0), c.columns.max())) for c in comparisons)
    if last_compared != num_crops - 1:
        raise ValueError(f"linkage joins {num_crops} crops, but the last of those compared is crop {last_compared}.")
    if num_candidates < 2:
        raise ValueError(f"num_candidates must be at least 2, got {num_candidates}.")
    if min_number < 2:
        raise ValueError(f"min_number must be at least 2, got {min_number}.")
    scores: dict[int, float] = {}

    def try_numbers(numbers: IntArray) -> None:
        for number in numbers.tolist():
            if number not in scores:
                labels = cut_number(linkage, number)
                scores[number] = float(np.concatenate([silhouettes(labels, c) for c in comparisons]).mean())

    if num_crops > 2:  # two crops are one cluster or two singletons: nothing to compare
        largest = max(2, num_crops // 2 if max_number is None else max_number)
        try_numbers(_geometric(min(min_number, largest), largest, num_candidates))
        for _ in range(_NUM_REFINEMENTS):
            tried = sorted(scores)
            place = tried.index(_best(scores))
            below, above = tried[max(place - 1, 0)], tried[min(place + 1, len(tried) - 1)]
            try_numbers(_geometric(below, above, max(num_candidates // 3, 2)))
    # No cut scores above 0: the crops have no structure, and are one cluster.
    if not any(score > 0 for score in scores.values()):
        return ClusterCount(number=1, score=0.0)
    best = _best(scores)
    return ClusterCount(number=best, score=scores[best])


@dataclass(frozen=True, eq=False)
class Comparison:
    """Some crops (columns) and the crops they are compared with (rows).

    Attributes:
        rows: Indices of the crops compared with. Shape (r,).
        columns: Indices of the crops whose silhouettes are wanted. Shape (c,).
        distance: Not negative; 0 between a crop and itself. Shape (r, c).
        counts_itself: Whether each column is also a row.
        alone: Silhouette of each column where it is a cluster by itself; None for 0. Shape (c,).
    """

    rows: IntArray
    columns: IntArray
    distance: FloatArray
    counts_itself: bool
    alone: DoubleArray | None = None


def silhouettes(labels: IntArray, comparison: Comparison) -> DoubleArray:
    """Return the silhouette of each column of a comparison. Shape (c,).

    A crop scores 0 if no other crop of its own cluster, or no crop of another cluster, is among the rows. A tracklet
    that is a cluster by itself scores as its crops would.
    """
    row_labels, own = labels[comparison.rows], labels[comparison.columns]
    sizes = np.bincount(row_labels, minlength=int(labels.max()) + 1)
    membership = scipy.sparse.csr_array(
        (np.ones(len(row_labels), dtype=comparison.distance.dtype), (row_labels, np.arange(len(row_labels)))),
        shape=(len(sizes), len(row_labels)),
    )
    sums = membership @ comparison.distance  # (clusters, columns): distances of a crop summed over each cluster
    place = np.arange(len(own))
    # A crop's distance to itself is 0: it adds nothing to the sum, but must not be counted.
    num_own = sizes[own] - comparison.counts_itself
    a = sums[own, place] / np.maximum(num_own, 1)
    sums /= np.maximum(sizes, 1)[:, None].astype(sums.dtype)
    sums[sizes == 0] = np.inf
    sums[own, place] = np.inf
    b = sums.min(axis=0)
    larger = np.maximum(a, b)
    is_defined = (num_own > 0) & np.isfinite(b) & (larger > 0)
    scores = np.where(is_defined, (np.where(is_defined, b, 0) - a) / np.where(is_defined, larger, 1), 0)
    if comparison.alone is not None:
        scores = np.where(num_own > 0, scores, comparison.alone)
    return scores.astype(np.float64)


def comparisons_of(
    distance: FloatArray,
    columns: IntArray,
    *,
    camera_ids: IntArray | None = None,
    alone: DoubleArray | None = None,
) -> list[Comparison]:
    """Return what is compared: all crops with the columns, or each camera's columns with other cameras' crops.

    Args:
        distance: Between all crops and the columns. Copied. Negative distances (Eq. 5) are all raised by one constant.
            Shape (n, c).
        columns: Crops whose silhouettes are wanted. Shape (c,).
        camera_ids: Camera of each crop, to compare only crops of different cameras; None compares all. Shape (n,).
        alone: See `Comparison`, where cameras are not compared.

    Raises:
        ValueError: If the distance does not have a column for each of `columns`.
    """
    if distance.shape[1:] != columns.shape:
        raise ValueError(f"distance needs {len(columns)} columns, got shape {distance.shape}.")
    everyone, places = np.arange(len(distance)), np.arange(len(columns))
    # The silhouette is a ratio and needs distances that are not negative; linkage takes negative ones, too.
    raised = distance - min(0.0, float(distance.min()))
    raised[columns, places] = 0
    raised[raised < ROUNDING] = 0  # copies of one crop have no structure
    if camera_ids is None:
        return [Comparison(everyone, columns, raised, counts_itself=True, alone=alone)]
    comparisons = []
    for camera in np.unique(camera_ids[columns]):
        others, own = everyone[camera_ids != camera], places[camera_ids[columns] == camera]
        comparisons.append(Comparison(others, columns[own], raised[np.ix_(others, own)], counts_itself=False))
    return comparisons


def _geometric(low: int, high: int, count: int) -> IntArray:
    return np.unique(np.geomspace(low, high, count).round().astype(np.int64))


def _best(scores: dict[int, float]) -> int:
    return max(sorted(scores), key=lambda number: scores[number])
