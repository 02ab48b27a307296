"""Uploads: pictures come through, everything else is refused with its reason."""

import hashlib
import io
import struct
import zlib

import pytest
from PIL import Image

from iics.errors import DataError
from iics.page.query_picture import MAX_BYTES, read_query


def encoded(width, height, kind="PNG", mode="RGB"):
    content = io.BytesIO()
    Image.new(mode, (width, height)).save(content, format=kind)
    return content.getvalue()


def png_header(width, height):
    """A PNG that claims a size and has no pixels: what a bomb looks like before it is decoded."""
    chunks = [b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT"]
    framed = [struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_a_picture_comes_through(kind):
    data = encoded(32, 64, kind)
    picture = read_query("a.jpg", data)
    assert (picture.image.size, picture.image.mode, picture.note) == ((32, 64), "RGB", "")
    assert picture.digest == hashlib.sha256(data).hexdigest()


def test_a_wide_picture_comes_through_with_a_note():
    assert "wider than high" in read_query("a.png", encoded(64, 32)).note


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "a.jpg cannot be searched for: empty file."),
        (b"\x00" * (MAX_BYTES + 1), "a.jpg has 10.0 MB; at most 10 MB are taken"),
        (b"#!/bin/sh\n", "no JPEG, PNG, BMP, WEBP image"),
        (encoded(32, 64, "GIF"), "no JPEG, PNG, BMP, WEBP image"),
        (encoded(32, 64, "JPEG")[:300], "truncated|damaged"),
        (encoded(32, 64, "PNG")[:60], "truncated|damaged"),
        (encoded(4, 64), "4 x 64 pixels; a crop needs at least 8 x 8"),
        (png_header(6000, 5000), "6,000 x 5,000 pixels; at most 25 million are taken"),
        (png_header(10_000, 10_000), "10,000 x 10,000 pixels; at most 25 million are taken"),
        (png_header(50_000, 50_000), "more than 80 million pixels"),
    ],
    ids=["empty", "too-long", "script", "gif", "torn-jpeg", "torn-png", "tiny", "large", "larger", "bomb"],
)
def test_what_is_no_crop_is_refused_with_its_reason(data, reason):
    with pytest.raises(DataError, match=reason):
        read_query("a.jpg", data)
