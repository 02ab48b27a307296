"""Steps of labelling, measured."""

from __future__ import annotations

import pytest

from iics.speed import pseudo_label_speed as speed
from iics.speed.synthetic import synthetic_crops


@pytest.fixture(scope="module")
def crops():
    return synthetic_crops(300, num_cameras=3, num_scores=60, num_features=64)


def test_every_step_is_timed(crops):
    steps = speed.measure_steps(crops)
    names = ["Eq. 9, dense route", "Eq. 5, in place", "re-ranking", "average linkage"]
    assert [step.name for step in steps] == names
    assert all(step.seconds > 0 for step in steps)


def test_peaked_scores_take_the_sparse_route():
    crops = synthetic_crops(300, num_cameras=3, num_scores=600, num_features=64, temperature=0.005)
    assert speed.measure_steps(crops)[0].name == "Eq. 9, sparse route"


@pytest.mark.parametrize("max_dense", [speed.ALL_DENSE, 10])
def test_whole_labelling_finds_the_identities(crops, max_dense):
    labelling = speed.measure_labelling(crops, max_dense=max_dense)
    assert labelling.num_clusters == 17
    assert labelling.adjusted_rand_index > 0.8
