"""check_data tells of queries whose own burst is in the gallery."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.data_check.bursts import find_bursts

CAMERAS = ("a", "b")


def crops(name, identities, cameras, times=None, tracklets=None, paths=None):
    paths = paths or [f"{name}{at}.jpg" for at in range(len(identities))]
    return CropSet(
        tuple(map(Path, paths)), np.array(cameras), CAMERAS, np.array(identities), times=times, tracklet_ids=tracklets
    )


QUERY = crops("q", [1, 2, 3], [0, 0, 1], times=np.array([100.0, 100.0, 100.0]))


@pytest.mark.parametrize(
    ("identity", "camera", "time", "is_burst"),
    [
        (1, 0, 110.0, True),
        (1, 0, 90.0, True),
        (1, 0, 110.5, False),
        (1, 1, 100.0, False),  # two cameras that look at one place are what is searched across
        (4, 0, 100.0, False),
        (-1, 0, 100.0, False),
        (1, 0, np.nan, False),
    ],
)
def test_a_burst_is_one_individual_by_one_camera_within_ten_seconds(identity, camera, time, is_burst):
    gallery = crops("g", [identity, 8], [camera, 0], times=np.array([time, 100.0]))
    assert len(find_bursts(QUERY, gallery)) == is_burst


def test_the_warning_counts_queries_and_names_a_pair_and_ways_out():
    gallery = crops("g", [3, 2, 2], [1, 0, 0], times=np.array([101.0, 101.0, 99.0]))
    (text,) = find_bursts(QUERY, gallery)
    assert text.startswith("2 of 3 queries have their own burst in the gallery")
    assert "e.g. q1.jpg and g2.jpg. --protocol market1501 ignores these crops" in text
    assert "Split by time (iics evaluate --split-time)" in text


def test_crops_of_one_tracklet_are_a_burst_whatever_their_times():
    query = replace(QUERY, times=None, tracklet_ids=np.array([7, -1, 5]))
    gallery = crops("g", [1, 2, 3], [0, 0, 1], tracklets=np.array([7, -1, 6]))
    (text,) = find_bursts(query, gallery)
    assert "1 of 3 queries" in text
    assert "q0.jpg and g0.jpg" in text


def test_the_query_itself_in_the_gallery_is_no_burst():
    same = crops("q", [1, 2, 3], [0, 0, 1], times=np.array([100.0, 100.0, 100.0]))
    assert find_bursts(QUERY, same) == []
    both = crops("q", [1, 2, 3, 1], [0, 0, 1, 0], times=np.array([100.0, 100.0, 100.0, 104.0]))
    (text,) = find_bursts(QUERY, both)
    assert "q0.jpg and q3.jpg" in text


def test_without_times_tracklets_or_a_query_nothing_is_said():
    assert find_bursts(replace(QUERY, times=None), crops("g", [1], [0], times=np.array([100.0]))) == []
    assert find_bursts(None, QUERY) == []
