"""Overlap (Eq. 9) of dense scores: tiles of crops, kept in the cache while all their pairs are compared.

With I = sum min(s_m, s_n) and row sums a_m, the sum of max(s_m, s_n) is a_m + a_n - I exactly, so
J = I / (a_m + a_n - I). One step of the inner loop compares four crops with four others and holds the sixteen sums in
registers; every pair takes the same path, so J depends neither on the order of crops nor on the number of threads, and
J of two copies is exactly 1.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from iics.arrays import FloatArray, IndexArray
from iics.kernels import REORDERED, kernel, on_each_thread

Work = tuple[FloatArray, FloatArray, FloatArray]

_TILE = 128  # crops; with the chunk, two packed tiles of 0.5 MB: they fit the second-level cache of one core
_CHUNK = 912  # scores
_STEP = 4  # crops a step of the inner loop takes from each side
_LINE = 16  # floats in a cache line
_ROWS_AT_A_TIME = 4 * _TILE  # a kernel cannot be interrupted: Ctrl-C waits a few seconds, not minutes


def dense_overlap(scores: FloatArray) -> FloatArray:
    """Return J of every pair; O(n^2 K) time, half of it saved by symmetry, and no memory beside the result.

    Args:
        scores: Not negative, no NaN, every row sum above 0. Shape (n, K).

    Returns:
        Overlap in [0, 1], exactly symmetric, 1 on the diagonal. Shape (n, n).
    """
    overlap = np.empty((len(scores), len(scores)), np.float32)
    masses, work = np.empty(len(scores), np.float32), _work_space()
    on_each_thread(_overlap_near_diagonal, scores, masses, overlap, work)
    for start in range(_TILE, len(scores), _ROWS_AT_A_TIME):
        on_each_thread(_overlap_off_diagonal, scores, masses, overlap, start, start + _ROWS_AT_A_TIME, work)
    return overlap


def dense_overlap_block(rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Return J between some crops (r, K) and others (c, K). Shape (r, c)."""
    overlap = np.empty((len(rows), len(columns)), np.float32)
    masses, work = (np.empty(len(rows), np.float32), np.empty(len(columns), np.float32)), _work_space()
    on_each_thread(_masses, rows, masses[0], work)
    on_each_thread(_masses, columns, masses[1], work)
    on_each_thread(_overlap_of_block, rows, columns, *masses, overlap, work)
    return overlap


def dense_overlap_pairs(scores: FloatArray, first: IndexArray, second: IndexArray) -> FloatArray:
    """Return J of the pairs (first[i], second[i]). Shape (len(first),)."""
    overlap = np.empty(len(first), np.float32)
    on_each_thread(_overlap_of_pairs, scores, first, second, overlap)
    return overlap


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


def _work_space() -> Work:
    """Return room for two packed tiles and the shared masses of all their pairs, for each thread."""
    num_threads = torch.get_num_threads()
    return (
        _aligned(num_threads, _TILE, _CHUNK),
        _aligned(num_threads, _TILE, _CHUNK),
        np.zeros((num_threads, _TILE, _TILE), np.float32),
    )


