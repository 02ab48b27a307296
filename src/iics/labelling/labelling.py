"""Similarity to pseudo-labels, the same in both stages: distance, re-ranking, linkage, cut.

All pairs are compared while their distances fit; beyond that, the graph of neighbours. Work comes in two parts: what
uses every core (`prepare`), and the linkage, which uses one and can run for several cameras at once (`cluster`).
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from iics.clustering.average_linkage import check_distance, linkage_in_place
from iics.clustering.cluster_count import (
    MAX_COLUMNS,
    Comparison,
    choose_number_of_clusters,
    comparisons_of,
    sampled_columns,
)
from iics.clustering.cuts import cut_distance, cut_number, quantile_distance
from iics.clustering.graph_linkage import graph_linkage
from iics.clustering.merges import Linkage
from iics.config import ClusterSettings, DistanceSettings, Settings
from iics.crops import IntArray
from iics.labelling.pseudo_labels import PseudoLabels
from iics.memory import total_memory
from iics.similarity.crop_similarity import CropSimilarity
from iics.similarity.distance_graph import (
    CropDistance,
    DistanceGraph,
    PlainDistance,
    RerankedDistance,
    distance_graph,
)
from iics.similarity.faiss_search import DIMENSIONS, approximate_neighbour_graph
from iics.similarity.neighbour_graph import NeighbourGraph, neighbour_graph
from iics.similarity.reciprocal import neighbours_needed
from iics.similarity.reranking import k_reciprocal_distance

logger = logging.getLogger(__name__)

_SHARE_OF_MEMORY = 3
_CROPS_WHERE_MEMORY_IS_UNKNOWN = 20_000
_ROUNDING = 1e-6
_SHARE_UNCERTAIN = 0.1
_GRAPH_BYTES_PER_NEIGHBOUR = 90
_SAMPLED_BYTES = 1e9  # of distances between a sample of crops and all, on the graph


@dataclass(frozen=True, eq=False)
class Prepared:
    """Distances that wait for their linkage, and what the cut needs to know of them.

    Attributes:
        distances: Of all pairs, shape (n, n); clustering overwrites them. Or the graph.
        threshold: Where a quantile cut lies; None for other rules.
        comparisons: What the automatic number is chosen by; None for other rules.
    """

    distances: npt.NDArray[np.float32] | DistanceGraph
    threshold: float | None
    comparisons: list[Comparison] | None


def max_dense_crops(distance: DistanceSettings) -> int:
    """Return the number of crops up to which all pairs are compared."""
    if distance.max_dense_crops > 0:
        return distance.max_dense_crops
    memory = total_memory()
    return _CROPS_WHERE_MEMORY_IS_UNKNOWN if memory is None else math.isqrt(memory // _SHARE_OF_MEMORY // 4)


def with_resolved_route(settings: Settings) -> Settings:
    """Return settings that name how many crops are compared in pairs, so that another machine resumes the same way."""
    return replace(settings, distance=replace(settings.distance, max_dense_crops=max_dense_crops(settings.distance)))


def labelling_memory(
    num_crops: int, distance: DistanceSettings, clusters: ClusterSettings, *, num_features: int
) -> int:
    """Return the most bytes that labelling takes beside features and scores; docs/performance.md has measured ones."""
    members = 4 * num_crops * (distance.k1 + 1) * (distance.k1 // 2 + 2) if distance.kind == "reranked" else 0
    if num_crops > max_dense_crops(distance):
        sampled = 256 if clusters.rule == "fixed" else 3 * _num_sampled(num_crops)
        per_crop = _GRAPH_BYTES_PER_NEIGHBOUR * distance.graph_neighbours + 4 * sampled
        if distance.neighbour_search == "faiss":
            per_crop += _GRAPH_BYTES_PER_NEIGHBOUR * distance.graph_neighbours + 3 * 4 * min(num_features, DIMENSIONS)
        return num_crops * per_crop + members
    matrix = 4 * num_crops**2 + members
    if clusters.rule == "quantile":
        return matrix + 2 * num_crops**2
    return matrix + (3 * 4 * num_crops * min(num_crops, MAX_COLUMNS) if clusters.rule == "auto" else 0)


def label_crops(
    similarity: CropSimilarity,
    *,
    distance: DistanceSettings,
    clusters: ClusterSettings,
    camera_ids: IntArray | None = None,
    min_number: int = 2,
) -> PseudoLabels:
    """Return pseudo-labels of crops from their similarity.

    Args:
        similarity: Larger is closer; cosine, or Eq. 5, or Eq. 9. Of n crops.
        distance: Whether and how to re-rank 1 - similarity, and up to how many crops to compare all pairs.
        clusters: Where to cut the dendrogram.
        camera_ids: Camera of each crop if there are several, for the automatic number. Shape (n,).
        min_number: Smallest automatic number.

    Raises:
        ValueError: If a similarity is not finite.
    """
    prepared = prepare(similarity, distance=distance, clusters=clusters, camera_ids=camera_ids)
    return cluster(prepared, clusters=clusters, min_number=min_number)


def prepare(
    similarity: CropSimilarity,
    *,
    distance: DistanceSettings,
    clusters: ClusterSettings,
    camera_ids: IntArray | None = None,
) -> Prepared:
    """Return the distances to cluster; see `label_crops`."""
    if len(similarity) > max_dense_crops(distance):
        return _prepare_graph(similarity, distance, clusters, camera_ids)
    matrix = similarity.matrix()
    np.subtract(1, matrix, out=matrix)
    if distance.kind == "reranked":
        matrix = k_reciprocal_distance(
            matrix, k1=distance.k1, k2=distance.k2, lambda_value=distance.lambda_value, overwrite=True
        )
    else:
        check_distance(matrix)
    threshold, comparisons = None, None
    if clusters.rule == "quantile" and len(matrix) > 1:
        threshold = quantile_distance(matrix, clusters.quantile)
    elif clusters.rule == "auto":
        columns = sampled_columns(len(matrix))
        block = matrix if len(columns) == len(matrix) else matrix[:, columns]
        comparisons = comparisons_of(block, columns, camera_ids=camera_ids)
    return Prepared(matrix, threshold, comparisons)


def cluster(prepared: Prepared, *, clusters: ClusterSettings, min_number: int = 2) -> PseudoLabels:
    """Return the pseudo-labels of prepared distances; see `label_crops`. Uses one core and no interpreter lock."""
    if isinstance(prepared.distances, DistanceGraph):
        linkage = graph_linkage(prepared.distances)
        least = _num_components(linkage, prepared.distances.far)
    else:
        linkage, least = linkage_in_place(prepared.distances), 1
    num_crops = len(linkage) + 1
    if prepared.comparisons is not None:
        chosen = choose_number_of_clusters(linkage, prepared.comparisons, min_number=max(min_number, least))
        labels = cut_number(linkage, max(chosen.number, least))
    elif prepared.threshold is not None:
        labels = cut_distance(linkage, prepared.threshold)
    else:
        number = max(1, min(clusters.number, num_crops // 2))
        if number < least:
            logger.warning(
                "The graph of neighbours falls into %d parts, more than the %d clusters asked for; each part becomes a "
                "cluster or more. Raise distance.graph_neighbours or the number of clusters.",
                least,
                number,
            )
        labels = cut_number(linkage, max(number, least))
    return PseudoLabels(labels, num_clusters=int(np.max(labels)) + 1)


def _prepare_graph(
    similarity: CropSimilarity, distance: DistanceSettings, clusters: ClusterSettings, camera_ids: IntArray | None
) -> Prepared:
    find = neighbour_graph if distance.neighbour_search == "exact" else approximate_neighbour_graph
    graph = find(similarity, num_neighbours=distance.graph_neighbours)
    compared: CropDistance = PlainDistance(similarity)
    if distance.kind == "reranked":
        if distance.neighbour_search == "exact":
            _warn_of_uncertain_neighbours(graph, neighbours_needed(len(similarity), distance.k1, distance.k2))
        compared = RerankedDistance(
            similarity, graph, k1=distance.k1, k2=distance.k2, lambda_value=distance.lambda_value
        )
    distances = distance_graph(compared, graph)
    threshold, comparisons = None, None
    if clusters.rule != "fixed":
        columns = sampled_columns(len(similarity), _num_sampled(len(similarity)))
        block = compared.rows(columns)
        if clusters.rule == "quantile":
            threshold = _sampled_quantile(block, columns, clusters.quantile)
        else:
            comparisons = comparisons_of(block.T, columns, camera_ids=camera_ids)
    return Prepared(distances, threshold, comparisons)


def _warn_of_uncertain_neighbours(graph: NeighbourGraph, needed: int) -> None:
    """Say so if a crop that was not found could be among the neighbours that re-ranking uses (large mu)."""
    num_uncertain = int((graph.num_certain < needed).sum())
    if num_uncertain > _SHARE_UNCERTAIN * len(graph.num_certain):
        logger.warning(
            "Of %d of %d crops, some of the %d neighbours used in re-ranking may not be the nearest, because the score "
            "overlap weighs much. Raise distance.graph_neighbours above %d.",
            num_uncertain,
            len(graph.num_certain),
            needed,
            graph.neighbours.shape[1],
        )


def _num_components(linkage: Linkage, far: float) -> int:
    """Return how many parts no edge joins: they merge last, at `far`, and in an order that means nothing."""
    return 1 + int((linkage[:, 2] >= far).sum())


def _num_sampled(num_crops: int) -> int:
    """Return how many crops' distances to all others are looked at on the graph."""
    return min(num_crops, MAX_COLUMNS, max(1, int(_SAMPLED_BYTES / (4 * num_crops))))


def _sampled_quantile(block: npt.NDArray[np.float32], rows: IntArray, q: float) -> float:
    """Return the quantile of the distances between some crops and all others, rounded up as heights are rounded."""
    is_other = np.ones(block.shape, dtype=np.bool_)
    is_other[np.arange(len(rows)), rows] = False
    return float(np.quantile(block[is_other], q, method="inverted_cdf")) + _ROUNDING
