"""Which files of a folder are whole and new."""

import math
import os

import numpy as np
import pytest

from iics.errors import DataError
from iics.gallery.arriving import ArrivingFiles, crops_by_folder


@pytest.fixture
def arriving(tmp_path):
    (tmp_path / "lobby").mkdir()
    return ArrivingFiles(tmp_path)


def test_a_file_is_returned_once_when_it_stayed_the_same(arriving, tmp_path):
    file = tmp_path / "lobby" / "1.jpg"
    file.write_bytes(b"a")
    assert arriving.look() == []
    assert arriving.look() == [file]
    assert arriving.look() == []


def test_a_file_that_grows_waits(arriving, tmp_path):
    file = tmp_path / "lobby" / "1.jpg"
    for size in range(1, 4):
        file.write_bytes(b"a" * size)
        assert arriving.look() == []
    assert arriving.look() == [file]


def test_a_file_that_was_replaced_is_returned_again(arriving, tmp_path):
    file = tmp_path / "lobby" / "1.jpg"
    file.write_bytes(b"a")
    arriving.look()
    arriving.look()
    file.write_bytes(b"b")
    os.utime(file, ns=(1, 1))
    assert arriving.look() == []
    assert arriving.look() == [file]


def test_other_files_and_hidden_ones_are_left_alone(arriving, tmp_path):
    for name in ("1.jpg.part", "notes.txt", ".2.jpg"):
        (tmp_path / "lobby" / name).write_bytes(b"a")
    arriving.look()
    assert arriving.look() == []


def test_folders_of_a_nas_are_passed_over_and_told_once(arriving, tmp_path, caplog):
    for folder in ("lobby/@eaDir/1.jpg", "lobby/.thumbnails", "#recycle", "hall"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "1.jpg").write_bytes(b"a")
    arriving.look()
    assert arriving.look() == [tmp_path / "hall" / "1.jpg"]
    (tmp_path / "hall" / "@eaDir").mkdir()
    arriving.look()
    arriving.look()
    assert [record.getMessage() for record in caplog.records] == [
        f"Passed over: {tmp_path}/#recycle and 2 other such folders (hidden, or kept by a NAS, desktop or program "
        "beside pictures).",
        f"Passed over: {tmp_path}/hall/@eaDir (hidden, or kept by a NAS, desktop or program beside pictures).",
    ]


def test_a_folder_that_is_gone_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"There is no folder .*none to watch"):
        ArrivingFiles(tmp_path / "none").look()


def test_the_first_folder_names_the_camera_or_one_camera_took_all(tmp_path):
    files = [tmp_path / "b" / "day" / "1.jpg", tmp_path / "a" / "2.jpg", tmp_path / "3.jpg"]
    crops, loose = crops_by_folder(tmp_path, files, camera=None)
    assert [crops.camera_names[k] for k in crops.camera_ids] == ["b", "a"]
    assert loose == [tmp_path / "3.jpg"]
    crops, loose = crops_by_folder(tmp_path, files, camera="all")
    assert (crops.camera_names, len(crops), loose) == (("all",), 3, [])
    assert crops_by_folder(tmp_path, files[2:], camera=None) == (None, files[2:])
    assert crops_by_folder(tmp_path, [], camera=None) == (None, [])


@pytest.mark.parametrize(("seconds", "time"), [(1_790_000_000, 1_790_000_000.0), (9_999_999_999, math.nan)])
def test_a_crops_time_is_that_of_its_files_last_change(arriving, tmp_path, seconds, time):
    path = tmp_path / "a" / "1.jpg"
    path.parent.mkdir()
    path.write_bytes(b"1")
    os.utime(path, (seconds, seconds))
    arriving.look()
    crops, _ = crops_by_folder(tmp_path, arriving.look(), camera=None, time_of=arriving.modified)
    np.testing.assert_array_equal(crops.times, [time])
