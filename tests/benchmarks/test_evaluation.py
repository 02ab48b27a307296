"""Evaluation beside its plain form: sorting every row."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.evaluation import beside_sorting, plain_ranking
from iics.evaluation.labels import EvaluationLabels
from iics.evaluation.ranking import rank
from iics.speed import evaluation_speed
from iics.speed.synthetic import synthetic_gallery


@pytest.fixture(scope="module")
def crops():
    return synthetic_gallery(50, 400, num_identities=20, num_cameras=3, num_features=32)


def test_the_sorted_form_knows_an_answer_worked_by_hand():
    labels = EvaluationLabels([1], [1, 1, 0, 1, -1, 2, 1], [0], [1, 0, 0, 1, 1, 0, 2])
    distance = np.array([[50, 1, 20, 10, 2, 40, 30]], np.float32)
    precisions, firsts, penalties = plain_ranking(distance, labels)
    assert precisions.tolist() == [pytest.approx((1 + 2 / 3 + 3 / 5) / 3)]
    assert (firsts, penalties) == ([1], [3 / 5])


@pytest.mark.slow
def test_counting_and_sorting_agree_to_the_last_digits(crops):
    seconds, deviation = beside_sorting(crops)
    assert seconds > 0
    assert deviation < 1e-12


def test_a_deviation_is_seen(crops, monkeypatch):
    def shifted(distance_of, labels, *, max_rank):
        return rank(lambda block: np.ascontiguousarray(distance_of(block)[:, ::-1]), labels, max_rank=max_rank)

    monkeypatch.setattr(evaluation_speed, "rank", shifted)
    assert beside_sorting(crops)[1] > 0.1
