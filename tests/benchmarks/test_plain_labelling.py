"""The plain forms compute what the fast ones do: a comparison of times would mean nothing otherwise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.plain_labelling import PlainReranking, score_overlap_rows
from iics.similarity.cosine import CosineSimilarity
from iics.similarity.reranking import k_reciprocal_distance
from iics.similarity.score_overlap import score_overlap
from iics.speed.synthetic import synthetic_crops


@pytest.fixture(scope="module")
def crops():
    return synthetic_crops(90, num_cameras=3, num_scores=30, num_features=32)


def test_row_loop_is_eq_9(crops):
    rows = range(5, 25)
    overlap = score_overlap(crops.scores, num_cameras=3)
    torch.testing.assert_close(score_overlap_rows(crops.scores, rows), overlap[5:25], atol=1e-5, rtol=0)


def test_numpy_loops_are_the_reranking(crops):
    distance = 1 - CosineSimilarity(crops.features).matrix()
    rows = range(90)
    plain = PlainReranking(distance, k1=20, k2=6, lambda_value=0.3)
    ranking = plain.ranking(rows)
    averaged = plain.averaged(plain.weights(ranking, rows), ranking, rows)
    found = plain.distances(averaged, [np.flatnonzero(column) for column in averaged.T], rows)
    expected = k_reciprocal_distance(distance)
    is_pair = ~np.eye(90, dtype=np.bool_)
    np.testing.assert_allclose(found[is_pair], expected[is_pair], atol=1e-5)


def test_a_slice_holds_the_rows_of_the_whole(crops):
    distance = 1 - CosineSimilarity(crops.features).matrix()
    plain = PlainReranking(distance, k1=20, k2=6, lambda_value=0.3)
    ranking = plain.ranking(range(90))
    assert (plain.ranking(range(10, 20)) == ranking[10:20]).all()
    assert (plain.weights(ranking, range(10, 20)) == plain.weights(ranking, range(90))[10:20]).all()
