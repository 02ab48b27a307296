"""Score overlap (Eq. 9)."""

from __future__ import annotations

import pytest
import torch

from iics.similarity.score_overlap import score_overlap


def random_scores(
    num_crops: int, num_cameras: int, classes: int, seed: int = 0, sharpness: float = 3.0
) -> torch.Tensor:
    logits = sharpness * torch.randn(num_crops, num_cameras, classes, generator=torch.Generator().manual_seed(seed))
    return torch.softmax(logits, dim=2).reshape(num_crops, -1)


def test_overlap_worked_by_hand():
    scores = torch.tensor([[0.5, 0.5, 1.0, 0.0], [0.0, 1.0, 0.5, 0.5]])  # two cameras with two clusters each
    # min sums to 0.5 + 0.5 = 1, max to 0.5 + 1 + 1 + 0.5 = 3.
    torch.testing.assert_close(score_overlap(scores, num_cameras=2), torch.tensor([[1, 1 / 3], [1 / 3, 1]]))


def test_disjoint_scores_do_not_overlap():
    assert score_overlap(torch.eye(3), num_cameras=1).equal(torch.eye(3))


@pytest.mark.parametrize(("num_crops", "num_cameras", "classes"), [(1, 1, 1), (2, 3, 2), (23, 4, 5), (9, 2, 40)])
def test_overlap_equals_the_reference(reference, num_crops, num_cameras, classes):
    scores = random_scores(num_crops, num_cameras, classes)
    expected = torch.from_numpy(reference.score_overlap(scores.numpy())).float()
    torch.testing.assert_close(
        score_overlap(scores, num_cameras=num_cameras, block_rows=4), expected, atol=1e-6, rtol=0
    )


def test_overlap_is_exactly_symmetric_in_range_and_one_on_the_diagonal():
    overlap = score_overlap(random_scores(70, 3, 17), num_cameras=3, block_rows=16)
    assert overlap.equal(overlap.T)
    assert overlap.min() >= 0
    assert overlap.max() <= 1
    assert (overlap.diagonal() == 1).all()


def test_copies_overlap_fully():
    scores = random_scores(1, 6, 50).repeat(5, 1)
    assert (score_overlap(scores, num_cameras=6) == 1).all()


def test_block_size_changes_nothing():
    scores = random_scores(50, 2, 9)
    whole = score_overlap(scores, num_cameras=2)
    for block_rows in (1, 7, 50):
        assert score_overlap(scores, num_cameras=2, block_rows=block_rows).equal(whole)


def test_overlap_follows_a_permutation_of_the_crops():
    scores, order = random_scores(30, 2, 9), torch.randperm(30, generator=torch.Generator().manual_seed(1))
    overlap = score_overlap(scores, num_cameras=2)
    torch.testing.assert_close(score_overlap(scores[order], num_cameras=2), overlap[order][:, order])


def test_overlap_of_half_precision_scores_is_float32_and_in_range():
    overlap = score_overlap(random_scores(12, 3, 9).half(), num_cameras=3)
    assert overlap.dtype == torch.float32
    assert overlap.max() <= 1


def test_input_is_unchanged():
    scores = random_scores(8, 2, 3)
    before = scores.clone()
    score_overlap(scores, num_cameras=2)
    assert scores.equal(before)


@pytest.mark.parametrize(
    ("scores", "num_cameras", "message"),
    [
        ([[0.5, 0.5]], 2, r"Row 0 of scores sums to 1\.0000, not to num_cameras=2\. Concatenate"),
        ([[1.0, 0.0], [0.5, 0.4]], 1, r"Row 1 of scores sums to 0\.9000"),
        ([[1.5, -0.5]], 1, r"the smallest is -0\.5\. Pass softmax outputs, not logits\."),
        ([[float("nan"), 1.0]], 1, "the smallest is nan"),
        ([[float("inf"), 0.0]], 1, "Row 0 of scores sums to inf"),
        ([1.0], 1, r"shape \(crops, classes\), got \(1,\)"),
        ([[]], 1, r"at least one crop and one class, got shape \(1, 0\)"),
        ([[1.0]], 0, "num_cameras must be at least 1, got 0"),
    ],
)
def test_scores_that_are_no_probabilities_are_refused(scores, num_cameras, message):
    with pytest.raises(ValueError, match=message):
        score_overlap(torch.tensor(scores), num_cameras=num_cameras)
