"""Overlap of sparse rows: sum of minima over sum of maxima, through an index from columns to rows.

Serves Eq. 9 where scores are peaked, and re-ranking, whose rows are the weights of a crop's reciprocal neighbours. Only
pairs that share a column are met. With I = sum min(v_p, v_q) and row sums a_p, the overlap is I / (a_p + a_q - I).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from iics.arrays import DoubleArray, FloatArray, IndexArray
from iics.kernels import kernel, torch_threads

_TILE = 128


class SparseRows(NamedTuple):
    """Sparse rows and the index from their columns to the rows that use them.

    Attributes:
        row_starts: Where each row's entries start. Shape (n + 1,).
        columns: Columns of the entries, ascending within a row. Shape (entries,).
        values: Positive. Shape (entries,).
        column_starts: Where each column's entries start in the two below. Shape (K + 1,).
        rows: Rows of the entries, ascending within a column. Shape (entries,).
        column_values: Shape (entries,).
        masses: Row sums, added in the order of the columns. Shape (n,), float64.
    """

    row_starts: IndexArray
    columns: IndexArray
    values: FloatArray
    column_starts: IndexArray
    rows: IndexArray
    column_values: FloatArray
    masses: DoubleArray

    @classmethod
    def from_csr(cls, matrix: Any) -> SparseRows:
        """Return the rows of a scipy CSR array, float32."""
        if not matrix.has_sorted_indices:
            matrix = matrix.sorted_indices()
        by_column = matrix.tocsc()
        masses = _row_sums(matrix.indptr, matrix.data)
        return cls(
            *(matrix.indptr, matrix.indices, matrix.data),
            *(by_column.indptr, by_column.indices, by_column.data),
            masses,
        )

    def to_dense(self) -> FloatArray:
        """Return the rows with their zeros. Shape (n, K)."""
        dense = np.zeros((len(self.masses), len(self.column_starts) - 1), np.float32)
        dense[np.repeat(np.arange(len(self.masses)), np.diff(self.row_starts)), self.columns] = self.values
        return dense

    def add_overlap(self, matrix: FloatArray, *, scale: float) -> None:
        """Add scale * overlap to the entries below the diagonal, in place. Shape (n, n)."""
        with torch_threads() as num_threads:
            _add_overlap(matrix, np.float32(scale), self, num_threads)

    def overlap_rows(self, rows: IndexArray) -> FloatArray:
        """Return the overlap between some rows and all. Shape (len(rows), n)."""
        with torch_threads():
            return _overlap_rows(rows, self)

    def overlap_pairs(self, first: IndexArray, second: IndexArray) -> FloatArray:
        """Return the overlap of the pairs (first[i], second[i]). Shape (len(first),)."""
        with torch_threads():
            return _overlap_pairs(first, second, self)


def mirror_lower(matrix: FloatArray) -> None:
    """Copy the entries below the diagonal to above it, in place."""
    with torch_threads() as num_threads:
        _mirror_lower(matrix, num_threads)


@kernel()
def _row_sums(row_starts: IndexArray, values: FloatArray) -> DoubleArray:
    """Return row sums, one value after the other as `_share` adds: a row shares all of itself."""
    sums = np.zeros(len(row_starts) - 1, np.float64)
    for p in range(len(sums)):
        for i in range(row_starts[p], row_starts[p + 1]):
            sums[p] += values[i]
    return sums


@kernel()
def _share(p: int, end: int, sparse: SparseRows, shared: DoubleArray) -> None:
    """Add sum min(v_p, v_q) to shared[q] for every q below `end`."""
    rows, column_values = sparse.rows, sparse.column_values
    for i in range(sparse.row_starts[p], sparse.row_starts[p + 1]):
        value, column = sparse.values[i], sparse.columns[i]
        for j in range(sparse.column_starts[column], sparse.column_starts[column + 1]):
            if rows[j] >= end:
                break
            shared[rows[j]] += min(value, column_values[j])


@kernel(parallel=True)
def _add_overlap(matrix: FloatArray, scale: np.float32, sparse: SparseRows, num_threads: int) -> None:
    for thread in numba.prange(num_threads):
        shared, masses = np.zeros(len(matrix), np.float64), sparse.masses
        for p in range(thread, len(matrix), num_threads):  # in turn: later rows have more to do
            _share(p, p, sparse, shared)
            for q in range(p):
                if shared[q] > 0:
                    matrix[p, q] += scale * np.float32(shared[q] / (masses[p] + masses[q] - shared[q]))
                    shared[q] = 0


@kernel(parallel=True)
def _overlap_rows(wanted: IndexArray, sparse: SparseRows) -> FloatArray:
    num_crops = len(sparse.masses)
    overlap = np.empty((len(wanted), num_crops), np.float32)
    for at in numba.prange(len(wanted)):
        p, masses = wanted[at], sparse.masses
        shared = np.zeros(num_crops, np.float64)
        _share(p, num_crops, sparse, shared)
        for q in range(num_crops):
            overlap[at, q] = shared[q] / (masses[p] + masses[q] - shared[q])
    return overlap


@kernel(parallel=True)
def _overlap_pairs(first: IndexArray, second: IndexArray, sparse: SparseRows) -> FloatArray:
    overlap = np.empty(len(first), np.float32)
    for pair in numba.prange(len(first)):
        p, q = first[pair], second[pair]
        columns, values, starts = sparse.columns, sparse.values, sparse.row_starts
        i, i_end, j, j_end = starts[p], starts[p + 1], starts[q], starts[q + 1]
        shared = 0.0
        while i < i_end and j < j_end:
            if columns[i] == columns[j]:
                shared += min(values[i], values[j])
                i += 1
                j += 1
            elif columns[i] < columns[j]:
                i += 1
            else:
                j += 1
        overlap[pair] = shared / (sparse.masses[p] + sparse.masses[q] - shared)
    return overlap


@kernel(parallel=True)
def _mirror_lower(matrix: FloatArray, num_threads: int) -> None:
    """Tile by tile, because a whole transposed row misses the cache."""
    num_rows = len(matrix)
    for thread in numba.prange(num_threads):
        for top in range(thread * _TILE, num_rows, num_threads * _TILE):
            bottom = min(top + _TILE, num_rows)
            for left in range(0, bottom, _TILE):
                for j in range(left, min(left + _TILE, bottom)):
                    for i in range(max(top, j + 1), bottom):
                        matrix[j, i] = matrix[i, j]
