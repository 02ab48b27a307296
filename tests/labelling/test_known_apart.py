"""Pairs that frames and times tell apart, as a plain comparison of all crops finds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.errors import SettingsError, TrainingError
from iics.labelling import known_apart as module
from iics.labelling.known_apart import known_apart
from iics.labelling.usable_tracklets import check_tracklets
from iics.tracklet_settings import TrackletSettings

NAN = float("nan")


def crops(cameras, *, times=None, tracklets=None, boxes=None, files=None):
    return CropSet(
        paths=tuple(map(Path, files or (f"{at}.jpg" for at in range(len(cameras))))),
        camera_ids=np.array(cameras),
        camera_names=("a", "b", "c"),
        times=None if times is None else np.array(times),
        tracklet_ids=None if tracklets is None else np.array(tracklets),
        boxes=boxes,
    )


def pairs(apart):
    return set(zip(apart.first.tolist(), apart.second.tolist(), strict=True))


def plain_apart(cameras, times, units, by):
    """Compare every crop with every other, and every unit with every other."""
    found = set()
    for i in range(len(units)):
        for j in range(len(units)):
            if units[i] < units[j] and cameras[i] == cameras[j] and times[i] == times[j]:
                found.add((units[i], units[j]))
    spans = {unit: [t for t, u in zip(times, units, strict=True) if u == unit and t == t] for unit in units}
    camera_of = dict(zip(units, cameras, strict=True))
    for one, own in spans.items():
        for other, theirs in spans.items():
            overlap = own and theirs and min(own) <= max(theirs) and min(theirs) <= max(own)
            if by == "times" and one < other and camera_of[one] != camera_of[other] and overlap:
                found.add((one, other))
    return found


def test_boxes_of_one_frame_are_apart_and_overlapping_cameras_only_by_times():
    # Tracklet 0 of camera a at 0 to 4 s; 1 of a shares its frame at 4; 2 of camera b overlaps both; 3 of b comes later.
    data = crops([0, 0, 0, 0, 1, 1, 1], times=[0, 4, 4, 6, 3, 5, 9], tracklets=[0, 0, 1, 1, 2, 2, 3])
    units = data.tracklet_ids
    assert pairs(known_apart(data, units, "off")) == set()
    assert pairs(known_apart(data, units, "frames")) == {(0, 1)}
    assert pairs(known_apart(data, units, "times")) == {(0, 1), (0, 2), (1, 2)}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("by", ["frames", "times"])
def test_pairs_equal_those_of_a_plain_comparison(by, seed):
    rng = np.random.default_rng(seed)
    tracklets = rng.integers(0, 14, 60)
    cameras = tracklets % 3
    times = (rng.integers(0, 40, 60) + 6 * tracklets).astype(float)
    times[rng.random(60) < 0.1] = NAN
    units = np.unique(tracklets, return_inverse=True)[1]
    found = known_apart(crops(cameras, times=times, tracklets=tracklets), units, by)
    assert pairs(found) == plain_apart(cameras.tolist(), times.tolist(), units.tolist(), by)
    assert (found.first < found.second).all()


def test_boxes_of_one_file_are_apart_without_any_time():
    boxes = np.array([[0, 0, 5, 9], [6, 0, 5, 9], [0, 0, 5, 9]])
    data = crops([0, 0, 0], boxes=boxes, files=["f1.jpg", "f1.jpg", "f2.jpg"])
    assert pairs(known_apart(data, np.arange(3), "frames")) == {(0, 1)}


def test_parts_of_one_tracklet_are_never_apart():
    data = crops([0, 0, 0], times=[0, 1, 1], tracklets=[7, 7, 8])
    split = np.array([0, 1, 2])
    assert pairs(known_apart(data, split, "frames")) == {(1, 2)}
    twice = crops([0, 0], times=[1, 1], tracklets=[7, 7])
    assert pairs(known_apart(twice, np.array([0, 1]), "frames")) == set()


def test_too_many_pairs_are_refused_with_their_number(monkeypatch):
    monkeypatch.setattr(module, "MOST_PAIRS", 2)
    data = crops([0] * 4, times=[0] * 4, tracklets=[0, 1, 2, 3])
    with pytest.raises(TrainingError, match=r"6 pairs of crops or tracklets .* at most 2 .*--tracklets.apart frames"):
        known_apart(data, data.tracklet_ids, "frames")


LINKED = TrackletSettings(must_link=True)


def test_must_link_without_tracklets_is_refused():
    with pytest.raises(TrainingError, match="needs tracklets of two crops or more; crops has none"):
        check_tracklets(crops([0, 1]), LINKED)
    with pytest.raises(TrainingError, match="crops has only tracklets of one crop"):
        check_tracklets(crops([0, 0, 1], tracklets=[0, 1, -1]), LINKED)


def test_apart_without_times_or_boxes_is_refused():
    linked = crops([0, 0], tracklets=[0, 0])
    with pytest.raises(TrainingError, match=r"frames needs times, or boxes in shared files, and crops has none"):
        check_tracklets(linked, TrackletSettings(apart="frames"))
    with pytest.raises(TrainingError, match=r"--tracklets.apart times needs times and crops has none"):
        check_tracklets(linked, TrackletSettings(must_link=True, apart="times"))


def test_a_cannot_link_that_contradicts_a_must_link_is_refused_naming_both_crops():
    data = crops([0, 0, 0], times=[1, 1, 1], tracklets=[4, 4, 5])
    contradiction = r"1 crops of crops share frame and tracklet with another, e.g. 1.jpg and 0.jpg: they cannot be one"
    with pytest.raises(TrainingError, match=contradiction):
        check_tracklets(data, TrackletSettings(must_link=True, apart="frames"))
    check_tracklets(data, LINKED)  # nothing is to be kept apart
    check_tracklets(data, TrackletSettings(apart="frames"))  # nothing is linked


def test_times_compare_tracklets():
    with pytest.raises(SettingsError, match=r"tracklets.apart times compares tracklets: add --tracklets.must-link"):
        TrackletSettings(apart="times")
