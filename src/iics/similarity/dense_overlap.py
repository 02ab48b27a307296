"""Overlap (Eq. 9) of dense scores, in tiles of crops that stay in the cache while their pairs are compared.

With I = sum min(s_m, s_n) and row sums a_m, the sum of max(s_m, s_n) is a_m + a_n - I exactly, so
J = I / (a_m + a_n - I). One step of the inner loop compares four crops with four others and keeps the sixteen sums
in registers. Every pair is added up in the same order. So J depends neither on the order of crops nor on the number
of threads, and J of two copies is exactly 1.
"""

from __future__ import annotations

import numba
import numpy as np

from iics.arrays import FloatArray, IndexArray
from iics.kernels import REORDERED, kernel, torch_threads

_TILE = 128  # crops; with the chunk, two packed tiles of 0.5 MB: they fit the second-level cache of one core
_CHUNK = 912  # scores
_STEP = 4  # crops a step of the inner loop takes from each side
_LINE = 16  # floats in a cache line
_ROWS_AT_A_TIME = 4 * _TILE  # a kernel cannot be interrupted: Ctrl-C waits a few seconds, not minutes


def dense_overlap(scores: FloatArray) -> FloatArray:
    """Return J of every pair; O(n^2 K) time, halved by symmetry, and no memory besides the result.

    Args:
        scores: Not negative, no NaN, every row sum above 0. Shape (n, K).

    Returns:
        Overlap in [0, 1], exactly symmetric, 1 on the diagonal. Shape (n, n).
    """
    overlap = np.empty((len(scores), len(scores)), np.float32)
    with torch_threads() as num_threads:
        masses = _overlap_near_diagonal(scores, overlap, num_threads)
        for start in range(_TILE, len(scores), _ROWS_AT_A_TIME):
            _overlap_off_diagonal(scores, masses, overlap, start, start + _ROWS_AT_A_TIME, num_threads)
    return overlap


