"""Overlap of sparse rows, through an index from columns to rows."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import torch

from iics.similarity.sparse_overlap import SparseRows, mirror_lower

# Two rows share their second column, the third shares nothing. I = 0.5, so J = 0.5 / (1 + 2 - 0.5).
BY_HAND = np.array([[0.5, 0.5, 0, 0], [0, 1.5, 0.5, 0], [0, 0, 0, 1]], np.float32)


def random_rows(num_rows: int, num_columns: int = 40, *, share: float = 0.2, seed: int = 0) -> np.ndarray:
    """Rows with about `share` of their entries above 0, at least one."""
    generator = np.random.default_rng(seed)
    rows = generator.random((num_rows, num_columns)) * (generator.random((num_rows, num_columns)) < share)
    rows[:, 0] += rows.sum(axis=1) == 0
    return rows.astype(np.float32)


def sparse(rows: np.ndarray) -> SparseRows:
    return SparseRows.from_csr(scipy.sparse.csr_array(rows))


def lower_overlap(rows: SparseRows) -> np.ndarray:
    overlap = np.zeros((len(rows.masses),) * 2, np.float32)
    rows.add_overlap(overlap, scale=1)
    return overlap


def on_threads(num_threads, call):
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        return call()
    finally:
        torch.set_num_threads(before)


def test_overlap_worked_by_hand():
    rows = sparse(BY_HAND)
    assert lower_overlap(rows).tolist() == [[0, 0, 0], [np.float32(0.2), 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(rows.overlap_rows(np.array([1, 2])), [[0.2, 1, 0], [0, 0, 1]], atol=1e-7)
    np.testing.assert_allclose(rows.overlap_pairs(np.array([0, 1, 2]), np.array([1, 2, 2])), [0.2, 0, 1], atol=1e-7)


def test_the_index_leads_from_columns_to_rows():
    rows = sparse(BY_HAND)
    assert rows.columns.tolist() == [0, 1, 1, 2, 3]
    assert rows.row_starts.tolist() == [0, 2, 4, 5]
    assert rows.rows.tolist() == [0, 0, 1, 1, 2]
    assert rows.column_starts.tolist() == [0, 1, 3, 4, 5]
    assert rows.column_values.tolist() == [0.5, 0.5, 1.5, 0.5, 1]
    assert rows.masses.tolist() == [1, 2, 1]


@pytest.mark.parametrize("num_rows", [1, 2, 3, 60])
@pytest.mark.parametrize("share", [0.02, 0.2, 1.0])
def test_overlap_equals_the_reference(reference, num_rows, share):
    values = random_rows(num_rows, share=share)
    expected = reference.score_overlap(values)
    rows = sparse(values)
    np.testing.assert_allclose(lower_overlap(rows), np.tril(expected, -1), atol=1e-6, rtol=0)
    np.testing.assert_allclose(rows.overlap_rows(np.arange(num_rows)), expected, atol=1e-6, rtol=0)


def test_rows_and_pairs_have_the_bits_of_the_matrix():
    rows, wanted = sparse(random_rows(60)), np.array([59, 0, 7, 7, 30])
    overlap = lower_overlap(rows)
    overlap += overlap.T + np.eye(60, dtype=np.float32)
    assert np.array_equal(rows.overlap_rows(wanted), overlap[wanted])
    first, second = np.divmod(np.arange(60**2), 60)
    assert np.array_equal(rows.overlap_pairs(first, second), overlap.ravel())
    assert rows.overlap_pairs(first, second).dtype == np.float32


def test_a_scaled_overlap_is_added_below_the_diagonal_and_nowhere_else():
    rows = sparse(random_rows(30))
    matrix = np.random.default_rng(1).random((30, 30)).astype(np.float32)
    added = matrix.copy()
    rows.add_overlap(added, scale=-0.7)
    np.testing.assert_allclose(added, matrix - 0.7 * lower_overlap(rows), atol=1e-6, rtol=0)
    assert np.array_equal(np.triu(added), np.triu(matrix))


def test_copies_overlap_fully_wherever_they_stand():
    values = random_rows(60)
    values[[3, 31, 59]] = values[10]
    overlap = sparse(values).overlap_rows(np.array([3, 10, 59]))
    assert (overlap[:, [3, 10, 31, 59]] == 1).all()
    assert overlap.max() == 1
    assert (lower_overlap(sparse(values))[59, [3, 10, 31]] == 1).all()


def test_overlap_follows_a_permutation_of_the_rows_to_the_last_bit():
    values, order = random_rows(60), np.random.default_rng(1).permutation(60)
    everything = np.arange(60)
    permuted = sparse(values[order]).overlap_rows(everything)
    assert np.array_equal(permuted, sparse(values).overlap_rows(everything)[np.ix_(order, order)])


def test_entries_may_come_in_any_order_within_a_row():
    columns, values = np.array([1, 0, 2, 1, 3]), np.array([0.5, 0.5, 0.5, 1.5, 1], np.float32)
    rows = SparseRows.from_csr(scipy.sparse.csr_array((values, columns, np.array([0, 2, 4, 5])), shape=(3, 4)))
    assert rows.columns.tolist() == [0, 1, 1, 2, 3]
    assert rows.values.tolist() == [0.5, 0.5, 1.5, 0.5, 1]
    assert rows.overlap_pairs(np.array([0]), np.array([1])).tolist() == [np.float32(0.2)]


def test_one_and_two_threads_give_the_same_bits():
    rows, wanted = sparse(random_rows(150)), np.arange(150)
    for call in (
        lambda: lower_overlap(rows),
        lambda: rows.overlap_rows(wanted),
        lambda: rows.overlap_pairs(wanted, wanted[::-1].copy()),
    ):
        assert np.array_equal(on_threads(1, call), on_threads(2, call))


def test_no_rows_and_no_pairs_give_nothing():
    rows, none = sparse(random_rows(5)), np.empty(0, np.int64)
    assert rows.overlap_rows(none).shape == (0, 5)
    assert rows.overlap_pairs(none, none).shape == (0,)


@pytest.mark.parametrize("num_rows", [1, 2, 127, 128, 129, 260])  # on both sides of a tile's edge
def test_the_lower_half_is_mirrored_and_kept(num_rows):
    matrix = np.random.default_rng(0).random((num_rows, num_rows)).astype(np.float32)
    mirrored = matrix.copy()
    on_threads(2, lambda: mirror_lower(mirrored))
    assert np.array_equal(mirrored, np.tril(matrix) + np.tril(matrix, -1).T)


def test_thousands_of_equal_values_add_up_without_drift():
    """Added in float32 one after the other, the sums of 6,000 equal values drift by 1e-5."""
    num_values, num_shared = 6000, 4500
    columns = np.concatenate([np.arange(num_values), np.arange(num_values) + num_values - num_shared])
    values = np.full(2 * num_values, 10 / num_values, np.float32)
    rows = SparseRows.from_csr(scipy.sparse.csr_array((values, columns, [0, num_values, 2 * num_values])))
    expected = num_shared / (2 * num_values - num_shared)
    assert rows.overlap_pairs(np.array([0]), np.array([1]))[0] == pytest.approx(expected, abs=1e-7)
    assert rows.overlap_rows(np.array([1]))[0] == pytest.approx([expected, 1], abs=1e-7)
    matrix = np.zeros((2, 2), np.float32)
    rows.add_overlap(matrix, scale=1)
    assert matrix[1, 0] == pytest.approx(expected, abs=1e-7)
