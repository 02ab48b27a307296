"""Boxes that move on are one tracklet; a gap is bridged, a newcomer is new; nobody jumps, whatever the scores."""

from __future__ import annotations

import numpy as np
import pytest

from iics.video.detections import Detections
from iics.video.person_crops import TrackletLinker


def linked(frames, max_gap=25, confidence=1.0):
    linker = TrackletLinker(max_gap=max_gap)
    return [linker.link(Detections(boxes, np.full(len(boxes), confidence))).tolist() for boxes in frames]


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


@pytest.mark.parametrize("confidence", [-3.0, 0.0, 1e-9, 0.5, 1.0, 3.5, 6.5, 1e9])
def test_links_are_the_same_whatever_the_scores(confidence):
    frames = [[[left, 158, 41, 98]] for left in (483, 462, 334)]  # as hog found them; the last is someone else
    assert linked(frames, max_gap=2, confidence=confidence) == [[1], [1], [2]]
    pair = [[walker(frame), walker(frame, left=200, pace=-2)] for frame in range(20)]
    assert linked(pair, confidence=confidence) == [[1, 2]] * 20


class EagerTracker:
    """A tracker that takes every box for the person it saw first."""

    def update(self, detections):
        return [(7, box, score, kind, place) for place, (box, score, kind) in enumerate(detections)]


@pytest.fixture
def eager(monkeypatch):
    """Let the linker trust an `EagerTracker`, and return what it makes of boxes of 30 x 80 pixels at these places."""
    monkeypatch.setattr("trackforge.OCSORT", lambda **_: EagerTracker())
    return lambda *places, max_gap=10: [
        found[0] if found else None
        for found in linked([[] if at is None else [[at, 20.0, 30.0, 80.0]] for at in places], max_gap=max_gap)
    ]


def test_boxes_of_successive_frames_that_do_not_overlap_are_two_tracklets_whatever_the_tracker_says(eager):
    assert eager(10, 39, 69) == [1, 1, 2]  # 69 touches 39 + 30
    assert eager(10, 400, 10) == [1, 2, 3]


def test_after_a_gap_a_way_that_can_be_walked_is_bridged_and_a_longer_one_is_not(eager):
    # Two frames of a gap of ten: two tenths of twice the height of 80 between the boxes.
    assert eager(10, None, None, 10 + 30 + 32) == [1, None, None, 1]
    assert eager(10, None, None, 10 + 30 + 33) == [1, None, None, 2]
    assert eager(10, *[None] * 10, 10 + 30 + 160)[-1] == 1
    assert eager(10, *[None] * 10, 10 + 30 + 161)[-1] == 2


def test_a_person_unseen_for_longer_than_the_gap_is_new_whatever_the_tracker_says(eager):
    assert eager(10, *[None] * 11, 10)[-1] == 2


def test_no_step_of_any_tracklet_is_a_jump():
    generator = np.random.default_rng(0)
    frames = [
        np.column_stack([generator.uniform(0, 500, (6, 2)), np.full(6, 41.0), np.full(6, 98.0)]) for _ in range(200)
    ]
    last = {}
    for at, (boxes, numbers) in enumerate(zip(frames, linked(frames, max_gap=2, confidence=3.5), strict=True)):
        for box, number in zip(boxes, numbers, strict=True):
            before, place = last.get(number, (at, box))
            if before == at - 1:
                assert (np.abs(box - place)[:2] < (41, 98)).all()
            last[number] = (at, box)
    assert len(last) > 500
