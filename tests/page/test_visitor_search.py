"""What a visitor asks for, and what is refused, without a page."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from iics.errors import GalleryError, SettingsError, WeightsError
from iics.gallery.filters import GalleryFilters
from iics.models.camera_means import CameraMeans
from iics.page.visitor_search import Query, Searcher, Wanted


def test_fields_that_were_never_shown_filter_nothing():
    assert Wanted(since=None, until=None).filters() == GalleryFilters()


def test_fields_become_filters():
    wanted = Wanted(cameras=["hall"], not_cameras=["yard"], since="10", until="1970-01-01 00:01")
    assert wanted.filters() == GalleryFilters(cameras=("hall",), not_cameras=("yard",), since=10, until=60)


@pytest.mark.parametrize("top", [0, 201])
def test_the_number_of_matches_has_limits(top):
    with pytest.raises(SettingsError, match=f"must be from 1 to 200, got {top}"):
        Wanted(top=top).filters()


def test_filters_that_contradict_each_other_are_refused():
    with pytest.raises(GalleryError, match="both wanted and unwanted"):
        Wanted(cameras=["hall"], not_cameras=["hall"]).filters()


def test_only_a_match_that_was_shown_can_be_asked_for():
    query = Query("q.png", "ab", np.zeros((1, 4), np.float32))
    with pytest.raises(SettingsError, match="not on the page any more"):
        query.match("c1")


@pytest.mark.parametrize(("camera", "asked"), [("hall", "hall"), ("", None), (None, None)])
def test_a_centred_page_searches_with_the_models_means_and_the_camera_of_the_crop(camera, asked):
    calls = []
    gallery = SimpleNamespace(check_model=lambda model: None, search=lambda *_, **how: calls.append(how) or [[]])
    means = CameraMeans(("hall",), (30,), np.zeros((1, 4), np.float32), np.zeros(4, np.float32))
    model = SimpleNamespace(camera_means=means)
    query = Query("q.png", "ab", np.zeros((1, 4), np.float32))
    Searcher(gallery, model, None, is_centred=True).search(query, Wanted(query_camera=camera))
    Searcher(gallery, model, None).search(query, Wanted(query_camera=camera))
    assert [(how["camera_means"], how["query_camera"]) for how in calls] == [(means, asked), (None, asked)]


def test_a_page_cannot_centre_by_a_model_without_means():
    gallery = SimpleNamespace(check_model=lambda model: None)
    with pytest.raises(WeightsError, match="has no camera means"):
        Searcher(gallery, SimpleNamespace(camera_means=None), None, is_centred=True)
