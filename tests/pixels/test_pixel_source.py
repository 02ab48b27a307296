"""Another order of the same pixels."""

import numpy as np
import pytest

from iics.pixels.pixel_source import Reordered


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (5, 4, 2, 3), dtype=np.uint8)


def test_reordered_crops_are_those_of_the_order(pixels):
    order = np.array([3, 0, 4, 2, 1])
    reordered = Reordered(pixels, order)
    np.testing.assert_array_equal(reordered[:], pixels[order])
    np.testing.assert_array_equal(reordered[1:3], pixels[[0, 4]])
    np.testing.assert_array_equal(reordered[np.array([4, 0, 0])], pixels[[1, 3, 3]])
    assert (len(reordered), reordered.shape) == (5, pixels.shape)


def test_what_is_asked_for_is_a_copy(pixels):
    before = pixels.copy()
    Reordered(pixels, np.arange(5))[:2][:] = 0
    np.testing.assert_array_equal(pixels, before)


def test_only_the_crops_asked_for_are_read():
    class Counting:
        shape = (1000, 4, 2, 3)

        def __init__(self):
            self.asked = []

        def __len__(self):
            return 1000

        def __getitem__(self, index):
            self.asked.append(index.tolist())
            return np.zeros((len(index), 4, 2, 3), np.uint8)

    source = Counting()
    reordered = Reordered(source, np.arange(1000)[::-1])
    reordered[2:4]
    assert source.asked == [[997, 996]]


def test_some_crops_are_a_source_of_their_own(pixels):
    some = Reordered(pixels, np.array([4, 1]))
    assert len(some) == 2
    assert some.shape == (2, *pixels.shape[1:])
    assert np.array_equal(some[:], pixels[[4, 1]])
