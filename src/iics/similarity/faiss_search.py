"""Approximate neighbour graph: an inverted file of faiss, for more crops than an exact search has time for.

Crops are put into cells around 4 sqrt(n) centres; only the cells whose centres are nearest to a crop are searched
(Jégou et al., "Product Quantization for Nearest Neighbor Search", 2011, without the quantisation). Needs the extra
`faiss`; what it finds and costs beside the exact search stands in docs/performance.md.
"""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from iics.errors import SettingsError
from iics.similarity.crop_similarity import CropSimilarity
from iics.similarity.neighbour_graph import NeighbourGraph, settled

FloatMatrix = npt.NDArray[np.float32]

CELLS_SEARCHED = 32
_TRAINED_ON = 64  # crops a cell


def check_faiss() -> None:
    """Refuse if faiss is not installed.

    Raises:
        SettingsError: If it is not.
    """
    if importlib.util.find_spec("faiss") is None:
        raise SettingsError("distance.neighbour_search faiss needs the package faiss: pip install 'iics[faiss]'.")


def approximate_neighbour_graph(similarity: CropSimilarity, *, num_neighbours: int) -> NeighbourGraph:
    """Return crops near every crop; nearly all of the nearest, none certainly.

    Args:
        similarity: Of n crops; its upper bounds must be inner products.
        num_neighbours: Crops k to keep for each, itself included. Clipped to n.

    Raises:
        SettingsError: If faiss is not installed or the similarity has no inner products.
        ValueError: If a feature is not finite.
    """
    check_faiss()
    vectors = similarity.inner_products()
    if vectors is None:
        raise SettingsError("distance.neighbour_search faiss compares features; Eq. 9 alone needs exact.")
    if not np.isfinite(vectors.stored.sum(axis=1)).all():
        raise ValueError("features hold NaN or infinite values; check the model they were computed with.")
    num_crops = len(similarity)
    k = min(num_neighbours, num_crops)
    index = _index(vectors.stored)
    products, found = index.search(vectors.asked, k)
    is_short = (found < 0).any(axis=1)  # the cells searched held fewer than k crops
    if is_short.any():
        index.nprobe = index.nlist
        products[is_short], found[is_short] = index.search(vectors.asked[is_short], k)
    found = found.astype(np.int32)
    itself = np.arange(num_crops, dtype=np.int32)
    is_lost = ~(found == itself[:, None]).any(axis=1)  # behind more than k copies
    found[is_lost, -1] = itself[is_lost]
    return settled(similarity, products + np.float32(vectors.offset), found, last_bounds=np.full(num_crops, np.inf))


def _index(vectors: FloatMatrix) -> Any:
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    num_cells = max(1, math.isqrt(16 * len(vectors)) if len(vectors) > CELLS_SEARCHED**2 else 1)
    dimensions = vectors.shape[1]
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dimensions), dimensions, num_cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid = 1
    index.cp.max_points_per_centroid = _TRAINED_ON
    index.train(vectors)
    index.add(vectors)
    index.nprobe = min(CELLS_SEARCHED, num_cells)
    return index
