"""Evaluation, measured; query and gallery, made up."""

from __future__ import annotations

import numpy as np
import pytest

from iics.speed.evaluation_speed import measure_evaluation
from iics.speed.synthetic import synthetic_gallery


@pytest.fixture(scope="module")
def crops():
    return synthetic_gallery(50, 400, num_identities=20, num_cameras=3, num_features=32)


def test_query_and_gallery_hold_people_distractors_and_junk_in_their_shares(crops):
    ids = crops.labels.gallery_ids
    assert (ids == 0).mean() == pytest.approx(0.17, abs=0.06)
    assert (ids == -1).mean() == pytest.approx(0.02, abs=0.02)
    assert crops.labels.query_ids.min() >= 1
    assert set(ids[ids > 0]) == set(range(1, 21))
    for features in (crops.query_features, crops.gallery_features):
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)


def test_the_seed_decides():
    first, again, other = (
        synthetic_gallery(5, 9, num_identities=2, num_cameras=2, num_features=8, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.gallery_features, again.gallery_features)
    assert not np.array_equal(first.gallery_features, other.gallery_features)


def test_evaluation_is_timed_beside_the_product(crops):
    speed = measure_evaluation(crops, repeats=2)
    assert min(speed.seconds, speed.product_seconds) > 0
    assert 0 < speed.mean_ap < 1
    assert speed.reranked_seconds is speed.reranked_mean_ap is None


def test_reranking_is_timed_where_it_is_asked_for(crops):
    speed = measure_evaluation(crops, repeats=1, rerank=True)
    assert speed.reranked_seconds > 0
    assert speed.reranked_mean_ap not in (None, speed.mean_ap)
