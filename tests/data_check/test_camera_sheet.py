"""The picture of what each camera sees."""

import numpy as np
import pytest
from PIL import Image

from iics.crops import CropSet
from iics.data_check.camera_sheet import CAMERAS_PER_PAGE, CROPS_PER_CAMERA, camera_sheets

RED, BLUE = (255, 0, 0), (0, 0, 255)


def crops_of(folder, counts, colours, names=None):
    """Return a set with `counts[c]` even crops of `colours[c]` in camera c."""
    paths, cameras = [], []
    for camera, (count, colour) in enumerate(zip(counts, colours, strict=True)):
        for number in range(count):
            paths.append(folder / f"{camera}-{number}.png")
            Image.new("RGB", (32, 64), colour).save(paths[-1])
            cameras.append(camera)
    names = names or tuple(f"c{camera}" for camera in range(len(counts)))
    return CropSet(tuple(paths), np.array(cameras), names)


def rows_with(sheet, colour):
    return np.flatnonzero((np.asarray(sheet) == colour).all(axis=2).any(axis=1))


def crops_with(sheet, colour):
    """Return how many crops of a colour are side by side."""
    is_filled = (np.asarray(sheet) == colour).all(axis=2).any(axis=0)
    return int((np.diff(is_filled.astype(int)) == 1).sum())


def test_each_camera_has_a_row_below_the_one_before(tmp_path):
    (sheet,) = camera_sheets(crops_of(tmp_path, [2, 20], [RED, BLUE]))
    assert rows_with(sheet, RED).max() < rows_with(sheet, BLUE).min()
    assert crops_with(sheet, RED) == 2
    assert crops_with(sheet, BLUE) == CROPS_PER_CAMERA


def test_the_choice_follows_the_seed(tmp_path):
    crops = crops_of(tmp_path, [30], [RED])
    for number, path in enumerate(crops.paths):
        Image.new("RGB", (32, 64), (8 * number, 0, 0)).save(path)
    first, again, other = (next(camera_sheets(crops, seed=seed)).tobytes() for seed in (0, 0, 1))
    assert first == again != other


def test_many_cameras_go_on_another_page(tmp_path):
    sheets = list(camera_sheets(crops_of(tmp_path, [1] * 14, [RED] * 14)))
    assert len(sheets) == 2
    assert sheets[0].height > 12 * 128
    assert 2 * 128 < sheets[1].height < 3 * 150
    assert CAMERAS_PER_PAGE == 12


def test_a_camera_without_crops_has_no_row(tmp_path):
    crops = crops_of(tmp_path, [1, 1], [RED, BLUE])
    alone = crops.subset([1])
    (sheet,) = camera_sheets(alone)
    assert sheet.height < 200
    assert len(rows_with(sheet, RED)) == 0


@pytest.mark.parametrize("name", ["Straße 5, Nordeingang oben links beim Aufzug", "入口"])
def test_names_of_any_length_and_script_leave_the_crops_their_place(tmp_path, name):
    (sheet,) = camera_sheets(crops_of(tmp_path, [12], [RED], names=(name,)))
    assert crops_with(sheet, RED) == 12


def test_an_unreadable_crop_is_an_empty_frame(tmp_path):
    crops = crops_of(tmp_path, [3], [RED])
    crops.paths[1].write_bytes(b"no image")
    (sheet,) = camera_sheets(crops)
    assert crops_with(sheet, RED) == 2
