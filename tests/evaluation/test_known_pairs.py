"""Pairs whose answer is known: of one tracklet, of two people in one picture."""

from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.evaluation import known_pairs
from iics.evaluation.known_pairs import apart_pairs, picture_ids, same_tracklet_pairs


def crops_of(*, tracklets=None, times=None, cameras=None, files=None, boxed=False):
    count = len(next(values for values in (tracklets, times, files) if values is not None))
    files = [f"{number}.png" for number in range(count)] if files is None else files
    cameras = np.zeros(count, np.int64) if cameras is None else np.array(cameras)
    boxes = np.stack([np.arange(count) * 10, *np.ones((3, count), np.int64)], axis=1) if boxed else None
    names = tuple(str(camera) for camera in range(cameras.max() + 1))
    paths = tuple(map(Path, files))
    return CropSet(paths, cameras, names, times=times, tracklet_ids=tracklets, boxes=boxes)


def generator():
    return np.random.default_rng(0)


def pairs_of(pairs):
    return {frozenset(pair) for pair in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)}


def test_each_crop_is_paired_within_its_tracklet():
    tracklets = np.array([7, 3, 7, -1, 3, 7, 5, -1])
    pairs = same_tracklet_pairs(tracklets, generator())
    assert sorted(pairs.first.tolist()) == [0, 1, 2, 4, 5]  # 6 is alone, 3 and 7 are unknown
    assert (tracklets[pairs.first] == tracklets[pairs.second]).all()
    assert (pairs.first != pairs.second).all()
    assert pairs.num_independent == 2


def test_every_partner_can_be_drawn():
    drawn = [pairs_of(same_tracklet_pairs(np.zeros(3, np.int64), np.random.default_rng(seed))) for seed in range(20)]
    assert set().union(*drawn) == {frozenset(pair) for pair in ((0, 1), (0, 2), (1, 2))}


def test_two_tracklets_at_one_time_in_one_camera_are_two_people():
    crops = crops_of(tracklets=[0, 1, 0, 1, 2], times=[1.0, 1.0, 2.0, 2.0, 1.0], cameras=[0, 0, 0, 0, 1])
    pairs = apart_pairs(crops, generator())
    assert pairs_of(pairs) == {frozenset((0, 1)), frozenset((2, 3))}
    assert pairs.num_independent == 1  # the same two people twice


def test_a_crop_of_unknown_tracklet_or_time_is_in_no_pair():
    crops = crops_of(tracklets=[0, 1, -1, 3], times=[1.0, 1.0, 1.0, np.nan])
    assert pairs_of(apart_pairs(crops, generator())) == {frozenset((0, 1))}


def test_times_that_show_a_tracklet_twice_are_too_coarse():
    crops = crops_of(tracklets=[0, 1, 0], times=[1.0, 1.0, 1.0])
    assert picture_ids(crops) is None
    assert len(apart_pairs(crops, generator())) == 0


def test_a_slip_of_the_tracker_spoils_nothing():
    tracklets, times = np.arange(400) % 2, np.arange(400) // 2 * 1.0
    tracklets[1] = 0  # twice in the first picture
    pairs = apart_pairs(crops_of(tracklets=tracklets, times=times), generator())
    assert len(pairs) == 199
    assert 0 not in pairs.first


def test_boxes_of_one_file_are_two_people():
    crops = crops_of(files=["a.png", "a.png", "b.png", "a.png"], boxed=True)
    pairs = apart_pairs(crops, generator())
    assert pairs_of(pairs) == {frozenset((0, 1)), frozenset((0, 3)), frozenset((1, 3))}
    assert pairs.num_independent == 1  # one picture


def test_boxes_of_one_tracklet_are_not_two_people():
    crops = crops_of(files=["a.png"] * 3, tracklets=[4, 4, 5], boxed=True)
    assert pairs_of(apart_pairs(crops, generator())) == {frozenset((0, 2)), frozenset((1, 2))}


def test_boxes_of_unknown_tracklets_are_no_evidence_beside_known_ones():
    crops = crops_of(files=["a.png"] * 3, tracklets=[4, -1, 5], boxed=True)
    pairs = apart_pairs(crops, generator())
    assert (pairs_of(pairs), pairs.num_independent) == ({frozenset((0, 2))}, 1)
    none_known = apart_pairs(crops_of(files=["a.png"] * 3, tracklets=[-1] * 3, boxed=True), generator())
    assert len(none_known) == 3


@pytest.mark.parametrize("facts", [{"times": [1.0, 1.0]}, {"tracklets": [0, 1]}])
def test_times_or_tracklets_alone_tell_no_two_people(facts):
    assert len(apart_pairs(crops_of(**facts), generator())) == 0


def test_of_too_many_pairs_some_are_drawn_from_all(monkeypatch):
    monkeypatch.setattr(known_pairs, "MAX_PAIRS", 500)
    crops = crops_of(tracklets=np.arange(60), times=np.repeat([1.0, 2.0], [50, 10]))
    pairs = apart_pairs(crops, generator())
    assert len(pairs) == 500
    assert (pairs.first != pairs.second).all()
    assert (crops.times[pairs.first] == crops.times[pairs.second]).all()
    share_of_small = float((crops.times[pairs.first] == 2).mean())
    assert share_of_small == pytest.approx(45 / (45 + 1225), abs=0.03)
