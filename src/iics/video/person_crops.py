"""Frames and the boxes found in them -> crops: drop what is unsure or small, link the rest, choose among them."""

from __future__ import annotations

import io
from collections import Counter
from functools import partial

import numpy as np
from PIL import Image

from iics.video.crop_settings import CropSettings
from iics.video.detections import Detections, clip_boxes
from iics.video.frames import Frame
from iics.video.selection import BETWEEN_CROPS, SHORT_TRACKLET, BoxedPerson, ChosenCrop, CropSelection
from iics.video.tracklets import TrackletLinker

LOW_CONFIDENCE, TOO_SMALL, NOT_TRACKED = "low confidence", "too small", "left out by the tracker"
_REASONS = (LOW_CONFIDENCE, TOO_SMALL, NOT_TRACKED, SHORT_TRACKLET, BETWEEN_CROPS)
_MAX_GAP_SECONDS = 1.0  # that a person may be hidden within a tracklet
_JPEG_QUALITY = 95


class PersonCrops:
    """The way from boxes to crops of one video, with everything that is dropped counted.

    Args:
        settings: What to keep.
        frames_per_second: Of the video.

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
