"""Score overlap (Eq. 9): agreement of all cameras' classifiers about two crops.

Crops of one person by different cameras share no cluster. But every camera's head gives them similar scores over its
clusters. J(m, n) = sum_k min(s_mk, s_nk) / sum_k max(s_mk, s_nk). In: concatenated softmax outputs. Out: one matrix.

There are three ways to compute J: tiles (`dense_overlap`), an index of the large scores if they are few
(`sparse_overlap`), and torch on an accelerator.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from iics.arrays import FloatArray, Int32Array, IntArray
from iics.kernels import kernel, on_each_thread
from iics.similarity.dense_overlap import dense_overlap
from iics.similarity.sparse_overlap import SparseRows, mirror_lower

SPARSE_ERROR = 5e-6
"""Bound on the error of J where small scores are left out."""

_ROW_SUM_TOLERANCE = 1e-3
_BLOCK_ROWS = 512
# A score compared through the index costs as much as this many in a tile: 31 to 46 measured (docs/performance.md).
_INDEXED_COST = 50


class OverlapFunction(Protocol):
    """Function from the scores of C heads to the overlap of all pairs, such as `score_overlap`."""

    def __call__(self, scores: Tensor, *, num_cameras: int) -> Tensor:
        """Return J. Shapes (n, K) to (n, n)."""


def score_overlap(scores: Tensor, *, num_cameras: int) -> Tensor:
    """Return the overlap of the classifier scores of every pair of crops (Eq. 9).

    Takes O(n^2 K) time, or much less if scores are peaked, and no memory of size n^2 besides the result.

    Args:
        scores: Softmax outputs of the C heads, side by side: not negative, rows sum to `num_cameras`. Shape (n, K).
        num_cameras: Number of heads C.

    Returns:
        Overlap in [0, 1], exactly symmetric, 1 on the diagonal, within 1e-5 of Eq. 9. Shape (n, n), float32, on the
        device of the scores.

    Raises:
        ValueError: If scores are negative or not finite, or a row does not sum to `num_cameras`.
    """
    check_scores(scores, num_cameras)
    if scores.device.type != "cpu":
        return _overlap_by_torch(scores.detach().float())
    matrix = scores.detach().float().contiguous().numpy()
    sparse = large_scores(matrix, num_cameras=num_cameras)
    return torch.from_numpy(dense_overlap(matrix) if sparse is None else _overlap_of_large(sparse))


def large_scores(scores: FloatArray, *, num_cameras: int) -> SparseRows | None:
    """Return the scores that matter, if comparing only them is faster; None if it is not.

    In each row, scores below a power of two are left out. It is chosen so that they sum to e, at most C *
    SPARSE_ERROR / 3. That lowers sum(min) by at most e_m + e_n, and sum(max), which is at least C, by at most the
    same. So J changes by at most (e_m + e_n) / (C - e_m - e_n), which is below SPARSE_ERROR.

    Args:
        scores: As for `score_overlap`. Shape (n, K).
        num_cameras: Number of heads C.
    """
    exponents = np.empty(len(scores), np.int32)
    largest_mass = np.float32(num_cameras * SPARSE_ERROR / 3)
    on_each_thread(_bounds, scores, scores.view(np.int32), largest_mass, exponents)
    bounds = np.ldexp(np.float32(1), exponents)
    counts = _counts_by_column(scores, bounds).astype(np.float64)
    if _INDEXED_COST * float((counts**2).sum()) > len(scores) ** 2 * scores.shape[1]:
        return None
    row_counts = _counts_by_row(scores, bounds)
    starts = np.concatenate([[0], np.cumsum(row_counts)])
    columns, values = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
    on_each_thread(_keep, scores, bounds, starts, columns, values)
    return SparseRows.from_csr(scipy.sparse.csr_array((values, columns, starts), shape=scores.shape))


def _overlap_of_large(scores: SparseRows) -> FloatArray:
    num_crops = len(scores.masses)
    overlap = np.zeros((num_crops, num_crops), np.float32)
    scores.add_overlap(overlap, scale=1)
    mirror_lower(overlap)
    np.fill_diagonal(overlap, 1)
    return overlap


def _overlap_by_torch(scores: Tensor) -> Tensor:
    """Return J = (2M - L1) / (2M + L1), with L1 = sum |s_m - s_n| and 2M the sum of both rows."""
    num_crops = len(scores)
    masses = scores.sum(dim=1)
    overlap = scores.new_empty(num_crops, num_crops)
    for start in range(0, num_crops, _BLOCK_ROWS):
        rows = slice(start, min(start + _BLOCK_ROWS, num_crops))
        l1 = torch.cdist(scores[rows], scores[start:], p=1)  # the upper half; the lower is its mirror image
        both = masses[rows, None] + masses[None, start:]
        block = ((both - l1) / (both + l1)).clamp_(0, 1)
        overlap[rows, start:] = block
        overlap[start:, rows] = block.T
    return overlap


def check_scores(scores: Tensor, num_cameras: int) -> None:
    """Refuse scores that are not the softmax outputs of `num_cameras` heads.

    Raises:
        ValueError: If scores are negative or not finite, or a row does not sum to `num_cameras`.
    """
    if num_cameras < 1:
        raise ValueError(f"num_cameras must be at least 1, got {num_cameras}.")
    if scores.ndim != 2:
        raise ValueError(f"scores must have shape (crops, classes), got {tuple(scores.shape)}.")
    if scores.numel() == 0:
        raise ValueError(f"scores must hold at least one crop and one class, got shape {tuple(scores.shape)}.")
    smallest = scores.amin().item()
    if not smallest >= 0:  # also true for NaN
        raise ValueError(f"scores must be probabilities; the smallest is {smallest}. Pass softmax outputs, not logits.")
    sums = scores.sum(dim=1, dtype=torch.float32)
    deviation = (sums - num_cameras).abs()
    if not deviation.amax().item() <= _ROW_SUM_TOLERANCE * num_cameras:
        worst = int(deviation.argmax())
        raise ValueError(
            f"Row {worst} of scores sums to {sums[worst].item():.4f}, not to num_cameras={num_cameras}. "
            "Concatenate the softmax outputs of all heads, one head per camera."
        )


@kernel()
def _bounds(
    scores: FloatArray,
    bits: Int32Array,
    largest_mass: np.float32,
    bounds: Int32Array,
    thread: int,
    num_threads: int,
) -> None:
    """Write for each row the largest power of two, as exponent, below which scores sum to at most `largest_mass`."""
    for m in range(thread, len(scores), num_threads):
        mass_by_exponent = np.zeros(256, np.float64)
        for k in range(scores.shape[1]):
            mass_by_exponent[bits[m, k] >> 23] += scores[m, k]  # the sign bit is 0
        exponent, mass = 0, mass_by_exponent[0]
        while mass <= largest_mass and exponent < 254:
            exponent += 1
            mass += mass_by_exponent[exponent]
        bounds[m] = exponent - 127


@kernel()
def _counts_by_column(scores: FloatArray, bounds: FloatArray) -> IntArray:
    counts = np.zeros(scores.shape[1], np.int64)
    for m in range(len(scores)):
        for k in range(scores.shape[1]):
            counts[k] += scores[m, k] >= bounds[m]
    return counts


@kernel()
def _counts_by_row(scores: FloatArray, bounds: FloatArray) -> IntArray:
    counts = np.zeros(len(scores), np.int64)
    for m in range(len(scores)):
        for k in range(scores.shape[1]):
            counts[m] += scores[m, k] >= bounds[m]
    return counts


@kernel()
def _keep(
    scores: FloatArray,
    bounds: FloatArray,
    starts: IntArray,
    columns: Int32Array,
    values: FloatArray,
    thread: int,
    num_threads: int,
) -> None:
    for m in range(thread, len(scores), num_threads):
        place = starts[m]
        for k in range(scores.shape[1]):
            if scores[m, k] >= bounds[m]:
                columns[place] = k
                values[place] = scores[m, k]
                place += 1
