"""The whole report, and what it cannot say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.errors import EvaluationError
from iics.evaluation.label_free import label_free_report


@pytest.fixture
def features():
    drawn = np.random.default_rng(0).standard_normal((60, 16)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture
def crops():
    paths = tuple(Path(f"{number}.png") for number in range(60))
    return CropSet(paths, np.arange(60) % 2, ("Straße", "hall"))


def test_without_tracklets_it_says_so(features, crops):
    report = label_free_report(features, crops)
    assert report.tracklets is None
    assert report.notes == ("There are no tracklets and no boxes, so no pair is known to be one person, or two.",)
    text = str(report)
    assert "None of these numbers is an accuracy" in text
    assert "Straße" in text
    assert max(map(len, text.splitlines())) <= 120


def test_with_one_camera_it_says_so(features, crops):
    report = label_free_report(features, replace(crops, camera_ids=np.zeros(60, np.int64)))
    assert report.cameras is None
    assert "All crops are of one camera, so nothing can be said of cameras." in report.notes


def test_tracklets_without_times_leave_two_people_unknown(features, crops):
    report = label_free_report(features, replace(crops, tracklet_ids=np.arange(60) // 4 * 2 + np.arange(60) % 2))
    assert report.tracklets.coherence is not None
    assert report.notes[0].startswith("No two crops are known to be two people")


def test_identities_are_not_looked_at(features, crops):
    named = replace(crops, identity_ids=np.arange(60) // 3)
    assert label_free_report(features, named) == label_free_report(features, crops)


def test_features_of_other_crops_are_refused(features, crops):
    with pytest.raises(EvaluationError, match=r"60 crops need as many rows of features, got shape \(59, 16\)"):
        label_free_report(features[:59], crops)


def test_two_crops_are_refused(features, crops):
    with pytest.raises(EvaluationError, match="crops has 2 crops; at least 3 are needed to compare any"):
        label_free_report(features[:2], crops.subset([0, 1]))


def test_features_that_are_no_numbers_are_refused(features, crops):
    features[3, 2] = np.nan
    with pytest.raises(EvaluationError, match="features hold NaN or infinite values"):
        label_free_report(features, crops)
