"""Pixels decoded each time are those decoded at once."""

import re

import numpy as np
import pytest

from iics.errors import DataError
from iics.pixels.images import load_pixels
from iics.pixels.pixel_decoder import PixelDecoder
from iics.readers.benchmarks import load_market_layout

SIZE = {"height": 32, "width": 16}


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_crops_are_those_of_the_array_however_they_are_asked_for(market_dir, zip_folder, packed):
    crops = load_market_layout(zip_folder(market_dir, "m/") if packed else market_dir).train
    expected, decoder = load_pixels(crops, **SIZE), PixelDecoder(crops, **SIZE, num_threads=3)
    assert (len(decoder), decoder.shape) == (4, expected.shape)
    for index in (slice(None), slice(1, 3), slice(2, 99), slice(3, 3), np.array([3, 0, 3]), np.array([-1])):
        found = decoder[index]
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, expected[index])


def test_a_batch_larger_than_a_task_keeps_its_order(market_dir):
    crops = load_market_layout(market_dir).train
    indices = np.random.default_rng(0).integers(0, 4, 50)
    np.testing.assert_array_equal(PixelDecoder(crops, **SIZE)[indices], load_pixels(crops, **SIZE)[indices])


def test_a_crop_that_cannot_be_decoded_is_named_when_it_is_asked_for(market_dir):
    crops = load_market_layout(market_dir).train
    crops.paths[2].write_text("no image")
    crops.paths[3].unlink()
    decoder = PixelDecoder(crops, **SIZE)
    assert len(decoder[:2]) == 2
    with pytest.raises(DataError) as caught:
        decoder[1:]
    message = str(caught.value)
    assert message.startswith("2 of 3 crops in market-layout train cannot be decoded: ")
    assert f"{crops.paths[2]} (no JPEG, PNG, BMP, WEBP image)" in message
    assert re.search(re.escape(str(crops.paths[3])) + r" \(cannot be read: .*No such file", message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 4, "width": 0}, "height and width must be at least 1, got 4 and 0"),
        ({**SIZE, "num_threads": 0}, "num_threads must be at least 1, got 0"),
    ],
)
def test_sizes_and_threads_below_one_are_refused(market_dir, options, message):
    with pytest.raises(ValueError, match=message):
        PixelDecoder(load_market_layout(market_dir).train, **options)
