"""Picture files of any contents, and what is no file at all: each reader refuses by name and waits for nothing."""

import io
import os
import struct
import zlib
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from iics.cli.gallery_model import embed_picture
from iics.crops import BOX_COLUMNS, CropSet
from iics.errors import DataError
from iics.evaluation.marks import read_marks
from iics.gallery.arriving import ArrivingFiles
from iics.gallery.match_sheet import match_sheet
from iics.models.reid_model import load_model
from iics.models.weights import read_weights
from iics.page.access import read_password
from iics.pixels.crop_images import decode_image
from iics.pixels.images import load_pixels
from iics.readers.boxes import boxes_within_frames
from iics.readers.column_names import check_columns
from iics.readers.csv_table import load_csv
from iics.readers.folders import image_files, load_folder
from iics.readers.layout_place import Layout, find_layout
from iics.readers.parquet_table import load_parquet
from iics.readers.patterns import load_pattern
from iics.shown_picture import MOST_PIXELS
from iics.video.crop_table import read_table
from iics.video.video_report import VideoReport
from iics.video_frames import VideoFile

CALM = settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
BOX = check_columns(("path", "camera", *BOX_COLUMNS), table="boxes")
FORMS = ("JPEG", "PNG", "BMP", "WEBP")


def _encoded(form):
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 12, 3), dtype=np.uint8)).save(content, form)
    return content.getvalue()


PICTURES = {form: _encoded(form) for form in FORMS}


@st.composite
def spoilt_pictures(draw):
    """A picture whose first bytes, where its header is, or others are replaced, and perhaps cut off."""
    data = bytearray(PICTURES[draw(st.sampled_from(FORMS))])
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, min(60, len(data) - 1) if draw(st.booleans()) else len(data) - 1))
        data[at] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data)


def _read(file):
    crops = CropSet((file,), np.zeros(1, np.int64), ("hall",))
    load_pixels(crops, height=8, width=4, num_threads=1)


def _check(answers, folder, content):
    file = folder / "spoilt.png"
    file.write_bytes(content)
    answers.ask(lambda: _read(file), names="spoilt.png")


@settings(CALM, max_examples=60)
@given(content=spoilt_pictures())
def test_a_picture_is_decoded_or_refused_by_name(answers, pictures, content):
    _check(answers, pictures, content)


@pytest.mark.slow
def test_many_pictures_are_decoded_or_refused_by_name(told, pictures):
    @settings(CALM, max_examples=3000)
    @given(content=spoilt_pictures())
    def check(content):
        _check(told, pictures, content)

    check()
    assert told.counts["sentences"] > 500


def _png_header(width, height):
    chunk = b"IHDR" + struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">L", 13) + chunk + struct.pack(">LL", zlib.crc32(chunk), 99) + b"IDAT"


def _bmp_header(width, height):
    return b"BM" + struct.pack("<LLLLLLHHLLLLLL", 54, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(("width", "height"), [(8001, 10_000), (10_000, 12_000), (60_000, 60_000)])
@pytest.mark.parametrize("header", [_png_header, _bmp_header])
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(header, width, height):
    with pytest.raises(
        DataError, match=r"it (has [\d,]+ x [\d,]+ pixels, at most|claims to have more than) 80 million"
    ):
        decode_image(header(width, height))


def test_the_bound_is_above_the_frames_of_cameras():
    width, height = 7680, 4320
    assert width * height < MOST_PIXELS


READERS = {
    "crop": _read,
    "csv": load_csv,
    "parquet": load_parquet,
    "folder of cameras": lambda path: _read_all(load_folder(path.parent.parent)),
    "pattern": lambda path: _read_all(load_pattern(path.parent.parent, "{camera}/{}.png")),
    "image files": lambda path: _read_all_files(image_files(path)),
    "zip": lambda path: find_layout(path, Layout("x is needed.", (("x",),))),
    "marks": read_marks,
    "model": lambda path: load_model(path),
    "weights": lambda path: read_weights(path),
    "password": read_password,
    "video": lambda path: VideoFile(path),
    "video's table": lambda path: read_table(path, known=""),
    "video's report": VideoReport.read,
    "query": lambda path: embed_picture(None, path),
    "query on a sheet": lambda path: match_sheet(path, []),
    "frame": lambda path: boxes_within_frames(
        {each: ["1"] for each in BOX_COLUMNS}, BOX, [path], ["row 1"], name="boxes"
    ),
}


def _read_all(splits):
    load_pixels(splits.train, height=8, width=4, num_threads=1)


def _read_all_files(files):
    for file in files:
        _read(file)


@pytest.mark.parametrize("kind", ["pipe", "device", "circle", "large", "folder"])
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_to_be_read_is_refused_by_name(answers, tmp_path, reader, kind):
    if (reader, kind) == ("video", "large"):
        pytest.skip("a video may have 50 GB")
    path = tmp_path / "camera" / "a.png"
    path.parent.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "circle":
        path.symlink_to("a.png")
    elif kind == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(50 * 10**9)
    is_listed = kind == "folder" and reader in ("folder of cameras", "pattern")  # an empty folder, whatever its name
    assert answers.ask(lambda: READERS[reader](path), names=tmp_path if is_listed else "a.png")


def test_watching_takes_a_pipe_and_a_link_to_itself_as_files_that_cannot_be_read(tmp_path, answers):
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").symlink_to("b.jpg")
    arriving = ArrivingFiles(tmp_path)
    arriving.look()
    whole = arriving.look()
    assert [path.name for path in whole] == ["a.jpg", "b.jpg"]
    assert arriving.look() == []
    for path in whole:
        assert answers.ask(partial(_read, path), names=path.name)