def dense_overlap_block(rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Return J between some crops (r, K) and others (c, K). Shape (r, c)."""
    overlap = np.empty((len(rows), len(columns)), np.float32)
    with torch_threads() as num_threads:
        masses = _masses(rows, num_threads), _masses(columns, num_threads)
        _overlap_of_block(rows, columns, *masses, overlap, num_threads)
    return overlap


def dense_overlap_pairs(scores: FloatArray, first: IndexArray, second: IndexArray) -> FloatArray:
    """Return J of the pairs (first[i], second[i]). Shape (len(first),)."""
    with torch_threads():
        return _overlap_of_pairs(scores, first, second)


@kernel(fastmath=REORDERED)
def _add_shared(rows: FloatArray, i: int, columns: FloatArray, j: int, size: int, shared: FloatArray) -> None:
    """Add sum_k min(rows[i + a, k], columns[j + b, k]) to shared[i + a, j + b], for a and b from 0 to 3."""
    a0, a1, a2, a3 = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
    b0, b1, b2, b3 = columns[j], columns[j + 1], columns[j + 2], columns[j + 3]
    s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = np.float32(0)
    s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = np.float32(0)
    for k in range(size):
        x0, x1, x2, x3 = a0[k], a1[k], a2[k], a3[k]
        y0, y1, y2, y3 = b0[k], b1[k], b2[k], b3[k]
        s00, s01, s02, s03 = s00 + min(x0, y0), s01 + min(x0, y1), s02 + min(x0, y2), s03 + min(x0, y3)
        s10, s11, s12, s13 = s10 + min(x1, y0), s11 + min(x1, y1), s12 + min(x1, y2), s13 + min(x1, y3)
        s20, s21, s22, s23 = s20 + min(x2, y0), s21 + min(x2, y1), s22 + min(x2, y2), s23 + min(x2, y3)
        s30, s31, s32, s33 = s30 + min(x3, y0), s31 + min(x3, y1), s32 + min(x3, y2), s33 + min(x3, y3)
    for a, sums in enumerate(((s00, s01, s02, s03), (s10, s11, s12, s13), (s20, s21, s22, s23), (s30, s31, s32, s33))):
        shared[i + a, j] += sums[0]
        shared[i + a, j + 1] += sums[1]
        shared[i + a, j + 2] += sums[2]
        shared[i + a, j + 3] += sums[3]


@kernel()
def _aligned(num_rows: int, num_columns: int) -> FloatArray:
    """Return zeros whose first element starts a cache line."""
    block = np.zeros(num_rows * num_columns + _LINE, np.float32)
    start = (-(block.ctypes.data // 4)) % _LINE
    return block[start : start + num_rows * num_columns].reshape(num_rows, num_columns)


@kernel()
def _pack(scores: FloatArray, start: int, count: int, k: int, size: int, packed: FloatArray) -> None:
    for i in range(count):
        packed[i, :size] = scores[start + i, k : k + size]


@kernel()
def _compare_tiles(
    rows: FloatArray,
    top: int,
    height: int,
    columns: FloatArray,
    left: int,
    width: int,
    work: tuple[FloatArray, FloatArray, FloatArray],
) -> None:
    """Write the shared masses of `height` rows and `width` columns to the last array of `work`."""
    packed_rows, packed_columns, shared = work
    shared[:] = 0
    for k in range(0, rows.shape[1], _CHUNK):
        size = min(_CHUNK, rows.shape[1] - k)
        _pack(rows, top, height, k, size, packed_rows)
        _pack(columns, left, width, k, size, packed_columns)
        for i in range(0, height, _STEP):  # the last step may read what an earlier tile left; nobody reads its sums
            for j in range(0, width, _STEP):
                _add_shared(packed_rows, i, packed_columns, j, size, shared)


@kernel()
def _work_space() -> tuple[FloatArray, FloatArray, FloatArray]:
    return _aligned(_TILE, _CHUNK), _aligned(_TILE, _CHUNK), np.zeros((_TILE, _TILE), np.float32)


@kernel(parallel=True)
def _overlap_near_diagonal(scores: FloatArray, overlap: FloatArray, num_threads: int) -> FloatArray:
    """Write the tiles on the diagonal; return the row sums, added in the same order as in the tiles."""
    num_crops = len(scores)
    masses = np.empty(num_crops, np.float32)
    for thread in numba.prange(num_threads):
        work = _work_space()
        for start in range(thread * _TILE, num_crops, num_threads * _TILE):
            size = min(_TILE, num_crops - start)
            _compare_tiles(scores, start, size, scores, start, size, work)
            shared = work[2]
            for i in range(size):
                masses[start + i] = shared[i, i]
            for i in range(size):
                for j in range(size):
                    union = masses[start + i] + masses[start + j] - shared[i, j]
                    overlap[start + i, start + j] = shared[i, j] / union
    return masses


@kernel(parallel=True)
def _overlap_off_diagonal(
    scores: FloatArray, masses: FloatArray, overlap: FloatArray, start: int, end: int, num_threads: int
) -> None:
    """Write the tiles below the diagonal whose rows start from `start` to `end` and, mirrored, those above it."""
    num_crops = len(scores)
    for thread in numba.prange(num_threads):
        work = _work_space()
        shared = work[2]
        pair = 0
        for top in range(start, min(end, num_crops), _TILE):
            height = min(_TILE, num_crops - top)
            for left in range(0, top, _TILE):
                pair += 1
                if pair % num_threads != thread:
                    continue
                _compare_tiles(scores, top, height, scores, left, _TILE, work)
                for i in range(height):
                    for j in range(_TILE):
                        shared[i, j] /= masses[top + i] + masses[left + j] - shared[i, j]
                        overlap[top + i, left + j] = shared[i, j]
                for j in range(_TILE):
                    for i in range(height):
                        overlap[left + j, top + i] = shared[i, j]


@kernel(parallel=True)
def _masses(scores: FloatArray, num_threads: int) -> FloatArray:
    """Return the row sums, added in the same order as in the tiles."""
    num_crops = len(scores)
    masses = np.empty(num_crops, np.float32)
    for thread in numba.prange(num_threads):
        work = _work_space()
        for start in range(thread * _STEP, num_crops, num_threads * _STEP):
            size = min(_STEP, num_crops - start)
            _compare_tiles(scores, start, size, scores, start, size, work)
            for i in range(size):
                masses[start + i] = work[2][i, i]
    return masses


@kernel(parallel=True)
def _overlap_of_block(
    rows: FloatArray,
    columns: FloatArray,
    row_masses: FloatArray,
    column_masses: FloatArray,
    overlap: FloatArray,
    num_threads: int,
) -> None:
    for thread in numba.prange(num_threads):
        work = _work_space()
        shared = work[2]
        for left in range(thread * _TILE, len(columns), num_threads * _TILE):
            width = min(_TILE, len(columns) - left)
            for top in range(0, len(rows), _TILE):
                height = min(_TILE, len(rows) - top)
                _compare_tiles(rows, top, height, columns, left, width, work)
                for i in range(height):
                    for j in range(width):
                        union = row_masses[top + i] + column_masses[left + j] - shared[i, j]
                        overlap[top + i, left + j] = shared[i, j] / union


@kernel(fastmath=REORDERED)
def _pair_overlap(a: FloatArray, b: FloatArray) -> np.float32:
    """Return J of two crops. Copies give exactly 1: both sums then add the same numbers in the same order."""
    shared = union = np.float32(0)
    for k in range(len(a)):
        shared += min(a[k], b[k])
        union += max(a[k], b[k])
    return shared / union


@kernel(parallel=True)
def _overlap_of_pairs(scores: FloatArray, first: IndexArray, second: IndexArray) -> FloatArray:
    overlap = np.empty(len(first), np.float32)
    for pair in numba.prange(len(first)):
        overlap[pair] = _pair_overlap(scores[first[pair]], scores[second[pair]])
    return overlap
