import numpy as np

from iics.data_check.crop_sizes import Distribution, SizeDistribution


def test_quantiles_of_0_to_100_are_themselves():
    spread = Distribution.of(np.arange(101))
    assert (spread.minimum, spread.low, spread.median, spread.high, spread.maximum) == (0, 5, 50, 95, 100)


def test_the_histogram_counts_every_crop_once():
    spread = Distribution.of([0, 0, 0, 11, 12])
    assert spread.histogram == (3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2)


def test_aspect_is_height_over_width():
    sizes = SizeDistribution.of(np.array([[10, 30], [10, 10]]))
    assert (sizes.aspect.minimum, sizes.aspect.maximum) == (1, 3)
    assert (sizes.width.maximum, sizes.height.maximum) == (10, 30)


def test_no_crops_have_no_sizes():
    assert SizeDistribution.of(np.zeros((0, 2), dtype=np.int64)) is None
