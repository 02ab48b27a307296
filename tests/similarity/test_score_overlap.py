"""Score overlap (Eq. 9): what is refused, which way is taken, and that every way leads to the same J."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iics.similarity import score_overlap as module
from iics.similarity.score_overlap import (
    SPARSE_ERROR,
    _overlap_by_torch,
    check_scores,
    large_scores,
    score_overlap,
)


def softmax_scores(
    num_crops: int, num_cameras: int, classes: int, *, seed: int = 0, sharpness: float = 3.0
) -> torch.Tensor:
    logits = sharpness * torch.randn(num_crops, num_cameras, classes, generator=torch.Generator().manual_seed(seed))
    return torch.softmax(logits, dim=2).reshape(num_crops, -1)


def peaked_scores(num_crops: int = 60, num_cameras: int = 3) -> torch.Tensor:
    """About 25 of a head's 700 scores matter."""
    return softmax_scores(num_crops, num_cameras, 700, sharpness=12.0)


def diffuse_scores(num_crops: int = 60) -> torch.Tensor:
    return softmax_scores(num_crops, 3, 40, sharpness=1.0)


def shuffled(num_crops: int) -> torch.Tensor:
    return torch.randperm(num_crops, generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=[peaked_scores, diffuse_scores], ids=["peaked", "diffuse"])
def scores(request) -> torch.Tensor:
    """60 crops by 3 cameras, compared by their large scores or in full."""
    return request.param()


# --- Eq. 9


def test_overlap_worked_by_hand():
    scores = torch.tensor([[0.5, 0.5, 1.0, 0.0], [0.0, 1.0, 0.5, 0.5]])  # two cameras with two clusters each
    # min sums to 0.5 + 0.5 = 1, max to 0.5 + 1 + 1 + 0.5 = 3.
    torch.testing.assert_close(score_overlap(scores, num_cameras=2), torch.tensor([[1, 1 / 3], [1 / 3, 1]]))


@pytest.mark.parametrize("classes", [3, 100])  # few scores are compared in tiles, many peaked ones by their index
def test_disjoint_scores_do_not_overlap(classes):
    scores = torch.eye(3, classes)
    assert (large_scores(scores.numpy(), num_cameras=1) is None) == (classes == 3)
    assert score_overlap(scores, num_cameras=1).equal(torch.eye(3))


@pytest.mark.parametrize(
    ("num_crops", "num_cameras", "classes"), [(1, 1, 1), (2, 3, 2), (23, 4, 5), (9, 2, 40), (129, 1, 7), (5, 1, 913)]
)
@pytest.mark.parametrize("sharpness", [0.0, 3.0, 30.0])
def test_overlap_equals_the_reference(reference, num_crops, num_cameras, classes, sharpness):
    scores = softmax_scores(num_crops, num_cameras, classes, sharpness=sharpness)
    overlap = score_overlap(scores, num_cameras=num_cameras).numpy()
    np.testing.assert_allclose(overlap, reference.score_overlap(scores), atol=1e-5, rtol=0)


def test_overlap_is_exactly_symmetric_in_range_and_one_on_the_diagonal(scores):
    overlap = score_overlap(scores, num_cameras=3)
    assert overlap.equal(overlap.T)
    assert overlap.min() >= 0
    assert overlap.max() <= 1
    assert (overlap.diagonal() == 1).all()


def test_copies_overlap_fully_wherever_they_stand(scores):
    copies = [0, 17, 31, 59]
    scores[copies] = scores[5].clone()
    overlap = score_overlap(scores, num_cameras=3)[copies]
    assert (overlap[:, [5, *copies]] == 1).all()
    assert overlap.sum(dim=1).unique().numel() == 1  # copies agree with all others alike


def test_overlap_follows_a_permutation_of_the_crops(scores):
    order = shuffled(len(scores))
    permuted = score_overlap(scores[order], num_cameras=3)
    assert permuted.equal(score_overlap(scores, num_cameras=3)[order][:, order])


