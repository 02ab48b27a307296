"""Frames and their boxes -> crops: drop unsure and small boxes, link the others to tracklets, choose crops."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from iics.arrays import DoubleArray, IntArray
from iics.video.crop_settings import CropSettings
from iics.video.detections import Detections, clip_boxes
from iics.video.selection import BETWEEN_CROPS, SHORT_TRACKLET, BoxedPerson, ChosenCrop, CropSelection
from iics.video_frames import Frame

_MIN_OVERLAP = 0.3
_ONE_CLASS = 0
# OC-SORT adds agreement in direction, times the score, to the overlap of two boxes: a margin of 3 outweighs overlap.
# So detectors' scores, of whatever range, are not for it; every box counts as certain.
_SCORE = 1.0
_HEIGHTS_UNSEEN = 2.0  # that a person walks at most in the longest gap, a second: 3.4 m
LOW_CONFIDENCE, TOO_SMALL, NOT_TRACKED = "low confidence", "too small", "left out by the tracker"
_REASONS = (LOW_CONFIDENCE, TOO_SMALL, NOT_TRACKED, SHORT_TRACKLET, BETWEEN_CROPS)
_MAX_GAP_SECONDS = 1.0  # that a person may be hidden within a tracklet
_JPEG_QUALITY = 95


@dataclass
class _Tracklet:
    """Where a person was last: number of the tracklet, step of the linker, left, top, width, height."""

    number: int
    step: int
    box: DoubleArray


class TrackletLinker:
    """Gives every box of a frame the number of its tracklet. State: last places and motion of people.

    Args:
        max_gap: Frames that a person may go unseen and still be the same tracklet.
    """

    def __init__(self, *, max_gap: int) -> None:
        from trackforge import OCSORT

        # min_hits=1: `CropSelection` drops short tracklets; the tracker would drop the first crops of long ones, too.
        self._tracker = OCSORT(max_age=max_gap, min_hits=1, iou_threshold=_MIN_OVERLAP)
        self._max_gap = max_gap
        self._tracklets: dict[int, _Tracklet] = {}  # by the tracker's number
        self._step = self._num_tracklets = 0

    def link(self, detections: Detections) -> IntArray:
        """Return the tracklet of each box of the next frame; frames without boxes have to be given too.

        Confidences are not used. If the tracker links a box to a person who cannot have moved there, the box begins
        a new tracklet. In successive frames, boxes must overlap; after a gap, the distance between them must be
        walkable in that time.

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


class PersonCrops:
    """Makes crops of one video from boxes, and counts all boxes that are dropped.

    Attributes:
        num_frames: Frames taken so far.
        num_boxes: Boxes found in them.
        last_seconds: Time of the last frame.
    """

    def __init__(self, settings: CropSettings, *, frames_per_second: float) -> None:
        max_gap = max(1, round(_MAX_GAP_SECONDS * frames_per_second / settings.stride))
        self._settings = settings
        self._linker = TrackletLinker(max_gap=max_gap)
        self._selection = CropSelection(min_tracklet=settings.min_tracklet, every=settings.every, max_gap=max_gap)
        self._dropped: Counter[str] = Counter()
        self.num_frames = self.num_boxes = 0
        self.last_seconds = 0.0

    @property
    def num_tracklets(self) -> int:
        """Tracklets kept so far."""
        return self._selection.num_tracklets

    def dropped(self) -> dict[str, int]:
        """Return how many boxes were dropped, by reason."""
        counts = self._dropped + self._selection.dropped
        return {reason: counts[reason] for reason in _REASONS}

    def add(self, frame: Frame, found: Detections) -> list[ChosenCrop]:
        """Return the crops that are certain now that this frame has been seen."""
        people = self._people(frame, found)
        boxes = Detections(
            np.array([person.box for person in people]), np.array([person.confidence for person in people])
        )
        chosen: list[ChosenCrop] = []
        for tracklet, person in zip(self._linker.link(boxes).tolist(), people, strict=True):
            if tracklet < 0:
                self._dropped[NOT_TRACKED] += 1
            else:
                chosen += self._selection.add(tracklet, person, partial(_encoded, frame, person.box))
        self._selection.end_frame()
        self.num_frames += 1
        self.num_boxes += len(found)
        self.last_seconds = frame.seconds
        return chosen

    def end(self) -> None:
        """Count what is left as dropped; after the last frame."""
        self._selection.end_video()

    def _people(self, frame: Frame, found: Detections) -> list[BoxedPerson]:
        """Return the boxes that are sure and large enough, cut off at the frame."""
        height, width = frame.pixels.shape[:2]
        boxes = clip_boxes(found.boxes, width=width, height=height)
        is_sure = found.confidences >= self._settings.confidence_needed()
        is_large = (boxes[:, 3] >= self._settings.min_height) & (boxes[:, 2] > 0)
        self._dropped[LOW_CONFIDENCE] += int((~is_sure).sum())
        self._dropped[TOO_SMALL] += int((is_sure & ~is_large).sum())
        return [
            BoxedPerson(frame.index, frame.seconds, tuple(boxes[at].tolist()), float(found.confidences[at]))
            for at in np.flatnonzero(is_sure & is_large)
        ]


def _encoded(frame: Frame, box: tuple[int, int, int, int]) -> bytes:
    left, top, width, height = box
    buffer = io.BytesIO()
    pixels = np.ascontiguousarray(frame.pixels[top : top + height, left : left + width])
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()
