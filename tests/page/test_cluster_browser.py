"""The clusters of a run, a page at a time, and features that are computed once."""

import logging
import re

import numpy as np
import pytest

from iics.errors import SettingsError
from iics.page.cluster_browser import ClusterBrowser
from iics.page.run_features import FEATURES_FILE, run_features
from iics.shown_picture import VERSION


@pytest.fixture
def browser(clustered_run, tiny_model):
    browser = ClusterBrowser(clustered_run, None)
    browser.take_features(run_features(clustered_run, tiny_model, browser.last.crops, batch_size=64))
    return browser


def test_a_cluster_shows_its_size_cameras_and_members(browser):
    page = browser.html(2, "largest first", 1)
    assert "Clusters 1 to 3 of 3" in page
    first = page.split('<section class="iics-cluster">')[1]
    assert "18 crops" in first
    assert re.findall(r"<b>(\d+)</b>", first) == ["6", "6", "6"]  # three cameras
    assert (first.count("Most typical"), first.count("Most doubtful"), first.count("<img ")) == (1, 1, 16)


def test_no_member_is_shown_as_typical_and_as_doubtful(browser):
    for section in browser.html(1, "most doubtful first", 1).split('<section class="iics-cluster">')[1:]:
        assert section.count("<img ") == 9  # all of them, each once
        assert len(set(re.findall(r'src="([^"]+)"', section))) == 9


def test_names_of_cameras_are_escaped(browser):
    assert "<script" not in browser.html(2, "largest first", 1)


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ((3, "largest first", 1), "rounds 1 to 2"),
        ((2, "by name", 1), "largest first or most doubtful first, got 'by name'"),
        ((2, "largest first", 2), "There are pages 1 to 1, got 2"),
        ((2, "largest first", 0), "There are pages 1 to 1, got 0"),
    ],
)
def test_what_is_not_there_is_refused(browser, asked, complaint):
    with pytest.raises(SettingsError, match=complaint):
        browser.html(*asked)


def test_features_are_computed_once(clustered_run, tiny_model, browser, monkeypatch):
    first = run_features(clustered_run, tiny_model, browser.last.crops, batch_size=64)
    monkeypatch.setattr(type(tiny_model), "embed", None)
    np.testing.assert_array_equal(run_features(clustered_run, tiny_model, browser.last.crops, batch_size=64), first)


def test_features_of_other_crops_or_a_damaged_file_are_computed_anew(clustered_run, tiny_model, browser, caplog):
    crops = browser.last.crops
    whole = run_features(clustered_run, tiny_model, crops, batch_size=64)
    some = run_features(clustered_run, tiny_model, crops.subset(np.arange(3)), batch_size=64)
    np.testing.assert_allclose(some, whole[:3], atol=1e-5)
    file = clustered_run / FEATURES_FILE
    file.write_bytes(file.read_bytes()[:100])
    with caplog.at_level(logging.WARNING):
        again = run_features(clustered_run, tiny_model, crops, batch_size=64)
    np.testing.assert_allclose(again, whole, atol=1e-5)
    assert "is damaged" in caplog.text


def test_features_of_pictures_read_otherwise_are_computed_anew(clustered_run, tiny_model, browser, monkeypatch):
    crops = browser.last.crops
    with monkeypatch.context() as patch:
        patch.setattr("iics.page.run_features.VERSION", VERSION - 1)
        run_features(clustered_run, tiny_model, crops, batch_size=64)
    batches = []
    run_features(clustered_run, tiny_model, crops, batch_size=64, progress=batches.append)
    assert sum(batches) == len(crops)