def test_overlap_has_the_same_bits_on_one_and_two_threads(scores):
    before = torch.get_num_threads()
    overlaps = []
    try:
        for num_threads in (1, 2):
            torch.set_num_threads(num_threads)
            overlaps.append(score_overlap(scores, num_cameras=3))
    finally:
        torch.set_num_threads(before)
    assert overlaps[0].equal(overlaps[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_scores_of_any_precision_give_the_float32_overlap_of_their_values(dtype):
    scores = softmax_scores(12, 3, 9).to(dtype)
    overlap = score_overlap(scores, num_cameras=3)
    assert overlap.dtype == torch.float32
    assert overlap.equal(score_overlap(scores.float(), num_cameras=3))


def test_scores_may_lie_in_memory_in_any_order():
    scores = softmax_scores(12, 3, 9)
    overlap = score_overlap(scores, num_cameras=3)
    assert score_overlap(scores.T.contiguous().T, num_cameras=3).equal(overlap)
    assert score_overlap(scores.repeat_interleave(2, dim=0)[::2], num_cameras=3).equal(overlap)


def test_input_is_unchanged_and_needs_no_gradient(scores):
    before = scores.clone()
    assert not score_overlap(scores.requires_grad_(), num_cameras=3).requires_grad
    assert scores.equal(before)


@pytest.mark.parametrize("classes", [9, 600])
def test_zeros_and_denormals_count_for_what_they_are(reference, classes):
    scores = torch.zeros(6, classes)
    scores[:, 0] = 1
    scores[1, 1:4], scores[2, 2:6], scores[3, 5] = 1e-40, 3e-45, -0.0  # below the smallest normal float32, 1.2e-38
    scores[4, :2] = torch.tensor([0.25, 0.75])
    scores[5, :2] = torch.tensor([0.0, 1.0])
    overlap = score_overlap(scores, num_cameras=1).numpy()
    np.testing.assert_allclose(overlap, reference.score_overlap(scores), atol=1e-6, rtol=0)
    assert (overlap[:4, :4] == 1).all()
    assert overlap[0, 5] == 0


# --- the way through large scores


@pytest.mark.parametrize("num_cameras", [1, 3, 8])
def test_peaked_scores_are_compared_by_the_large_ones_within_the_stated_error(reference, monkeypatch, num_cameras):
    monkeypatch.delattr(module, "dense_overlap")
    scores = peaked_scores(40, num_cameras)
    overlap = score_overlap(scores, num_cameras=num_cameras).numpy()
    error = np.abs(overlap - reference.score_overlap(scores)).max()
    assert 0 < error <= SPARSE_ERROR


@pytest.mark.parametrize("sharpness", [0.0, 1.0])
def test_diffuse_scores_are_compared_in_full(monkeypatch, sharpness):
    monkeypatch.delattr(module, "_overlap_of_large")
    scores = softmax_scores(60, 3, 40, sharpness=sharpness)
    assert large_scores(scores.numpy(), num_cameras=3) is None
    assert (score_overlap(scores, num_cameras=3).diagonal() == 1).all()


def test_leaving_out_small_scores_worked_by_hand():
    mass = 1.5e-6  # below SPARSE_ERROR / 3, so both crops lose it
    scores = torch.zeros(2, 100)
    scores[:, 0], scores[0, 1], scores[1, 2] = 1 - mass, mass, mass
    kept = large_scores(scores.numpy(), num_cameras=1)
    assert kept.columns.tolist() == [0, 0]
    assert (score_overlap(scores, num_cameras=1) == 1).all()  # in full (1 - mass) / (1 + mass), about 1 - 3e-6
    scores[:, 0], scores[0, 1], scores[1, 2] = 1 - 2 * mass, 2 * mass, 2 * mass  # too much to be left out
    assert large_scores(scores.numpy(), num_cameras=1).columns.tolist() == [0, 1, 0, 2]
    assert score_overlap(scores, num_cameras=1)[0, 1].item() == pytest.approx(1 - 4 * mass, abs=2e-7)


@pytest.mark.parametrize("num_cameras", [1, 3])
def test_of_each_row_the_smallest_scores_are_left_out_up_to_the_stated_mass_and_no_fewer(num_cameras):
    scores = peaked_scores(40, num_cameras).numpy()
    kept = large_scores(scores, num_cameras=num_cameras)
    largest_mass = num_cameras * SPARSE_ERROR / 3
    for row, start, end in zip(scores, kept.row_starts[:-1], kept.row_starts[1:], strict=True):
        values = kept.values[start:end]
        assert np.array_equal(values, row[kept.columns[start:end]])
        left_out = np.delete(row, kept.columns[start:end]).astype(np.float64)
        assert left_out.max() < values.min()
        assert 0 < left_out.sum() <= largest_mass * (1 + 1e-6)
        next_power_of_two = 2.0 ** (np.floor(np.log2(values.min())) + 1)
        assert row[row < next_power_of_two].sum(dtype=np.float64) > largest_mass


def test_only_positive_scores_are_kept():
    scores = peaked_scores(30).numpy()
    scores[scores < 1e-4] = 0
    scores[:, 7], scores[:, 8] = 1e-40, -0.0
    kept = large_scores(scores, num_cameras=3)
    assert (kept.values >= 1e-4).all()
    assert len(kept.values) == (scores >= 1e-4).sum()  # nothing else was small enough to be left out


# --- the way on an accelerator


def test_torch_gives_the_same_overlap():
    scores = softmax_scores(1030, 2, 20)  # more than two blocks of rows
    overlap = _overlap_by_torch(scores)
    torch.testing.assert_close(overlap, score_overlap(scores, num_cameras=2), atol=1e-6, rtol=0)
    assert overlap.equal(overlap.T)
    assert (overlap.diagonal() == 1).all()
    assert overlap.min() >= 0
    assert overlap.max() <= 1


def test_torch_gives_zero_for_disjoint_scores_and_one_for_copies():
    scores = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0]])
    assert _overlap_by_torch(scores).tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


