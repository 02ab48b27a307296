"""The image of a crop is its file, or its box in it; a frame is decoded once for boxes in a row."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from iics.crops import CropSet
from iics.data_check.check import check_data
from iics.data_splits import DataSplits
from iics.errors import DataError
from iics.pixels import crop_images
from iics.pixels.crop_images import CropImages
from iics.pixels.crop_reader import CropReader
from iics.pixels.digests import file_digests
from iics.pixels.images import load_pixels
from iics.pixels.pixel_cache import open_pixels

BOXES = [[0, 0, 4, 8], [6, 2, 5, 9], [0, 0, 4, 8], [10, 20, 6, 12]]


@pytest.fixture
def frames(tmp_path, make_image):
    return [make_image(tmp_path / f"{name}.png", size=(16, 32)) for name in "ab"]


@pytest.fixture
def boxed(frames):
    """Two boxes in each of two frames; a box of the one lies as one of the other."""
    one, other = frames
    return CropSet((one, one, other, other), [0, 1, 0, 1], ("x", "y"), boxes=BOXES, name="boxed")


@pytest.fixture
def decoded(monkeypatch):
    """Count the files that are decoded."""
    sizes = []
    decode = crop_images.decode_image
    monkeypatch.setattr(crop_images, "decode_image", lambda data: sizes.append(len(data)) or decode(data))
    return sizes


def cut(path, box):
    left, top, width, height = box
    return np.asarray(Image.open(path))[top : top + height, left : left + width]


def test_a_crop_is_its_box_in_the_frame(boxed):
    with CropReader(boxed) as reader:
        images = CropImages(boxed, reader)
        for index in (3, 0, 1, 2, 2):
            expected = cut(boxed.paths[index], BOXES[index])
            np.testing.assert_array_equal(np.asarray(images[index].image), expected)


def test_boxes_are_in_the_archive_of_their_frames_too(boxed, tmp_path, zip_folder):
    (tmp_path / "zipped").mkdir()
    for path in boxed.paths[1:3]:
        path.rename(tmp_path / "zipped" / path.name)
    archive = zip_folder(tmp_path / "zipped")
    paths = tuple(type(path)(path.name) for path in boxed.paths)
    zipped = replace(boxed, paths=paths, archive=archive)
    assert load_pixels(zipped, height=4, width=4).shape == (4, 4, 4, 3)


def test_boxes_in_a_row_decode_their_frame_once(boxed, decoded):
    load_pixels(boxed, height=4, width=4)
    assert len(decoded) == 2
    decoded.clear()
    load_pixels(boxed.subset([0, 2, 1, 3]), height=4, width=4)
    assert len(decoded) == 4


def test_the_digest_of_a_file_is_its_own_and_that_of_a_box_holds_file_and_box(boxed, frames):
    digests = file_digests(boxed, num_threads=2)
    assert len(set(digests)) == 4
    whole = CropSet(tuple(frames), [0, 1], ("x", "y"))
    assert file_digests(whole, num_threads=1) == [hashlib.sha256(path.read_bytes()).digest() for path in frames]
    assert not set(digests) & set(file_digests(whole, num_threads=1))


def test_the_cache_tells_boxes_of_one_file_apart(boxed, tmp_path):
    options = {"height": 8, "width": 4, "source": "cache", "cache_dir": str(tmp_path / "cache")}
    moved = replace(boxed, boxes=[[1, 0, 4, 8], *BOXES[1:]])
    one, other = open_pixels(boxed, **options), open_pixels(moved, **options)
    np.testing.assert_array_equal(one[0], cut(boxed.paths[0], BOXES[0]))
    np.testing.assert_array_equal(other[0], cut(boxed.paths[0], [1, 0, 4, 8]))
    np.testing.assert_array_equal(one[1:], other[1:])


def test_a_box_outside_of_its_picture_is_named(boxed):
    outside = replace(boxed, boxes=[*BOXES[:3], [10, 20, 7, 12]])
    with pytest.raises(DataError) as caught:
        load_pixels(outside, height=4, width=4)
    assert str(caught.value) == (
        f"1 of 4 crops in boxed cannot be decoded: {boxed.paths[3]}[7x12+10+20] (the box needs 17 x 32 pixels, the "
        "picture has 16 x 32). Replace or remove these files."
    )


def test_a_damaged_frame_fails_each_of_its_boxes(boxed):
    boxed.paths[0].write_bytes(boxed.paths[0].read_bytes()[:-200])
    with pytest.raises(DataError, match=r"^2 of 4 crops in boxed cannot be decoded"):
        load_pixels(boxed, height=4, width=4)


def test_a_check_sees_boxes_not_frames(boxed, frames):
    report = check_data(DataSplits("boxed", boxed))
    assert not report.errors
    assert not any("identical" in warning or "equal pixels" in warning for warning in report.warnings)
    sizes = report.splits[0].sizes
    assert (sizes.width.minimum, sizes.height.minimum, sizes.width.maximum, sizes.height.maximum) == (4, 8, 6, 12)
    frames[1].write_bytes(frames[0].read_bytes())
    (warning,) = [text for text in check_data(DataSplits("boxed", boxed)).warnings if "identical" in text]
    assert f"{frames[0]}[4x8+0+0] and {frames[1]}[4x8+0+0]" in warning
