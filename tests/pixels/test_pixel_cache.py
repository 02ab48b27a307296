"""Pixels kept on disk are the decoded ones: built once, rebuilt when a crop changed, never torn."""

import logging
import shutil
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest
from PIL import Image

from iics.errors import DataError, WriteError
from iics.pixels import pixel_cache, pixel_file
from iics.pixels.images import load_pixels
from iics.pixels.pixel_cache import open_pixels, pixels_kept_before
from iics.pixels.pixel_decoder import PixelDecoder
from iics.pixels.pixel_file import cache_key
from iics.readers.benchmarks import load_market_layout

SIZE = {"height": 32, "width": 16}
Usage = namedtuple("Usage", "total used free")

OPEN = """
import logging, sys, time
from pathlib import Path
logging.basicConfig(format="%(message)s")
from iics.pixels import pixel_cache, pixel_file
from iics.readers.benchmarks import load_market_layout

decoded = []
for_each_image = pixel_file.for_each_image

def slowly(crops, use, **options):
    def use_slowly(index, crop):
        decoded.append(index)
        print("decoding", flush=True)
        time.sleep(float(sys.argv[3]))
        use(index, crop)
    return for_each_image(crops, use_slowly, **options)

pixel_file.for_each_image = slowly
crops = load_market_layout(Path(sys.argv[1])).train
pixels = pixel_cache.open_pixels(crops, height=32, width=16, source="cache", cache_dir=sys.argv[2], num_threads=1)
print("decoded", len(decoded), "sum", int(pixels.astype(int).sum()), flush=True)
"""


@pytest.fixture
def crops(market_dir):
    return load_market_layout(market_dir).train


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "kept" / "pixels"


@pytest.fixture
def decoded(monkeypatch):
    """Count the crops that are decoded for the file."""
    counts = []
    for_each_image = pixel_file.for_each_image

    def count(crops, use, **options):
        counts.append(len(crops))
        return for_each_image(crops, use, **options)

    monkeypatch.setattr(pixel_file, "for_each_image", count)
    return counts


@pytest.fixture
def disk(monkeypatch):
    """Set how many bytes of disk are free."""

    def set_free(free):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 0, free))

    return set_free


def cached(crops, folder, **options):
    return open_pixels(crops, **{**SIZE, "source": "cache", "cache_dir": str(folder), **options})


def files_in(folder):
    return sorted(path for path in folder.iterdir() if path.suffix != ".lock")


