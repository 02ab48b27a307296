"""Similarity of crops by the pair, by the row or all at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from iics.similarity.cosine import CosineSimilarity, cosine_similarity
from iics.similarity.inter_camera import InterCameraSimilarity
from iics.similarity.overlap_similarity import OverlapSimilarity

NUM_CROPS, NUM_CAMERAS = 150, 3  # more crops than a tile of the overlap


def random_features(num_crops: int = NUM_CROPS) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.nn.functional.normalize(torch.randn(num_crops, 12, generator=generator), dim=1)


def random_scores(num_crops: int = NUM_CROPS, *, sharpness: float = 2.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    logits = sharpness * torch.randn(num_crops, NUM_CAMERAS, 30, generator=generator)
    return logits.softmax(dim=2).reshape(num_crops, -1)


def random_cameras(num_crops: int = NUM_CROPS) -> torch.Tensor:
    return torch.randint(0, NUM_CAMERAS, (num_crops,), generator=torch.Generator().manual_seed(2))


def inter_camera(mu: float, cameras: torch.Tensor | None = None) -> InterCameraSimilarity:
    overlap = OverlapSimilarity(random_scores(), num_heads=NUM_CAMERAS)
    cameras = random_cameras() if cameras is None else cameras
    return InterCameraSimilarity(random_features(), overlap, cameras, mu=mu)


KINDS = {
    "cosine": lambda: CosineSimilarity(random_features()),
    "overlap": lambda: OverlapSimilarity(random_scores(), num_heads=NUM_CAMERAS),
    "inter-camera": lambda: inter_camera(0.3),
    "inter-camera, mu 0": lambda: inter_camera(0.0),
    "inter-camera, mu 2": lambda: inter_camera(2.0),
    "inter-camera, one camera": lambda: inter_camera(0.3, torch.zeros(NUM_CROPS, dtype=torch.int64)),
}


@pytest.fixture(params=KINDS)
def similarity(request):
    return KINDS[request.param]()


def all_pairs() -> tuple[np.ndarray, np.ndarray]:
    return np.divmod(np.arange(NUM_CROPS**2), NUM_CROPS)


# --- the same numbers in every way


def test_the_matrix_is_that_of_the_equations(reference):
    cosine = KINDS["cosine"]().matrix()
    overlap = reference.score_overlap(random_scores())
    features, cameras = random_features().numpy(), random_cameras().tolist()
    np.testing.assert_allclose(cosine, features @ features.T, atol=1e-6, rtol=0)
    np.testing.assert_allclose(KINDS["overlap"]().matrix(), overlap, atol=1e-6, rtol=0)
    expected = reference.inter_camera_similarity(features, overlap, cameras, 0.3)
    np.testing.assert_allclose(KINDS["inter-camera"]().matrix(), expected, atol=1e-6, rtol=0)


def test_the_matrix_is_exactly_symmetric_float32_and_an_array_of_its_own(similarity):
    matrix = similarity.matrix()
    assert len(similarity) == NUM_CROPS
    assert matrix.shape == (NUM_CROPS, NUM_CROPS)
    assert matrix.dtype == np.float32
    assert np.array_equal(matrix, matrix.T)
    before = matrix.copy()
    matrix.fill(np.nan)
    assert np.array_equal(similarity.matrix(), before)


def test_a_block_is_a_part_of_the_matrix(similarity):
    generator = np.random.default_rng(0)
    rows, columns = generator.integers(0, NUM_CROPS, 133), generator.permutation(NUM_CROPS)
    block = similarity.block(rows, columns)
    assert block.dtype == np.float32
    np.testing.assert_allclose(block, similarity.matrix()[np.ix_(rows, columns)], atol=1e-6, rtol=0)
    assert np.array_equal(similarity.block(rows.astype(np.int32), columns), block)


def test_pairs_are_entries_of_the_matrix(similarity):
    first, second = all_pairs()
    pairs = similarity.pairs(first, second)
    assert pairs.dtype == np.float32
    np.testing.assert_allclose(pairs, similarity.matrix().ravel(), atol=1e-6, rtol=0)
    assert np.array_equal(similarity.pairs(second, first), pairs)
    assert np.array_equal(similarity.pairs(first.astype(np.int32), second.astype(np.int32)), pairs)


def test_pairs_have_the_same_bits_on_one_and_two_threads(similarity):
    before, first_and_second = torch.get_num_threads(), all_pairs()
    results = []
    try:
        for num_threads in (1, 2):
            torch.set_num_threads(num_threads)
            results.append(similarity.pairs(*first_and_second))
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*results)


def test_no_rows_and_no_pairs_give_nothing(similarity):
    none = np.empty(0, np.int64)
    assert similarity.block(none, np.arange(4)).shape == (0, 4)
    assert similarity.pairs(none, none).shape == (0,)
    if similarity.bounds is not None:
        assert similarity.bounds.settle(np.empty(0, np.float32), none, none).shape == (0,)


# --- upper bounds


WITH_BOUNDS = [kind for kind in KINDS if kind.startswith("inter-camera")]


@pytest.mark.parametrize("kind", WITH_BOUNDS)
def test_no_similarity_exceeds_its_upper_bound_but_for_rounding(kind):
    similarity = KINDS[kind]()
    bounds = similarity.bounds.block(slice(3, 140), slice(0, NUM_CROPS))
    assert bounds.dtype == np.float32
    assert (similarity.matrix()[3:140] - bounds).max() <= 1e-6


@pytest.mark.parametrize("kind", WITH_BOUNDS)
def test_settled_upper_bounds_are_the_pairs_similarities_and_exceed_no_bound(kind):
    similarity = KINDS[kind]()
    first, second = all_pairs()
    bounds = similarity.bounds.block(slice(0, NUM_CROPS), slice(0, NUM_CROPS)).ravel()
    before = bounds.copy()
    settled = similarity.bounds.settle(bounds, first, second)
    assert settled.dtype == np.float32
    np.testing.assert_allclose(settled, similarity.pairs(first, second), atol=1e-6, rtol=0)
    assert (settled <= bounds).all()  # without a rounding error to spare: what is certain rests on it
    assert np.array_equal(bounds, before)


def test_features_are_what_neighbours_are_searched_by(similarity):
    if isinstance(similarity, OverlapSimilarity):
        assert similarity.features is None
    else:
        assert similarity.features.equal(random_features())


def test_upper_bounds_worked_by_hand():
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    overlap = OverlapSimilarity(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]), num_heads=1)
    similarity = InterCameraSimilarity(features, overlap, torch.tensor([0, 0, 1]), mu=0.3)
    expected = np.array([[1, 0, -0.7], [0, 1, 0.3], [-0.7, 0.3, 1]])  # the cosine, 0.3 more between the cameras
    np.testing.assert_allclose(similarity.bounds.block(slice(0, 3), slice(0, 3)), expected, atol=1e-7)
    third = 0.3 / 3  # both first crops agree with the third by 0.5 / 1.5
    settled = similarity.bounds.settle(np.array([-0.7, 0.3, 0], np.float32), np.array([0, 2, 0]), np.array([2, 1, 1]))
    np.testing.assert_allclose(settled, [-1 + third, third, 0], atol=1e-7)


# --- the weight of the overlap


def test_with_mu_0_all_that_is_left_is_the_cosine():
    similarity, cosine = KINDS["inter-camera, mu 0"](), KINDS["cosine"]()
    first, second = all_pairs()
    assert np.array_equal(similarity.matrix(), cosine.matrix())
    assert np.array_equal(similarity.block(np.arange(9), np.arange(70)), cosine.block(np.arange(9), np.arange(70)))
    assert np.array_equal(similarity.pairs(first, second), cosine.pairs(first, second))


def test_with_one_camera_all_that_is_left_is_the_cosine():
    assert np.array_equal(KINDS["inter-camera, one camera"]().matrix(), cosine_similarity(random_features()).numpy())


def test_peaked_scores_give_the_same_overlap_in_every_way():
    overlap = OverlapSimilarity(
        torch.softmax(14 * torch.randn(60, 700, generator=torch.Generator().manual_seed(0)), dim=1), num_heads=1
    )
    rows = np.arange(60)
    np.testing.assert_allclose(overlap.matrix(), overlap.block(rows, rows), atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_scores_of_any_precision_are_compared_as_float32(dtype):
    scores = random_scores().to(dtype)
    rows = np.arange(20)
    overlap, expected = (OverlapSimilarity(values, num_heads=NUM_CAMERAS) for values in (scores, scores.float()))
    assert np.array_equal(overlap.matrix(), expected.matrix())
    assert np.array_equal(overlap.block(rows, rows), expected.block(rows, rows))


def test_features_and_scores_may_need_gradients_and_lie_in_memory_in_any_order():
    features = random_features().T.contiguous().T.requires_grad_()
    scores = random_scores().T.contiguous().T.requires_grad_()
    overlap = OverlapSimilarity(scores, num_heads=NUM_CAMERAS)
    similarity, expected = InterCameraSimilarity(features, overlap, random_cameras(), mu=0.3), inter_camera(0.3)
    first, second = all_pairs()
    np.testing.assert_allclose(similarity.matrix(), expected.matrix(), atol=1e-6)
    np.testing.assert_allclose(similarity.pairs(first, second), expected.pairs(first, second), atol=1e-6)
    np.testing.assert_allclose(
        similarity.block(first[:9], second[:9]), expected.block(first[:9], second[:9]), atol=1e-6
    )


def test_inputs_are_unchanged():
    features, scores, cameras = random_features(), random_scores(), random_cameras()
    similarity = InterCameraSimilarity(features, OverlapSimilarity(scores, num_heads=NUM_CAMERAS), cameras, mu=0.3)
    first, second = all_pairs()
    similarity.matrix()
    similarity.bounds.settle(similarity.bounds.block(slice(0, NUM_CROPS), slice(0, NUM_CROPS)).ravel(), first, second)
    similarity.block(first, second[:9])
    similarity.pairs(first, second)
    assert features.equal(random_features())
    assert scores.equal(random_scores())
    assert cameras.equal(random_cameras())


# --- what is refused


@pytest.mark.parametrize(
    ("num_features", "num_scores", "num_cameras", "message"),
    [
        (149, 150, 150, "149 features need as many scores and cameras, got 150 and 150"),
        (150, 149, 150, "150 features need as many scores and cameras, got 149 and 150"),
        (150, 150, 1, "150 features need as many scores and cameras, got 150 and 1"),
    ],
)
def test_lengths_that_differ_are_refused(num_features, num_scores, num_cameras, message):
    overlap = OverlapSimilarity(random_scores(num_scores), num_heads=NUM_CAMERAS)
    with pytest.raises(ValueError, match=message):
        InterCameraSimilarity(random_features(num_features), overlap, random_cameras(num_cameras), mu=0.3)


@pytest.mark.parametrize("mu", [-0.1, math.nan, math.inf])
def test_mu_out_of_range_is_refused(mu):
    with pytest.raises(ValueError, match=f"mu must be at least 0 and finite, got {mu}"):
        inter_camera(mu)


def test_scores_that_are_no_probabilities_are_refused():
    with pytest.raises(ValueError, match=r"Row 0 of scores sums to 3\.0000, not to num_cameras=2"):
        OverlapSimilarity(random_scores(1), num_heads=2)
