from pathlib import Path

import numpy as np

from iics.crops import CropSet
from iics.data_check.crop_sizes import Distribution, SizeDistribution, unlikely_crops
from iics.data_check.scan import Scan


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


def scanned(*sizes):
    """Return a scan of pictures of these widths and heights, as far as their shapes go."""
    num_crops = len(sizes)
    crops = CropSet(
        paths=tuple(Path(f"{number}.jpg") for number in range(num_crops)),
        camera_ids=np.zeros(num_crops, dtype=np.int64),
        camera_names=("door",),
    )
    spreads = np.full(num_crops, 30.0)
    return Scan(crops, np.array(sizes), (b"",) * num_crops, (b"",) * num_crops, spreads, spreads, ())


def test_a_horse_is_no_unlikely_animal():
    horses = scanned((200, 150), (180, 120), (90, 100))
    assert unlikely_crops("train", horses, "animal") == []
    assert unlikely_crops("train", horses, "vehicle") == []
    wide, hint = unlikely_crops("train", horses)
    assert "2 are wider than high" in wide
    assert wide.endswith("remove what shows no person.")
    assert "--subject vehicle, animal or other" in hint


def test_what_is_six_times_as_long_as_wide_is_no_animal_either_way():
    (warning,) = unlikely_crops("train", scanned((700, 100), (100, 700), (100, 100)), "animal")
    assert "2 are more than 6 times as long as wide" in warning
    assert warning.endswith("remove what shows no animal.")


def test_one_person_lying_among_others_brings_no_hint():
    assert len(unlikely_crops("train", scanned((200, 100), (50, 100), (50, 100)))) == 1
