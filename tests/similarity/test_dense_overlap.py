"""Overlap (Eq. 9) of dense scores, in tiles."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iics.similarity.dense_overlap import (
    _CHUNK,
    _ROWS_AT_A_TIME,
    _STEP,
    _TILE,
    dense_overlap,
    dense_overlap_block,
    dense_overlap_pairs,
)

# On both sides of every edge: a step of 4 crops, a tile of 128, a chunk of 912 scores.
SIZES = pytest.mark.parametrize("num_crops", [1, 2, 3, 4, 5, 127, 128, 129, 260])


def softmax_scores(num_crops: int, num_classes: int, *, seed: int = 0) -> np.ndarray:
    logits = 3 * np.random.default_rng(seed).normal(size=(num_crops, num_classes))
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


def on_threads(num_threads, call):
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        return call()
    finally:
        torch.set_num_threads(before)


def all_pairs(num_crops):
    return np.divmod(np.arange(num_crops**2), num_crops)


def test_the_sizes_tested_are_those_around_the_edges():
    assert (_STEP, _TILE, _CHUNK, _ROWS_AT_A_TIME) == (4, 128, 912, 512)


def test_overlap_worked_by_hand():
    scores = np.array([[0.5, 0.5, 1, 0], [0, 1, 0.5, 0.5], [0, 0, 0, 2]], np.float32)
    expected = [[1, 1 / 3, 0], [1 / 3, 1, 0.5 / 3.5], [0, 0.5 / 3.5, 1]]
    np.testing.assert_allclose(dense_overlap(scores), expected, atol=1e-7)
    np.testing.assert_allclose(dense_overlap_block(scores[:2], scores), expected[:2], atol=1e-7)
    np.testing.assert_allclose(
        dense_overlap_pairs(scores, np.array([0, 2]), np.array([1, 1])), [1 / 3, 1 / 7], atol=1e-7
    )


@SIZES
@pytest.mark.parametrize("num_classes", [1, 7, 913])
def test_overlap_equals_the_reference(reference, num_crops, num_classes):
    scores = softmax_scores(num_crops, num_classes)
    overlap = dense_overlap(scores)
    assert overlap.dtype == np.float32
    np.testing.assert_allclose(overlap, reference.score_overlap(scores), atol=1e-6, rtol=0)


@pytest.mark.parametrize("num_classes", [911, 912, 1824, 1825, 5000])
def test_overlap_equals_the_reference_for_any_number_of_chunks(reference, num_classes):
    scores = softmax_scores(9, num_classes)
    np.testing.assert_allclose(dense_overlap(scores), reference.score_overlap(scores), atol=1e-6, rtol=0)


@pytest.mark.parametrize("num_crops", [639, 640, 641, 1153])  # the first tile, then 512 rows at a time
@pytest.mark.parametrize("num_threads", [1, 2])
def test_however_many_times_rows_are_begun_the_matrix_is_that_of_one_block(num_crops, num_threads):
    scores = softmax_scores(num_crops, 5)
    overlap = on_threads(num_threads, lambda: dense_overlap(scores))
    assert np.array_equal(overlap, dense_overlap_block(scores, scores))


@SIZES
def test_overlap_is_exactly_symmetric_in_range_and_one_on_the_diagonal(num_crops):
    overlap = dense_overlap(softmax_scores(num_crops, 913))
    assert np.array_equal(overlap, overlap.T)
    assert overlap.min() > 0
    assert overlap.max() <= 1
    assert (overlap.diagonal() == 1).all()


def test_copies_overlap_fully_wherever_they_stand():
    scores = softmax_scores(260, 913)
    copies = np.array([0, 3, 4, 127, 128, 131, 255, 256, 259])  # every tile, the first and the last of a step
    scores[copies] = scores[50]
    copies = np.append(copies, 50)
    assert (dense_overlap(scores)[np.ix_(copies, copies)] == 1).all()
    assert (dense_overlap_block(scores[copies], scores)[:, copies] == 1).all()
    first, second = all_pairs(len(copies))
    assert (dense_overlap_pairs(scores, copies[first], copies[second]) == 1).all()


@pytest.mark.parametrize("num_crops", [5, 129, 260])
def test_overlap_follows_a_permutation_of_the_crops_to_the_last_bit(num_crops):
    scores, order = softmax_scores(num_crops, 913), np.random.default_rng(1).permutation(num_crops)
    assert np.array_equal(dense_overlap(scores[order]), dense_overlap(scores)[np.ix_(order, order)])


def test_one_and_two_threads_give_the_same_bits():
    scores = softmax_scores(389, 130)  # four tiles: one thread alone has several
    first, second = all_pairs(389)
    for call in (
        lambda: dense_overlap(scores),
        lambda: dense_overlap_block(scores[:150], scores),
        lambda: dense_overlap_pairs(scores, first, second),
    ):
        assert np.array_equal(on_threads(1, call), on_threads(2, call))


@SIZES
def test_a_block_is_a_part_of_the_matrix(num_crops):
    scores, generator = softmax_scores(num_crops, 913), np.random.default_rng(1)
    rows, columns = generator.integers(0, num_crops, 133), generator.permutation(num_crops)
    overlap = dense_overlap(scores)
    assert np.array_equal(dense_overlap_block(scores[rows], scores[columns]), overlap[np.ix_(rows, columns)])
    assert np.array_equal(dense_overlap_block(scores[columns], scores[:1]), overlap[columns, :1])


@SIZES
def test_pairs_are_entries_of_the_matrix(num_crops):
    scores = softmax_scores(num_crops, 913)
    first, second = all_pairs(num_crops)
    overlap = dense_overlap_pairs(scores, first, second)
    assert overlap.dtype == np.float32
    assert overlap.max() <= 1
    np.testing.assert_allclose(overlap, dense_overlap(scores).ravel(), atol=1e-6, rtol=0)
    assert np.array_equal(overlap, dense_overlap_pairs(scores, second, first))


def test_no_rows_and_no_pairs_give_nothing():
    scores, none = softmax_scores(5, 7), np.empty(0, np.int64)
    assert dense_overlap_block(scores[:0], scores).shape == (0, 5)
    assert dense_overlap_block(scores, scores[:0]).shape == (5, 0)
    assert dense_overlap_pairs(scores, none, none).shape == (0,)


def test_scores_may_lie_in_memory_in_any_order():
    scores = softmax_scores(130, 20)
    expected = dense_overlap(scores)
    for same in (np.asfortranarray(scores), np.repeat(scores, 2, axis=0)[::2], np.repeat(scores, 2, axis=1)[:, ::2]):
        assert np.array_equal(dense_overlap(same), expected)


def test_zeros_and_denormals_count_for_what_they_are():
    tiny = np.float32(1e-40)  # below the smallest normal float32, 1.2e-38
    scores = np.array([[1, 0, tiny], [1, -0.0, 0], [0, 1, tiny]], np.float32)
    np.testing.assert_allclose(dense_overlap(scores), [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=tiny, rtol=0)
    assert dense_overlap(scores)[1, 2] == 0


def test_input_is_unchanged():
    scores = softmax_scores(130, 20)
    before = scores.copy()
    dense_overlap(scores)
    dense_overlap_block(scores, scores)
    dense_overlap_pairs(scores, np.arange(130), np.arange(130))
    assert np.array_equal(scores, before)