def start(market_dir, folder, *, seconds):
    arguments = [sys.executable, "-c", OPEN, str(market_dir), str(folder), str(seconds)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# --- the same pixels


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_every_source_gives_the_same_pixels(market_dir, zip_folder, folder, packed):
    crops = load_market_layout(zip_folder(market_dir, "m/") if packed else market_dir).train
    expected = load_pixels(crops, **SIZE)
    for source in ("cache", "decode", "auto"):
        pixels = open_pixels(crops, **SIZE, source=source, cache_dir=str(folder))
        assert (len(pixels), pixels.shape) == (4, expected.shape)
        for index in (slice(None), slice(1, 3), np.array([3, 0, 3])):
            np.testing.assert_array_equal(pixels[index], expected[index])


def test_kept_pixels_are_mapped_and_cannot_be_written(crops, folder):
    pixels = cached(crops, folder)
    assert isinstance(pixels, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        pixels[0] = 0


def test_decoding_touches_no_folder(crops, folder):
    assert isinstance(open_pixels(crops, **SIZE, source="decode", cache_dir=str(folder)), PixelDecoder)
    assert not folder.exists()


def test_without_a_folder_the_users_own_is_taken(crops, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    open_pixels(crops, **SIZE)
    assert len(files_in(tmp_path / "home" / "iics")) == 1


# --- built once


def test_the_file_is_built_once_and_progress_told_either_way(crops, folder, decoded):
    for _ in range(3):
        counts = []
        cached(crops, folder, progress=counts.append)
        assert counts == [4]
    assert decoded == [4]
    (file,) = files_in(folder)
    assert file.stat().st_size == 4 * 32 * 16 * 3 + 128 + 32


def test_a_folder_moved_elsewhere_shares_the_file(market_dir, crops, folder, tmp_path, decoded):
    cached(crops, folder)
    market_dir.rename(tmp_path / "moved")
    cached(load_market_layout(tmp_path / "moved").train, folder)
    assert decoded == [4]


@pytest.mark.parametrize("options", [{"height": 16}, {"width": 8}, {"height": 16, "width": 32}])
def test_another_size_is_another_file(crops, folder, options, decoded):
    cached(crops, folder)
    pixels = cached(crops, folder, **options)
    np.testing.assert_array_equal(pixels, load_pixels(crops, **SIZE | options))
    assert decoded == [4, 4]
    assert len(files_in(folder)) == 2


def test_a_changed_crop_is_decoded_anew(crops, folder, make_image, decoded):
    before = cached(crops, folder).copy()
    make_image(crops.paths[2])
    after = cached(crops, folder)
    assert [(before[i] == after[i]).all() for i in range(4)] == [True, True, False, True]
    np.testing.assert_array_equal(after, load_pixels(crops, **SIZE))


def test_another_order_is_another_file(crops, folder):
    order = np.array([2, 0, 1, 3])
    np.testing.assert_array_equal(cached(crops, folder)[order], cached(crops.subset(order), folder))


def test_the_key_holds_everything_that_decides_pixels(monkeypatch):
    digests = [b"a" * 32, b"b" * 32]
    keys = [
        cache_key(digests, height=4, width=8),
        cache_key(digests, height=8, width=4),
        cache_key(digests[::-1], height=4, width=8),
        cache_key(digests[:1], height=4, width=8),
    ]
    for place, name, value in (
        (pixel_file, "FORMAT_VERSION", 2),
        (pixel_file.PIL, "__version__", "99.0"),
        (pixel_file.features, "version", lambda name: "99.0"),
        (pixel_file, "RESAMPLING", Image.Resampling.BILINEAR),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, value)
            keys.append(cache_key(digests, height=4, width=8))
    assert len(set(keys)) == len(keys)
    assert cache_key(digests, height=4, width=8) == keys[0]


# --- whole or not at all


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(file.read_bytes()[:20]),
        lambda file: file.write_bytes(file.read_bytes() + bytes(200)),
        lambda file: file.write_bytes(file.read_bytes()[:2000] + bytes(512) + file.read_bytes()[2512:]),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_text("something else"),
        lambda file: np.save(file, np.zeros((4, 32, 16, 3))),
        lambda file: np.save(file, np.zeros((4, 16, 32, 3), np.uint8)),
        lambda file: np.save(file, np.zeros((4, 32, 16, 3), np.uint8, order="F")),
    ],
    ids=["torn", "no header", "too long", "a block of zeros", "empty", "text", "numbers", "shape", "order"],
)
def test_a_damaged_or_foreign_file_is_rebuilt_with_a_warning(crops, folder, damage, caplog):
    cached(crops, folder)
    (file,) = files_in(folder)
    damage(file)
    np.testing.assert_array_equal(cached(crops, folder), load_pixels(crops, **SIZE))
    assert f"{file} is damaged or not ours; it is built anew." in caplog.text


def test_all_bad_crops_are_named_and_nothing_is_left(crops, folder):
    crops.paths[0].write_text("no image")
    crops.paths[3].unlink()
    for _ in range(2):
        with pytest.raises(DataError, match=r"^2 of 4 crops .*no JPEG.*cannot be read: .*Replace or remove"):
            cached(crops, folder)
    crops.paths[3].write_text("no image either")  # all can be read now, and two cannot be decoded
    with pytest.raises(DataError, match=r"^2 of 4 crops .*no JPEG.*no JPEG.*Replace or remove"):
        cached(crops, folder)
    assert files_in(folder) == []


def test_a_crop_that_changes_between_hashing_and_decoding_is_refused(crops, folder, make_image, monkeypatch):
    for_each_image = pixel_file.for_each_image

    def change_first(*arguments, **options):
        make_image(crops.paths[1])
        return for_each_image(*arguments, **options)

    monkeypatch.setattr(pixel_file, "for_each_image", change_first)
    with pytest.raises(DataError) as caught:
        cached(crops, folder)
    assert str(caught.value) == (
        f"{crops.paths[1]} changed while it was read. Start again when market-layout train is complete."
    )
    assert files_in(folder) == []


def test_two_processes_at_once_decode_once(market_dir, crops, folder):
    first = start(market_dir, folder, seconds=0.3)
    assert first.stdout.readline() == "decoding\n"
    second = start(market_dir, folder, seconds=0.3)
    outputs = [process.communicate(timeout=60) for process in (first, second)]
    total = load_pixels(crops, **SIZE).astype(int).sum()
    assert outputs[0][0].splitlines()[-1] == f"decoded 4 sum {total}"
    assert outputs[1][0] == f"decoded 0 sum {total}\n"
    assert outputs[0][1] == ""
    assert outputs[1][1] in ("", "Another process is decoding market-layout train; waiting for it.\n")


def test_a_kill_leaves_a_temporary_that_the_next_build_removes(market_dir, crops, folder, make_image):
    process = start(market_dir, folder, seconds=60)
    assert process.stdout.readline() == "decoding\n"
    process.kill()
    process.communicate()
    (left,) = files_in(folder)
    assert left.suffix == ".tmp"
    make_image(crops.paths[0])  # also if it is a build of other pixels
    np.testing.assert_array_equal(cached(crops, folder), load_pixels(crops, **SIZE))
    assert left not in files_in(folder)
    assert len(files_in(folder)) == 1


def test_an_interrupted_build_leaves_nothing(crops, folder, monkeypatch):
    def stop(*arguments, **options):
        assert len(list(folder.glob(".*.tmp"))) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(pixel_file, "for_each_image", stop)
    with pytest.raises(KeyboardInterrupt):
        cached(crops, folder)
    assert files_in(folder) == []


# --- room


def test_too_little_disk_is_refused_with_numbers_and_ways_out(crops, folder, disk, decoded):
    disk(4 * 32 * 16 * 3 + 127)
    with pytest.raises(WriteError) as caught:
        cached(crops, folder)
    assert str(caught.value) == (
        f"market-layout train: 4 crops at 32 x 16 pixels take 0.00 GB of disk, 0.00 GB are free in {folder}. Free disk "
        "(iics clear-cache) or choose another folder (--pixels.cache-dir), or decode each time "
        "(--pixels.source decode)."
    )
    assert decoded == []
    disk(4 * 32 * 16 * 3 + 128 + 32)
    assert len(cached(crops, folder)) == 4


def test_with_too_little_disk_auto_decodes_each_time_with_a_warning(crops, folder, disk, caplog):
    disk(0)
    pixels = cached(crops, folder, source="auto")
    assert isinstance(pixels, PixelDecoder)
    np.testing.assert_array_equal(pixels[:], load_pixels(crops, **SIZE))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "0.00 GB are free" in record.message
    assert "Crops are decoded each time they are needed, which is slower." in record.message


def test_what_is_there_already_needs_no_disk(crops, folder, disk):
    cached(crops, folder)
    disk(0)
    assert isinstance(cached(crops, folder), np.memmap)


def test_a_disk_that_fills_up_meanwhile_is_no_torn_file(crops, folder, monkeypatch, caplog):
    def fill(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pixel_file, "for_each_image", fill)
    with pytest.raises(WriteError, match=r"^Pixels cannot be kept in .*No space left on device"):
        cached(crops, folder)
    assert files_in(folder) == []
    assert isinstance(cached(crops, folder, source="auto"), PixelDecoder)


def test_a_folder_that_cannot_be_made_is_treated_likewise(crops, tmp_path, caplog):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "pixels"
    with pytest.raises(WriteError, match=r"^Pixels cannot be kept in .*file/pixels: .* Free disk"):
        cached(crops, folder)
    assert isinstance(cached(crops, folder, source="auto"), PixelDecoder)
    assert "Pixels cannot be kept in" in caplog.text


@pytest.mark.parametrize("source", ["cache", "decode", "auto"])
def test_bad_sizes_and_threads_are_refused(crops, source):
    for options in ({"height": 0}, {"num_threads": 0}):
        with pytest.raises(ValueError, match="must be at least 1"):
            open_pixels(crops, **SIZE | options, source=source)


def test_a_folder_in_place_of_the_file_is_named(crops, tmp_path):
    open_pixels(crops, height=8, width=4, cache_dir=str(tmp_path))
    (file,) = tmp_path.glob("*.npy")
    file.unlink()
    file.mkdir()
    with pytest.raises(WriteError, match=rf"^Pixels cannot be kept in .*{file.name}: it is a folder"):
        open_pixels(crops, height=8, width=4, source="cache", cache_dir=str(tmp_path))


def test_pixels_kept_before_are_found_whole_and_nothing_is_written(crops, folder, monkeypatch):
    size = {**SIZE, "cache_dir": str(folder)}
    assert pixels_kept_before(crops, **size) is None
    assert not folder.exists()
    kept = cached(crops, folder)
    np.testing.assert_array_equal(pixels_kept_before(crops, **size), kept)
    assert pixels_kept_before(crops, **{**size, "height": 2 * SIZE["height"]}) is None
    file = next(folder.glob("*.npy"))
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    before = files_in(folder)
    assert pixels_kept_before(crops, **size) is None
    assert files_in(folder) == before


def test_crops_are_hashed_only_if_a_file_of_their_size_is_there(crops, folder, monkeypatch):
    monkeypatch.setattr(pixel_cache, "file_digests", None)
    folder.mkdir(parents=True)
    (folder / f"pixels-{'0' * 32}.npy").write_bytes(b"other pixels")
    assert pixels_kept_before(crops, **SIZE, cache_dir=str(folder)) is None
