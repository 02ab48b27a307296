"""Cosine of features: the similarity `cnn`, and the first term of Eq. 5."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from iics.arrays import FloatArray, IndexArray
from iics.kernels import REORDERED, kernel, on_each_thread
from iics.similarity.crop_similarity import Crops, SimilarityKind, where_the_matrix_fits

_BLOCK_ROWS = 1024


class CosineSimilarity:
    """Cosine of features.

    Args:
        features: L2-normalised rows. Shape (n, d), float32.
    """

    bounds = None
    compares_scores = False

    def __init__(self, features: Tensor) -> None:
        self.features = features.detach()

    def __len__(self) -> int:
        return len(self.features)

    def matrix(self) -> FloatArray:
        """See `CropSimilarity`."""
        return cosine_similarity(where_the_matrix_fits(self.features)).cpu().numpy()

    def block(self, rows: Crops, columns: Crops) -> FloatArray:
        """See `CropSimilarity`."""
        return (_of(self.features, rows) @ _of(self.features, columns).T).cpu().numpy()

    def pairs(self, first: IndexArray, second: IndexArray) -> FloatArray:
        """See `CropSimilarity`."""
        cosines = np.empty(len(first), np.float32)
        on_each_thread(_cosines, self._on_cpu, first, second, cosines)
        return cosines

    @cached_property
    def _on_cpu(self) -> FloatArray:
        return self.features.cpu().numpy()


CNN = SimilarityKind(lambda crops: CosineSimilarity(crops.features), needs_scores=False, has_features=True)


def cosine_similarity(features: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Return f.f' of every pair, exactly symmetric. Shapes (n, d) to (n, n)."""
    return products(features, out)


def products(
    features: Tensor, out: Tensor | None, raise_block: Callable[[Tensor, slice], None] | None = None
) -> Tensor:
    """Return f.f' of every pair, exactly symmetric; symmetry saves half of the time.

    Args:
        features: Shape (n, d).
        out: Where to write. Shape (n, n).
        raise_block: Adds to a block of products in place: some rows, and the columns from the first of these rows
            on.
    """
    num_crops = check_features(features)
    if out is None:
        out = features.new_empty(num_crops, num_crops)
    if out.shape != (num_crops, num_crops) or out.dtype != features.dtype:
        raise ValueError(
            f"out must be {num_crops} x {num_crops} {features.dtype} for {num_crops} features, "
            f"got {tuple(out.shape)} {out.dtype}."
        )
    for start in range(0, num_crops, _BLOCK_ROWS):
        rows = slice(start, min(start + _BLOCK_ROWS, num_crops))
        block = features[rows] @ features[start:].T  # the upper half; the lower is its mirror image
        if raise_block is not None:
            raise_block(block, rows)
        square = block[:, : len(block)]
        square.copy_(square.triu() + square.triu(1).T)  # a matrix product may round f.g and g.f differently
        out[rows, start:] = block
        out[start:, rows] = block.T
    return out


def check_features(features: Tensor) -> int:
    """Return how many rows of features there are.

    Raises:
        ValueError: If they are no rows.
    """
    if features.ndim != 2:
        raise ValueError(f"features must have shape (crops, dimensions), got {tuple(features.shape)}.")
    return len(features)


@kernel(fastmath=REORDERED)
def dot(a: FloatArray, b: FloatArray) -> np.float32:
    """Return the product of two rows, added in any order; for kernels."""
    total = np.float32(0)
    for k in range(len(a)):
        total += a[k] * b[k]
    return total


def _of(features: Tensor, crops: Crops) -> Tensor:
    return features[crops] if isinstance(crops, slice) else features[torch.tensor(crops, device=features.device)]


@kernel()
def _cosines(
    features: FloatArray, first: IndexArray, second: IndexArray, cosines: FloatArray, thread: int, num_threads: int
) -> None:
    for pair in range(thread, len(first), num_threads):
        cosines[pair] = dot(features[first[pair]], features[second[pair]])
