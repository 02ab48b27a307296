"""Boxes that move on are one tracklet; a gap is bridged, a newcomer is new."""

import numpy as np

from iics.video.detections import Detections
from iics.video.tracklets import TrackletLinker


def linked(frames, max_gap=25):
    linker = TrackletLinker(max_gap=max_gap)
    return [linker.link(Detections(boxes, np.ones(len(boxes)))).tolist() for boxes in frames]


def walker(frame, left=10.0, pace=3.0):
    return [left + pace * frame, 20.0, 30.0, 80.0]


def test_two_walkers_keep_their_numbers_in_any_order_of_boxes():
    pair = [[walker(frame), walker(frame, left=200, pace=-2)] for frame in range(20)]
    assert linked(pair) == [[1, 2]] * 20
    swapped = [boxes if at % 2 == 0 else boxes[::-1] for at, boxes in enumerate(pair)]
    assert linked(swapped) == [[1, 2] if at % 2 == 0 else [2, 1] for at in range(20)]


def test_a_person_hidden_for_a_while_comes_back_as_the_same():
    frames = [[] if 10 <= frame < 16 else [walker(frame)] for frame in range(25)]
    assert linked(frames) == [[] if 10 <= frame < 16 else [1] for frame in range(25)]


def test_a_person_hidden_for_longer_than_the_gap_is_new_and_not_before():
    frames = [[] if 10 <= frame < 16 else [walker(frame)] for frame in range(25)]
    assert linked(frames, max_gap=6)[-1] == [1]
    assert linked(frames, max_gap=5)[-1] == [2]


def test_someone_elsewhere_is_new():
    frames = [[walker(frame)] if frame < 5 else [walker(frame), [300.0, 20.0, 30.0, 80.0]] for frame in range(10)]
    assert linked(frames) == [[1]] * 5 + [[1, 2]] * 5


def test_linkers_count_for_themselves():
    assert linked([[walker(0)]]) == linked([[walker(0)]]) == [[1]]
