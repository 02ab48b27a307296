"""Approximate neighbour graph by an inverted file of faiss, for so many crops that an exact search is too slow.

Features are projected onto their main directions (PCA) and assigned to cells around 4 sqrt(n) centres. For each
crop, only the cells with the nearest centres are searched (the inverted file of Jegou et al., "Product Quantization
for Nearest Neighbor Search", 2011, without its quantisation). The crops found are compared in full. Needs the extra
`faiss`; docs/performance.md compares its result and cost with the exact search.
"""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import numpy as np
import torch

from iics.arrays import FloatArray, IntArray
from iics.errors import SettingsError
from iics.similarity.crop_similarity import CropSimilarity
from iics.similarity.neighbour_graph import NeighbourGraph, NeighbourSearch, graph_memory, in_order

DIMENSIONS = 256
CELLS_SEARCHED = 128
_TRAINED_ON = 64  # crops a cell, and a dimension
_FOUND_FOR_ONE = 2  # candidates for each neighbour kept: full comparison puts them into another order
_FEW_CROPS = 1024  # that make one cell


def check_faiss() -> None:
    """Refuse if faiss is not installed.

    Raises:
        SettingsError: If it is not.
    """
    if importlib.util.find_spec("faiss") is None:
        raise SettingsError("distance.neighbour_search faiss needs the package faiss: pip install 'iics[faiss]'.")


def approximate_neighbour_graph(similarity: CropSimilarity, *, num_neighbours: int) -> NeighbourGraph:
    """Return crops near every crop; nearly all of them are the nearest, but none is certain.

    Args:
        similarity: Of n crops, with features to search by.
        num_neighbours: Crops k to keep for each, itself included. Clipped to n.

    Raises:
        SettingsError: If faiss is not installed or there are no features to search by.
        ValueError: If a feature is not finite.
    """
    check_faiss()
    if similarity.features is None:
        raise SettingsError("distance.neighbour_search faiss compares features; Eq. 9 alone needs exact.")
    features = similarity.features.cpu().contiguous().numpy()
    if not np.isfinite(features.sum(axis=1)).all():
        raise ValueError("features hold NaN or infinite values; check the model they were computed with.")
    num_crops = len(similarity)
    # By features alone, and more than needed: the similarity may order them otherwise.
    found = _search(features, min(_FOUND_FOR_ONE * num_neighbours, num_crops)).astype(np.int32)
    itself = np.arange(num_crops, dtype=np.int32)
    is_lost = ~(found == itself[:, None]).any(axis=1)  # behind more than k copies
    found[is_lost, -1] = itself[is_lost]
    exact = similarity.pairs(np.repeat(itself, found.shape[1]), found.ravel()).reshape(found.shape)
    graph = in_order(found, exact, last_bounds=np.full(num_crops, np.inf, np.float32))
    kept = slice(0, num_neighbours)
    return NeighbourGraph(graph.neighbours[:, kept], graph.similarity[:, kept], graph.num_certain)


def _search(features: FloatArray, k: int) -> IntArray:
    """Return k crops near each crop, from the nearest cells; from all cells if these hold fewer than k."""
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    num_crops, dimensions = features.shape
    if min(num_crops, dimensions) > DIMENSIONS:
        projection = faiss.PCAMatrix(dimensions, DIMENSIONS)
        projection.train(np.ascontiguousarray(features[:: max(1, num_crops // (_TRAINED_ON * DIMENSIONS))]))
        features, dimensions = projection.apply(features), DIMENSIONS
    num_cells = 4 * math.isqrt(num_crops) if num_crops > _FEW_CROPS else 1
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(dimensions), dimensions, num_cells, faiss.METRIC_L2)
    # Otherwise faiss prints a warning to the terminal if there are few crops for a cell.
    index.cp.min_points_per_centroid = 1
    index.cp.max_points_per_centroid = _TRAINED_ON
    index.train(features)
    index.add(features)
    index.nprobe = min(CELLS_SEARCHED, num_cells)
    found: Any = index.search(features, k)[1]
    is_short = (found < 0).any(axis=1)
    if is_short.any():
        index.nprobe = num_cells
        found[is_short] = index.search(features[is_short], k)[1]
    return np.asarray(found, dtype=np.int64)


FAISS = NeighbourSearch(
    approximate_neighbour_graph,
    is_exact=False,
    needs_features=True,
    memory=lambda num_crops, num_neighbours, num_features: (
        graph_memory(num_crops, num_neighbours) + 3 * 4 * num_crops * min(num_features, DIMENSIONS)
    ),
    check=check_faiss,
)
