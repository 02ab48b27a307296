"""Keys of crops: what they depend on and what not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.gallery.crop_rows import CropKeys


@pytest.fixture
def crops():
    paths = tuple(Path(f"/crops/{name}.jpg") for name in "abcd")
    return CropSet(paths, np.array([0, 0, 1, 1]), ("x", "y"), tracklet_ids=np.array([0, 0, 1, -1]))


def test_a_key_is_of_the_place_and_not_of_what_is_known_of_the_crop(crops):
    others = replace(crops, camera_ids=np.array([1, 1, 0, 0]), identity_ids=np.arange(4), name="other")
    assert CropKeys.of(others).ids == CropKeys.of(crops).ids
    assert len(set(CropKeys.of(crops).ids)) == 4


def test_archive_and_box_are_part_of_the_place(crops):
    boxed = replace(crops, boxes=np.ones((4, 4), dtype=np.int64))
    archived = replace(crops, paths=tuple(Path(path.name) for path in crops.paths), archive=Path("/crops.zip"))
    keys = {CropKeys.of(each).ids[0] for each in (crops, boxed, archived)}
    assert len(keys) == 3


def test_tracklets_keep_their_number_when_crops_and_tracklets_are_added(crops):
    a, b, c, d = CropKeys.of(crops).tracklets
    assert a == b != c
    assert d is None
    more = CropSet(
        (*crops.paths, Path("/crops/e.jpg"), Path("/a.jpg")),
        np.array([0, 0, 1, 1, 1, 0]),
        ("x", "y"),
        tracklet_ids=np.array([5, 5, 7, -1, 7, 0]),
    )
    assert CropKeys.of(more).tracklets[:5] == (a, a, c, None, c)
    assert CropKeys.of(more).tracklets[5] not in (a, c)


def test_tracklets_of_two_data_sets_with_the_same_numbers_stay_apart(crops):
    other = replace(crops, paths=tuple(Path(f"/other/{path.name}") for path in crops.paths))
    assert not set(CropKeys.of(crops).tracklets[:3]) & set(CropKeys.of(other).tracklets[:3])
    assert max(number for number in CropKeys.of(other).tracklets if number is not None) < 2**48


def test_times_that_are_not_known_are_null(crops):
    timed = CropKeys.of(replace(crops, times=np.array([1.5, np.nan, 0, 0])))
    assert [timed.row(index, b"")["time"] for index in range(3)] == [1.5, None, 0.0]
