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

from iics.arrays import BoolArray, FloatArray, IndexArray, IntArray
from iics.errors import SettingsError
from iics.similarity.crop_similarity import CropSimilarity
from iics.similarity.neighbour_graph import (
    Listed,
    NeighbourGraph,
    NeighbourSearch,
    crops_to_list,
    graph_memory,
    in_order,
    one_graph,
)

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


def approximate_neighbour_graph(
    similarity: CropSimilarity, *, num_neighbours: int, camera_ids: IntArray | None = None
) -> NeighbourGraph:
    """Return crops near every crop; nearly all of them are the nearest, but none is certain.

    Args:
        similarity: Of n crops, with features to search by.
        num_neighbours: Crops k to keep for each, itself included. Clipped to n.
        camera_ids: Camera of each crop, to keep half of the k from its own camera and half from the others, each
            clipped to what there is. Shape (n,).

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
    cells = _Cells(features)
    lists = crops_to_list(len(similarity), num_neighbours, camera_ids)
    return one_graph([_near(similarity, cells, listed) for listed in lists], camera_ids)


def _near(similarity: CropSimilarity, cells: _Cells, listed: Listed) -> NeighbourGraph:
    """Return crops near every crop, out of those that a list may hold."""
    num_crops = len(similarity)
    itself = np.arange(num_crops, dtype=np.int32)
    # By features alone, and more than needed: the similarity may order them otherwise.
    width = min(_FOUND_FOR_ONE * listed.width, num_crops)
    found = np.repeat(itself, width).reshape(num_crops, width)
    for camera in np.unique(listed.camera_ids):
        is_own = listed.camera_ids == camera
        may_be_found = is_own == listed.of_own
        k = min(width, int(may_be_found.sum()))
        if k > 0:
            found[is_own, :k] = cells.search(np.flatnonzero(is_own), k, may_be_found)
    is_itself = found == itself[:, None]
    if listed.of_own:
        is_lost = ~is_itself.any(axis=1)  # behind more than k copies
        found[is_lost, -1] = itself[is_lost]
    exact = similarity.pairs(np.repeat(itself, width), found.ravel()).reshape(found.shape)
    # A list that is too long ends in the crop itself, which has one place among its own.
    exact[found == itself[:, None]] = -np.inf
    if listed.of_own:
        exact[itself, np.argmax(found == itself[:, None], axis=1)] = np.inf
    graph = in_order(found, exact, last_bounds=np.full(num_crops, np.inf, np.float32))
    kept = slice(0, listed.width)
    return NeighbourGraph(graph.neighbours[:, kept], graph.similarity[:, kept], graph.num_certain)


class _Cells:
    """An inverted file of features.

    Args:
        features: Finite. Shape (n, d), float32.
    """

    def __init__(self, features: FloatArray) -> None:
        import faiss

        faiss.omp_set_num_threads(torch.get_num_threads())
        num_crops, dimensions = features.shape
        if min(num_crops, dimensions) > DIMENSIONS:
            projection = faiss.PCAMatrix(dimensions, DIMENSIONS)
            projection.train(np.ascontiguousarray(features[:: max(1, num_crops // (_TRAINED_ON * DIMENSIONS))]))
            features, dimensions = projection.apply(features), DIMENSIONS
        self._features = features
        self._num_cells = 4 * math.isqrt(num_crops) if num_crops > _FEW_CROPS else 1
        index = faiss.IndexIVFFlat(faiss.IndexFlatL2(dimensions), dimensions, self._num_cells, faiss.METRIC_L2)
        # Otherwise faiss prints a warning to the terminal if there are few crops for a cell.
        index.cp.min_points_per_centroid = 1
        index.cp.max_points_per_centroid = _TRAINED_ON
        index.train(features)
        index.add(features)
        self._index = index

    def search(self, crops: IndexArray, k: int, may_be_found: BoolArray) -> IntArray:
        """Return k crops near each of some, from the nearest cells; from all cells if these hold fewer than k.

        Args:
            crops: Shape (m,).
            k: At most as many as may be found.
            may_be_found: Whether each crop may be. Shape (n,).
        """
        import faiss

        # None where all may be: a test for each crop takes time.
        chosen = None if may_be_found.all() else faiss.IDSelectorBatch(np.flatnonzero(may_be_found))
        searched = faiss.SearchParametersIVF(nprobe=min(CELLS_SEARCHED, self._num_cells), sel=chosen)
        found: Any = self._index.search(self._features[crops], k, params=searched)[1]
        is_short = (found < 0).any(axis=1)
        if is_short.any():
            everywhere = faiss.SearchParametersIVF(nprobe=self._num_cells, sel=chosen)
            found[is_short] = self._index.search(self._features[crops[is_short]], k, params=everywhere)[1]
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
