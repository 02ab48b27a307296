"""What a visitor asks for, and what is refused, without a page."""

from __future__ import annotations

import numpy as np
import pytest

from iics.errors import GalleryError, SettingsError
from iics.gallery.filters import GalleryFilters
from iics.page.visitor_search import Query, Wanted


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
