"""Steps of labelling, measured."""

from __future__ import annotations

import importlib.util

import pytest

from iics.speed import pseudo_label_speed as speed
from iics.speed.synthetic import synthetic_crops


@pytest.fixture(scope="module")
def crops():
    return synthetic_crops(300, num_cameras=3, num_scores=60, num_features=64)


def test_every_step_is_timed_beside_its_plain_form(crops):
    steps = speed.compare_steps(crops, repeats=2)
    assert [step.name for step in steps] == [
        "Eq. 9, dense route",
        "Eq. 5, in place",
        "re-ranking",
        "average linkage",
    ]
    assert all(step.seconds > 0 and step.plain_seconds > 0 for step in steps)
    assert "20 rows extrapolated" in steps[0].note
    assert "200 rows extrapolated" in steps[2].note


def test_steps_can_be_timed_alone(crops):
    alone, beside = speed.measure_steps(crops), speed.compare_steps(crops, repeats=1)
    assert [step.name for step in alone] == [step.name for step in beside]
    assert [step.plain_seconds for step in alone] == [None] * 4


def test_peaked_scores_take_the_sparse_route():
    crops = synthetic_crops(300, num_cameras=3, num_scores=600, num_features=64, temperature=0.005)
    assert speed.measure_steps(crops)[0].name == "Eq. 9, sparse route"


def test_scipy_stands_in_where_fastcluster_is_missing(crops, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    step = speed.compare_steps(crops, repeats=1)[-1]
    assert step.note.startswith("scipy (fastcluster is not installed)")


@pytest.mark.parametrize(("max_dense", "with_plain"), [(speed.ALL_DENSE, True), (10, False)])
def test_whole_labelling_finds_the_identities(crops, max_dense, with_plain):
    labelling = speed.measure_labelling(crops, max_dense=max_dense, with_plain=with_plain)
    assert labelling.num_clusters == 17
    assert labelling.adjusted_rand_index > 0.8
    assert (labelling.step.plain_seconds is not None) == with_plain
