"""Crops that keep their shape: the same pixels from every source, and a stated colour around them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from iics.pixels.images import load_pixels, resized
from iics.pixels.pixel_cache import open_pixels
from iics.pixels.pixel_file import cache_key
from iics.readers.benchmarks import load_market_layout

COLOUR = (1, 2, 3)


def picture(height, width):
    return Image.fromarray(np.full((height, width, 3), 200, np.uint8))


def test_a_wide_crop_lies_in_the_middle_with_the_colour_above_and_below():
    pixels = resized(picture(2, 4), height=8, width=8, letterbox=COLOUR)
    assert (pixels[2:6] == 200).all()
    assert (pixels[:2] == COLOUR).all()
    assert (pixels[6:] == COLOUR).all()


def test_a_high_crop_has_the_colour_left_and_right():
    pixels = resized(picture(6, 2), height=6, width=12, letterbox=COLOUR)
    assert (pixels[:, 5:7] == 200).all()
    assert (pixels[:, :5] == COLOUR).all()
    assert (pixels[:, 7:] == COLOUR).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1000), (1000, 1)])
def test_the_thinnest_crop_keeps_a_row_or_a_column(height, width):
    pixels = resized(picture(height, width), height=16, width=16, letterbox=COLOUR)
    assert (pixels == 200).all(axis=2).sum() == 16


def test_a_crop_of_the_inputs_shape_is_as_if_stretched():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8))
    size = {"height": 12, "width": 8, "interpolation": "bilinear"}
    np.testing.assert_array_equal(resized(image, **size, letterbox=COLOUR), resized(image, **size))


def test_every_source_gives_the_same_pixels_and_none_those_of_another_colour(market_people, tmp_path):
    crops = load_market_layout(market_people).train
    size = {"height": 16, "width": 16}
    expected = load_pixels(crops, **size, letterbox=COLOUR)
    assert (expected[:, :, 0] == COLOUR).all()  # the crops are high
    for source in ("cache", "decode"):
        for colour in (COLOUR, (9, 9, 9), None):
            pixels = open_pixels(crops, **size, letterbox=colour, source=source, cache_dir=str(tmp_path))
            np.testing.assert_array_equal(pixels[:], load_pixels(crops, **size, letterbox=colour))


def test_files_of_stretched_pixels_keep_their_names():
    keys = {cache_key([b"a"], height=4, width=4, letterbox=colour) for colour in (None, COLOUR, (3, 2, 1))}
    assert len(keys) == 3
    assert cache_key([b"a"], height=4, width=4) in keys
