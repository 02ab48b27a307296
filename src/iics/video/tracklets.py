"""Boxes of successive frames -> tracklets: which boxes are one person, followed by one camera.

OC-SORT (Cao et al., "Observation-Centric SORT", CVPR 2023) of the library trackforge: a motion model for each person
and the best assignment of boxes by overlap. It looks at boxes only, so people who cross may be swapped. What it links
is checked: nobody jumps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import DoubleArray, IntArray
from iics.video.detections import Detections

_MIN_OVERLAP = 0.3
_ONE_CLASS = 0
# OC-SORT adds agreement in direction, times the score, to the overlap of two boxes: a margin of 3 outweighs overlap.
# So detectors' scores, of whatever range, are not for it; every box counts as certain.
_SCORE = 1.0
_HEIGHTS_UNSEEN = 2.0  # that a person walks at most in the longest gap, a second: 3.4 m


@dataclass
class _Tracklet:
    """Where a person was last: number of the tracklet, step of the linker, left, top, width, height."""

    number: int
    step: int
    box: DoubleArray


class TrackletLinker:
    """Gives every box of a frame the number of its tracklet. State: where people were last and how they moved.

    Args:
        max_gap: Frames that a person may go unseen and still be the same tracklet.
    """

    def __init__(self, *, max_gap: int) -> None:
        from trackforge import OCSORT

        self._tracker = OCSORT(max_age=max_gap, min_hits=1, iou_threshold=_MIN_OVERLAP)
        self._max_gap = max_gap
        self._tracklets: dict[int, _Tracklet] = {}  # by the tracker's number
        self._step = self._num_tracklets = 0

    def link(self, detections: Detections) -> IntArray:
        """Return the tracklet of each box of the next frame; frames without boxes have to be given too.

        Confidences are not looked at. A box that the tracker adds to a person who would have had to jump there begins
        a tracklet: from one frame to the next boxes have to overlap; after a gap, what lies between them has to be a
        way that can be walked in it.

        Returns:
            Numbers from 1; -1 for a box that the tracker left out. Shape (n,).
        """
        self._step += 1
        oldest = self._step - self._max_gap - 1
        self._tracklets = {key: person for key, person in self._tracklets.items() if person.step >= oldest}
        tracklets = np.full(len(detections), -1, dtype=np.int64)
        tracked = self._tracker.update([(box, _SCORE, _ONE_CLASS) for box in detections.boxes.tolist()])
        found = sorted((place, tracked_as) for tracked_as, _, _, _, place in tracked if place is not None)
        for place, tracked_as in found:
            tracklets[place] = self._number(tracked_as, detections.boxes[place])
        return tracklets

    def _number(self, tracked_as: int, box: DoubleArray) -> int:
        """Return the number of the tracklet that a box belongs to, and remember the box."""
        before = self._tracklets.get(tracked_as)
        if before is None or self._is_jump(before, box):
            self._num_tracklets += 1
            number = self._num_tracklets
        else:
            number = before.number
        self._tracklets[tracked_as] = _Tracklet(number, self._step, box)
        return number

    def _is_jump(self, before: _Tracklet, box: DoubleArray) -> bool:
        """Return whether a box lies where the person of a tracklet cannot have come to."""
        low = np.maximum(before.box[:2], box[:2])
        high = np.minimum(before.box[:2] + before.box[2:], box[:2] + box[2:])
        apart = np.hypot(*np.maximum(low - high, 0))  # 0 if they overlap or touch
        if self._step == before.step + 1:
            return not bool((high > low).all())
        unseen = (self._step - before.step - 1) / self._max_gap
        return bool(apart > unseen * _HEIGHTS_UNSEEN * max(before.box[3], box[3]))
