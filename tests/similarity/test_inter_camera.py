"""Inter-camera similarity (Eq. 5)."""

from __future__ import annotations

import math

import pytest
import torch

from iics.similarity.inter_camera import inter_camera_similarity


def from_angles(*degrees: float) -> torch.Tensor:
    radians = torch.tensor(degrees) * math.pi / 180
    return torch.stack([radians.cos(), radians.sin()], dim=1)


FEATURES = from_angles(0, 60, 90)
OVERLAP = torch.tensor([[1.0, 0.5, 0.2], [0.5, 1.0, 0.8], [0.2, 0.8, 1.0]])
COSINE = torch.tensor([[1.0, 0.5, 0.0], [0.5, 1.0, math.sqrt(3) / 2], [0.0, math.sqrt(3) / 2, 1.0]])


def test_similarity_worked_by_hand():
    similarity = inter_camera_similarity(FEATURES, OVERLAP, torch.tensor([0, 1, 1]), mu=0.1)
    added = torch.tensor([[0.0, 0.05, 0.02], [0.05, 0.0, 0.0], [0.02, 0.0, 0.0]])
    torch.testing.assert_close(similarity, COSINE + added)


def test_same_camera_pairs_keep_their_cosine():
    similarity = inter_camera_similarity(FEATURES, OVERLAP, torch.tensor([2, 2, 2]), mu=5.0)
    assert similarity.equal(FEATURES @ FEATURES.T)


def test_mu_of_zero_leaves_the_cosine_unchanged():
    assert inter_camera_similarity(FEATURES, OVERLAP, torch.tensor([0, 1, 2]), mu=0).equal(FEATURES @ FEATURES.T)


def test_similarity_equals_the_reference(reference):
    generator = torch.Generator().manual_seed(0)
    features = torch.nn.functional.normalize(torch.randn(25, 7, generator=generator), dim=1)
    overlap = torch.rand(25, 25, generator=generator)
    cameras = torch.randint(0, 4, (25,), generator=generator)
    expected = reference.inter_camera_similarity(features.numpy(), overlap.numpy(), cameras.tolist(), 0.3)
    similarity = inter_camera_similarity(features, overlap, cameras, mu=0.3)
    torch.testing.assert_close(similarity, torch.from_numpy(expected).float(), atol=1e-6, rtol=0)


def test_similarity_follows_a_permutation_of_the_crops():
    order = torch.tensor([2, 0, 1])
    cameras = torch.tensor([0, 1, 1])
    similarity = inter_camera_similarity(FEATURES, OVERLAP, cameras, mu=0.1)
    permuted = inter_camera_similarity(FEATURES[order], OVERLAP[order][:, order], cameras[order], mu=0.1)
    torch.testing.assert_close(permuted, similarity[order][:, order])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept_and_inputs_are_unchanged(dtype):
    features, overlap, cameras = FEATURES.to(dtype), OVERLAP.to(dtype), torch.tensor([0, 1, 2])
    before = features.clone(), overlap.clone(), cameras.clone()
    assert inter_camera_similarity(features, overlap, cameras, mu=0.1).dtype == dtype
    assert all(now.equal(then) for now, then in zip((features, overlap, cameras), before, strict=True))


def test_one_crop_is_similar_to_itself():
    similarity = inter_camera_similarity(from_angles(0), torch.ones(1, 1), torch.tensor([3]), mu=0.02)
    assert similarity.tolist() == [[1.0]]


@pytest.mark.parametrize("mu", [-0.1, math.nan, math.inf])
def test_mu_out_of_range_is_refused(mu):
    with pytest.raises(ValueError, match=f"mu must be at least 0 and finite, got {mu}"):
        inter_camera_similarity(FEATURES, OVERLAP, torch.tensor([0, 1, 2]), mu=mu)


@pytest.mark.parametrize(
    ("features", "overlap", "cameras", "message"),
    [
        (FEATURES[0], OVERLAP, torch.arange(3), r"features must have shape \(crops, dimensions\), got \(2,\)"),
        (FEATURES, OVERLAP[:2], torch.arange(3), r"3 features need an overlap of 3 x 3, got \(2, 3\)"),
        (FEATURES, OVERLAP, torch.arange(4), r"3 features need 3 cameras, got shape \(4,\)"),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(features, overlap, cameras, message):
    with pytest.raises(ValueError, match=message):
        inter_camera_similarity(features, overlap, cameras, mu=0.1)
