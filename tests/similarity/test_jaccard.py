"""The plain Jaccard distance of reciprocal neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iics.similarity.cosine import CosineSimilarity
from iics.similarity.jaccard import JaccardDistance, KnownPairs
from iics.similarity.neighbour_graph import neighbour_graph
from iics.similarity.reranking import k_reciprocal_distance


def random_features(num_crops: int) -> torch.Tensor:
    features = torch.randn(num_crops, 6, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(features, dim=1)


@pytest.mark.parametrize(("num_crops", "k1", "k2"), [(1, 20, 6), (5, 20, 6), (60, 20, 6), (60, 30, 6), (60, 4, 1)])
def test_both_routes_equal_the_formula(reference, num_crops, k1, k2):
    similarity = CosineSimilarity(random_features(num_crops))
    distance = JaccardDistance(k1=k1, k2=k2)
    expected = reference.field_jaccard_distance(similarity.matrix(), k1, k2)
    found = distance.all_pairs(similarity)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert np.array_equal(found, found.T)
    near = distance.near(similarity, neighbour_graph(similarity, num_neighbours=distance.num_neighbours(num_crops)))
    np.testing.assert_allclose(near.rows(np.arange(num_crops)), expected, atol=2e-6)


def test_re_ranking_without_the_given_distance_is_near_but_another():
    """Its weights are of 1 - cos, half of 2 - 2 cos, and two thirds covered are enough."""
    similarity = CosineSimilarity(random_features(60))
    reranked = k_reciprocal_distance(1 - similarity.matrix(), lambda_value=0)
    gap = np.abs(JaccardDistance(k1=20, k2=6).all_pairs(similarity) - reranked)
    assert gap.max() > 0.01
    assert gap.mean() < 0.1


def test_known_pairs_are_given_back():
    matrix = CosineSimilarity(random_features(9)).matrix()
    known = KnownPairs(matrix)
    assert np.array_equal(known.matrix(), matrix)
    assert np.array_equal(known.block(slice(2, 5), np.array([0, 8])), matrix[2:5][:, [0, 8]])
    assert np.array_equal(known.pairs(np.array([1, 2]), np.array([3, 4])), matrix[[1, 2], [3, 4]])


def test_constants_out_of_range_are_refused():
    with pytest.raises(ValueError, match="k1 and k2 must be at least 1"):
        JaccardDistance(k1=0, k2=6)
