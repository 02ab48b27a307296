"""Inter-camera similarity (Eq. 5)."""

from __future__ import annotations

import math

import pytest
import torch

from iics.similarity.cosine import cosine_similarity
from iics.similarity.inter_camera import check_mu, inter_camera_similarity


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


def random_crops(num_crops: int, dimensions: int = 7) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features, a symmetric overlap, and cameras 0 to 3."""
    generator = torch.Generator().manual_seed(0)
    features = torch.nn.functional.normalize(torch.randn(num_crops, dimensions, generator=generator), dim=1)
    overlap = torch.rand(num_crops, num_crops, generator=generator)
    return features, (overlap + overlap.T) / 2, torch.randint(0, 4, (num_crops,), generator=generator)


def test_same_camera_pairs_keep_their_cosine():
    features, overlap, cameras = random_crops(40)
    similarity, cosine = inter_camera_similarity(features, overlap, cameras, mu=5.0), cosine_similarity(features)
    is_same = cameras[:, None] == cameras
    assert similarity[is_same].equal(cosine[is_same])
    assert (similarity[~is_same] > cosine[~is_same]).all()


def test_crops_of_one_camera_have_their_cosine():
    similarity = inter_camera_similarity(FEATURES, OVERLAP, torch.tensor([2, 2, 2]), mu=5.0)
    assert similarity.equal(cosine_similarity(FEATURES))
    torch.testing.assert_close(similarity, COSINE)


def test_mu_of_zero_leaves_the_cosine_unchanged():
    features, overlap, cameras = random_crops(1100, 64)
    assert inter_camera_similarity(features, overlap, cameras, mu=0).equal(cosine_similarity(features))
    torch.testing.assert_close(cosine_similarity(FEATURES), COSINE)


def test_similarity_equals_the_reference(reference):
    features, overlap, cameras = random_crops(25)
    expected = reference.inter_camera_similarity(features.numpy(), overlap.numpy(), cameras.tolist(), 0.3)
    similarity = inter_camera_similarity(features, overlap, cameras, mu=0.3)
    torch.testing.assert_close(similarity, torch.from_numpy(expected).float(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("num_crops", [1023, 1024, 1025, 2100])  # blocks hold 1024 rows
def test_similarity_is_exactly_symmetric_and_right_in_every_block(num_crops):
    features, overlap, cameras = random_crops(num_crops, 64)
    similarity = inter_camera_similarity(features, overlap, cameras, mu=0.3)
    assert similarity.equal(similarity.T)
    across = cameras[:, None] != cameras
    expected = features.double() @ features.double().T + 0.3 * across * overlap.double()
    torch.testing.assert_close(similarity.double(), expected, atol=1e-6, rtol=0)
    cosine = cosine_similarity(features)
    assert cosine.equal(cosine.T)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("num_crops", [5, 1030])  # at these sizes the product of features is not symmetric everywhere
def test_what_a_matrix_product_rounds_differently_becomes_symmetric(num_crops, dtype):
    features, overlap, cameras = random_crops(num_crops, 511)
    features, overlap = features.to(dtype), overlap.to(dtype)
    for similarity in (cosine_similarity(features), inter_camera_similarity(features, overlap, cameras, mu=0.3)):
        assert similarity.equal(similarity.T)


@pytest.mark.parametrize("num_crops", [5, 1500])
def test_the_result_may_take_the_place_of_the_overlap(num_crops):
    features, overlap, cameras = random_crops(num_crops, 16)
    expected = inter_camera_similarity(features, overlap, cameras, mu=0.3)
    elsewhere = torch.full_like(overlap, torch.nan)
    assert inter_camera_similarity(features, overlap, cameras, mu=0.3, out=elsewhere) is elsewhere
    assert elsewhere.equal(expected)
    assert inter_camera_similarity(features, overlap, cameras, mu=0.3, out=overlap) is overlap
    assert overlap.equal(expected)


def test_the_cosine_may_be_written_where_one_wants():
    out = torch.full((3, 3), torch.nan)
    assert cosine_similarity(FEATURES, out=out) is out
    assert out.equal(cosine_similarity(FEATURES))


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
    for refuse in (check_mu, lambda mu: inter_camera_similarity(FEATURES, OVERLAP, torch.tensor([0, 1, 2]), mu=mu)):
        with pytest.raises(ValueError, match=f"mu must be at least 0 and finite, got {mu}"):
            refuse(mu)


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


def test_the_cosine_of_one_row_alone_is_refused():
    with pytest.raises(ValueError, match=r"features must have shape \(crops, dimensions\), got \(2,\)"):
        cosine_similarity(FEATURES[0])


@pytest.mark.parametrize("out", [torch.empty(2, 3), torch.empty(3, 3, dtype=torch.int32)])
def test_a_place_to_write_that_does_not_fit_is_refused(out):
    with pytest.raises(ValueError, match=r"out must be 3 x 3 torch.float32 for 3 features, got"):
        inter_camera_similarity(FEATURES, OVERLAP, torch.tensor([0, 1, 2]), mu=0.1, out=out)
