"""Steps of labelling, timed beside their plain forms."""

from __future__ import annotations

import importlib.util

import pytest

from benchmarks.labelling_steps import compare_steps
from iics.speed.pseudo_label_speed import measure_steps
from iics.speed.synthetic import synthetic_crops


@pytest.fixture(scope="module")
def crops():
    return synthetic_crops(300, num_cameras=3, num_scores=60, num_features=64)


def test_every_step_is_timed_beside_its_plain_form(crops):
    steps = compare_steps(crops, repeats=2)
    assert [name for name, *_ in steps] == [step.name for step in measure_steps(crops)]
    assert all(seconds > 0 and plain > 0 for _, seconds, plain, _ in steps)
    assert "20 rows extrapolated" in steps[0][3]
    assert "200 rows extrapolated" in steps[2][3]


def test_scipy_stands_in_where_fastcluster_is_missing(crops, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    note = compare_steps(crops, repeats=1)[-1][3]
    assert note.startswith("scipy (fastcluster is not installed)")
