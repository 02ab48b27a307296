"""What the check of a data set says of tracklets."""

from pathlib import Path

import numpy as np

from iics.crops import CropSet
from iics.data_check.tracklets import tracklet_table, tracklet_warnings
from iics.data_splits import DataSplits


def crops(tracklets, times=None):
    return CropSet(
        paths=tuple(Path(f"{at}.jpg") for at in range(len(tracklets))),
        camera_ids=np.zeros(len(tracklets), dtype=int),
        camera_names=("a",),
        tracklet_ids=np.array(tracklets),
        times=None if times is None else np.array(times, dtype=float),
        name="walks",
    )


def test_tracklets_of_each_split_are_counted():
    table = tracklet_table(DataSplits("walks", train=crops([0, 0, 0, 1, -1])))
    assert table == "Tracklets of train: 2 with 4 of 5 crops; 1 to 3 crops each, 2.0 on average."
    assert tracklet_table(DataSplits("walks", train=crops([-1, -1]))) is None


def test_two_crops_of_a_tracklet_in_one_frame_are_named():
    (warning,) = tracklet_warnings(crops([4, 4, 5], [1, 1, 1]))
    assert warning.startswith("1 crops of walks share frame and tracklet with another, e.g. 1.jpg and 0.jpg")


def test_a_number_that_is_used_again_is_seen_by_its_pause():
    (warning,) = tracklet_warnings(crops([0, 0, 0, 0, 1, 1], [0, 0.04, 0.08, 90, 0, 0.04]))
    assert warning.startswith("1 tracklets of walks pause for more than 100 times the usual time")
    assert "for 89.92 s before 3.jpg" in warning


def test_plain_tracklets_give_no_warning():
    assert tracklet_warnings(crops([0, 0, 1, 1, -1], [0, 1, 0, 1, 0])) == []
    assert tracklet_warnings(crops([0, 0, 1])) == []
