"""Evaluation, measured; query and gallery, made up."""

from __future__ import annotations

import numpy as np
import pytest

from iics.evaluation.distance_rows import GivenRows
from iics.evaluation.labels import EvaluationLabels
from iics.evaluation.ranking import rank
from iics.speed import evaluation_speed
from iics.speed.synthetic_gallery import synthetic_gallery


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


def test_the_sorted_form_knows_an_answer_worked_by_hand():
    labels = EvaluationLabels([1], [1, 1, 0, 1, -1, 2, 1], [0], [1, 0, 0, 1, 1, 0, 2])
    distance = np.array([[50, 1, 20, 10, 2, 40, 30]], np.float32)
    precisions, firsts, penalties = evaluation_speed.plain_ranking(distance, labels)
    assert precisions.tolist() == [pytest.approx((1 + 2 / 3 + 3 / 5) / 3)]
    assert (firsts, penalties) == ([1], [3 / 5])


def test_counting_and_sorting_agree_to_the_last_digits(crops):
    speed = evaluation_speed.measure_evaluation(crops, repeats=2)
    assert speed.deviation < 1e-12
    assert speed.num_plain == 50
    assert min(speed.seconds, speed.product_seconds, speed.plain_seconds) > 0
    assert speed.reranked_seconds is None


def test_a_deviation_is_seen(crops, monkeypatch):
    def shifted(distance_of, labels, *, max_rank):
        rows = distance_of(slice(0, len(labels.query_ids)))[:, ::-1]
        return rank(GivenRows(rows, labels), labels, max_rank=max_rank)

    monkeypatch.setattr(evaluation_speed, "rank", shifted)
    assert evaluation_speed.measure_evaluation(crops, repeats=1).deviation > 0.1
