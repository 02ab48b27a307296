"""Filters as the database reads them."""

import math

import pytest

from iics.errors import GalleryError
from iics.gallery.filters import GalleryFilters


def test_no_filter_means_every_crop():
    assert GalleryFilters().expression() == ""
    assert GalleryFilters().is_empty


def test_all_that_is_set_must_hold():
    filters = GalleryFilters(cameras=("a", "b"), not_cameras=("c",), since=5, until=7.5, tracklet_id=3)
    assert filters.expression() == (
        'camera in ["a", "b"] and camera not in ["c"] and time >= 5.0 '
        "and time > -1000000000000000.0 and time < 7.5 and tracklet == 3"
    )
    assert not filters.is_empty


def test_names_are_quoted():
    assert GalleryFilters(cameras=('a"b\\',)).expression() == 'camera in ["a\\"b\\\\"]'


@pytest.mark.parametrize("name", ["a\nb", "a\x00", "\udcff"])
def test_names_that_cannot_be_quoted_are_refused(name):
    with pytest.raises(GalleryError, match="no filter can"):
        GalleryFilters(cameras=(name,)).expression()


def test_filters_that_contradict_themselves_are_refused():
    with pytest.raises(GalleryError, match="ends before it begins"):
        GalleryFilters(since=5, until=5)
    with pytest.raises(GalleryError, match="Camera a is both wanted and unwanted"):
        GalleryFilters(cameras=("a",), not_cameras=("a",))
    with pytest.raises(GalleryError, match="since nan lies outside of the years 1960 to 2069"):
        GalleryFilters(since=math.nan)
    with pytest.raises(GalleryError, match=r"until 1772352000000 lies .* in milliseconds it is 2026-03-01 08:00:00"):
        GalleryFilters(until=1772352000000)


@pytest.mark.parametrize("name", ["cameras", "not_cameras"])
def test_one_text_is_no_tuple_of_cameras(name):
    with pytest.raises(GalleryError, match=rf"^{name} needs a tuple of names, got the text '12'; write \('12',\)\.$"):
        GalleryFilters(**{name: "12"})


@pytest.mark.parametrize("path", ["", " "])
def test_an_empty_path_is_not_the_folder_that_the_program_runs_in(path):
    with pytest.raises(GalleryError, match=r"^path is empty"):
        GalleryFilters(path=path)