def _aligned(*shape: int) -> FloatArray:
    """Return zeros whose first element starts a cache line."""
    block = np.zeros(math.prod(shape) + _LINE, np.float32)
    start = (-(block.ctypes.data // 4)) % _LINE
    return block[start : start + math.prod(shape)].reshape(shape)


@kernel()
def _pack(scores: FloatArray, start: int, count: int, k: int, size: int, packed: FloatArray) -> None:
    for i in range(count):
        for j in range(size):
            packed[i, j] = scores[start + i, k + j]


@kernel()
def _compare_tiles(
    rows: FloatArray,
    top: int,
    height: int,
    columns: FloatArray,
    left: int,
    width: int,
    work: Work,
    thread: int,
) -> None:
    """Write the shared masses of `height` rows and `width` columns to the last array of a thread's `work`."""
    packed_rows, packed_columns, shared = work[0][thread], work[1][thread], work[2][thread]
    for i in range(_TILE):
        for j in range(_TILE):
            shared[i, j] = 0
    for k in range(0, rows.shape[1], _CHUNK):
        size = min(_CHUNK, rows.shape[1] - k)
        _pack(rows, top, height, k, size, packed_rows)
        _pack(columns, left, width, k, size, packed_columns)
        for i in range(0, height, _STEP):  # the last step may read what an earlier tile left; nobody reads its sums
            for j in range(0, width, _STEP):
                _add_shared(packed_rows, i, packed_columns, j, size, shared)


@kernel()
def _overlap_near_diagonal(
    scores: FloatArray, masses: FloatArray, overlap: FloatArray, work: Work, thread: int, num_threads: int
) -> None:
    """Write the tiles on the diagonal and the row sums, added up as the tiles add."""
    num_crops, shared = len(scores), work[2][thread]
    for start in range(thread * _TILE, num_crops, num_threads * _TILE):
        size = min(_TILE, num_crops - start)
        _compare_tiles(scores, start, size, scores, start, size, work, thread)
        for i in range(size):
            masses[start + i] = shared[i, i]
        for i in range(size):
            for j in range(size):
                union = masses[start + i] + masses[start + j] - shared[i, j]
                overlap[start + i, start + j] = shared[i, j] / union


@kernel()
def _overlap_off_diagonal(
    scores: FloatArray,
    masses: FloatArray,
    overlap: FloatArray,
    start: int,
    end: int,
    work: Work,
    thread: int,
    num_threads: int,
) -> None:
    """Write the tiles below the diagonal whose rows start from `start` to `end` and, mirrored, those above it."""
    num_crops, shared = len(scores), work[2][thread]
    pair = 0
    for top in range(start, min(end, num_crops), _TILE):
        height = min(_TILE, num_crops - top)
        for left in range(0, top, _TILE):
            pair += 1
            if pair % num_threads != thread:
                continue
            width = min(_TILE, num_crops - left)  # always a whole tile; compiled once for it and for the others
            _compare_tiles(scores, top, height, scores, left, width, work, thread)
            for i in range(height):
                for j in range(_TILE):
                    shared[i, j] /= masses[top + i] + masses[left + j] - shared[i, j]
                    overlap[top + i, left + j] = shared[i, j]
            for j in range(_TILE):
                for i in range(height):
                    overlap[left + j, top + i] = shared[i, j]


@kernel()
def _masses(scores: FloatArray, masses: FloatArray, work: Work, thread: int, num_threads: int) -> None:
    """Write the row sums, added up as the tiles add."""
    num_crops, shared = len(scores), work[2][thread]
    for start in range(thread * _STEP, num_crops, num_threads * _STEP):
        size = min(_STEP, num_crops - start)
        _compare_tiles(scores, start, size, scores, start, size, work, thread)
        for i in range(size):
            masses[start + i] = shared[i, i]


@kernel()
def _overlap_of_block(
    rows: FloatArray,
    columns: FloatArray,
    row_masses: FloatArray,
    column_masses: FloatArray,
    overlap: FloatArray,
    work: Work,
    thread: int,
    num_threads: int,
) -> None:
    shared = work[2][thread]
    for left in range(thread * _TILE, len(columns), num_threads * _TILE):
        width = min(_TILE, len(columns) - left)
        for top in range(0, len(rows), _TILE):
            height = min(_TILE, len(rows) - top)
            _compare_tiles(rows, top, height, columns, left, width, work, thread)
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


@kernel()
def _overlap_of_pairs(
    scores: FloatArray, first: IndexArray, second: IndexArray, overlap: FloatArray, thread: int, num_threads: int
) -> None:
    for pair in range(thread, len(first), num_threads):
        overlap[pair] = _pair_overlap(scores[first[pair]], scores[second[pair]])
