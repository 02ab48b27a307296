"""Pixels arrive in the order of the crops, or an error names the files that failed."""

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from iics.crops import CropSet
from iics.errors import DataError
from iics.pixels import images
from iics.pixels.crop_images import decode_image
from iics.pixels.images import load_pixels
from iics.readers.benchmarks import load_market_layout


def crops_of(*paths: Path) -> CropSet:
    return CropSet(tuple(paths), np.zeros(len(paths), dtype=int), ("lobby",), name="mine")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_each_crop_lies_in_its_own_row_whatever_the_threads(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(150)]  # more than two tasks
    for number, path in enumerate(paths):
        Image.new("RGB", (3, 5), (number, 0, 255)).save(path)
    one = load_pixels(crops_of(*paths), height=8, width=4, num_threads=1)
    many = load_pixels(crops_of(*paths), height=8, width=4, num_threads=7)
    assert one.shape == (150, 8, 4, 3)
    assert one.dtype == np.uint8
    assert one[:, 0, 0].tolist() == [[number, 0, 255] for number in range(150)]
    np.testing.assert_array_equal(one, many)


def test_resizing_is_pillows_bicubic(tmp_path, make_image):
    path = make_image(tmp_path / "a.png", size=(7, 9))
    expected = np.asarray(Image.open(path).resize((64, 128), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(load_pixels(crops_of(path), height=128, width=64)[0], expected)


def test_a_zip_gives_the_pixels_of_its_folder(market_dir, zip_folder):
    folder = load_market_layout(market_dir)
    zipped = load_market_layout(zip_folder(market_dir, "m/"))
    for split in ("train", "query", "gallery"):
        expected = load_pixels(getattr(folder, split), height=32, width=16)
        found = load_pixels(getattr(zipped, split), height=32, width=16, num_threads=4)
        np.testing.assert_array_equal(found, expected)


def test_progress_counts_up_to_the_number_of_crops(tmp_path, make_image):
    paths = [make_image(tmp_path / f"{number}.png", size=(2, 2)) for number in range(130)]
    counts: list[int] = []
    load_pixels(crops_of(*paths), height=2, width=2, progress=counts.append)
    assert counts == [64, 128, 130]


def test_every_bad_file_is_named_with_its_reason(tmp_path, make_image):
    good, torn, text, empty = (tmp_path / name for name in ("good.jpg", "torn.jpg", "text.jpg", "empty.jpg"))
    make_image(good)
    torn.write_bytes(good.read_bytes()[:-40])
    text.write_text("no image")
    empty.touch()
    with pytest.raises(DataError) as raised:
        load_pixels(crops_of(good, torn, text, empty, tmp_path / "gone.jpg"), height=4, width=4)
    message = str(raised.value)
    assert message.startswith("4 of 5 crops in mine cannot be decoded: ")
    for reason in (
        rf"{torn} \(truncated\)",
        rf"{text} \(no JPEG, PNG, BMP, WEBP image\)",
        rf"{empty} \(empty file\)",
        r"gone\.jpg \(cannot be read: .*No such file.*\)",
    ):
        assert re.search(reason, message), reason
    assert message.endswith("Replace or remove these files.")


def test_of_many_bad_files_five_are_named_and_all_counted(tmp_path):
    paths = [tmp_path / f"{number}.jpg" for number in range(8)]
    for path in paths:
        path.write_text("no image")
    with pytest.raises(DataError, match=r"8 of 8 crops .*4\.jpg \([^)]*\); and 3 more\. Replace") as raised:
        load_pixels(crops_of(*paths), height=4, width=4)
    assert "5.jpg" not in str(raised.value)


@pytest.mark.parametrize("kind", ["JPEG", "BMP", "WEBP"])
def test_a_file_cut_anywhere_is_refused(kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 16, 3), dtype=np.uint8))
    data = encoded(noise, kind)
    for length in range(0, len(data), 7):
        with pytest.raises(DataError):
            decode_image(data[:length])


def test_truncated_images_stay_refused_for_everybody():
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_a_damaged_zip_member_is_named(market_dir, zip_folder):
    archive = zip_folder(market_dir)
    splits = load_market_layout(archive)
    with zipfile.ZipFile(archive) as opened:
        offset = opened.getinfo("query/0002_c1s1_000005_00.jpg").header_offset
    data = bytearray(archive.read_bytes())
    data[offset + 200] ^= 255
    archive.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"market\.zip:query/0002_c1s1_000005_00\.jpg \(cannot be read: Bad CRC-32"):
        load_pixels(splits.query, height=4, width=4)


def test_an_archive_that_went_away_is_named(market_dir, zip_folder):
    archive = zip_folder(market_dir)
    splits = load_market_layout(archive)
    archive.unlink()
    with pytest.raises(DataError, match=r"Cannot open .*market\.zip"):
        load_pixels(splits.query, height=4, width=4)


def test_formats_beyond_the_four_are_refused():
    with pytest.raises(DataError, match="no JPEG, PNG, BMP, WEBP image"):
        decode_image(encoded(Image.new("RGB", (2, 2)), "GIF"))


def test_pixels_that_do_not_fit_are_refused_before_any_file_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "free_memory", lambda: 10_000_000)
    missing = crops_of(*(tmp_path / f"{number}.jpg" for number in range(1200)))
    with pytest.raises(DataError, match=r"mine: 1,200 crops at 256 x 128 pixels need 0\.12 GB of memory, 0\.01 GB are"):
        load_pixels(missing, height=256, width=128)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 0, "width": 4}, "height and width must be at least 1, got 0 and 4"),
        ({"height": 4, "width": 4, "num_threads": 0}, "num_threads must be at least 1, got 0"),
    ],
)
def test_sizes_and_threads_below_one_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        load_pixels(crops_of(tmp_path / "a.jpg"), **options)