def test_torch_gives_no_negative_overlap_where_sums_are_rounded():
    generator = torch.Generator().manual_seed(0)
    scores = torch.zeros(40, 1000)
    scores[:20, :500] = torch.rand(20, 500, generator=generator).softmax(dim=1)
    scores[20:, 500:] = torch.rand(20, 500, generator=generator).softmax(dim=1)  # disjoint from the first half
    disjoint = _overlap_by_torch(scores)[:20, 20:]
    assert disjoint.min() == 0
    assert disjoint.max() < 1e-6


# --- what is refused


REFUSED = [
    ([[0.5, 0.5]], 2, r"Row 0 of scores sums to 1\.0000, not to num_cameras=2\. Concatenate"),
    ([[1.0, 0.0], [0.5, 0.4]], 1, r"Row 1 of scores sums to 0\.9000"),
    ([[1.5, -0.5]], 1, r"the smallest is -0\.5\. Pass softmax outputs, not logits\."),
    ([[float("nan"), 1.0]], 1, "the smallest is nan"),
    ([[float("inf"), 0.0]], 1, "Row 0 of scores sums to inf"),
    ([1.0], 1, r"shape \(crops, classes\), got \(1,\)"),
    ([[]], 1, r"at least one crop and one class, got shape \(1, 0\)"),
    ([[1.0]], 0, "num_cameras must be at least 1, got 0"),
]


@pytest.mark.parametrize(("scores", "num_cameras", "message"), REFUSED)
def test_scores_that_are_no_probabilities_are_refused(scores, num_cameras, message):
    for refuse in (check_scores, lambda scores, num_cameras: score_overlap(scores, num_cameras=num_cameras)):
        with pytest.raises(ValueError, match=message):
            refuse(torch.tensor(scores), num_cameras)


def test_the_rounding_of_half_precision_is_no_reason_to_refuse():
    check_scores(softmax_scores(50, 6, 100).half(), 6)
