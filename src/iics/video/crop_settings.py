"""What `iics crop` looks for and keeps."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from iics.errors import SettingsError, check_setting
from iics.plausible_times import implausibility, seconds_of_date
from iics.ranges import check_ranges, number, whole
from iics.readers.left_out import is_ignored
from iics.video.detectors import DETECTORS, DetectorName

_NO_FOLDER_NAME = re.compile(r"[/\\\x00-\x1f]|^[.]|^\s|\s$|^$")


@dataclass(frozen=True, kw_only=True)
class CropSettings:
    """Where and when a video was taken, who is looked for in it, and which crops are kept."""

    camera: str
    """Name of the camera; it becomes a folder."""
    start: str = ""
    """When the video begins, e.g. 2026-03-01T08:00:00 (UTC unless it names a zone). Empty: times count from 0."""
    detector: DetectorName = "fasterrcnn_mobilenet_v3_large_fpn"
    """What finds people: a detector of torchvision, or hog, which needs no download and finds less."""
    detector_weights: Path | None = None
    """File of weights for a detector of torchvision; by default torchvision's own, downloaded once."""
    min_confidence: float | None = None
    """Drop boxes that the detector is less sure of: a probability, or a margin from 0 for hog. By default 0.5."""
    min_height: Annotated[int, whole(16, 10**4)] = 64
    """Drop boxes lower than this, in pixels. hog takes the less time the larger it is."""
    min_tracklet: Annotated[int, whole(1, 10**6)] = 5
    """Drop people found in fewer frames than this: most of them are false."""
    every: Annotated[float, number(0, 86400)] = 0.5
    """Seconds from one crop of a tracklet to the next; 0 keeps one of every frame, near-duplicates."""
    stride: Annotated[int, whole(1, 10**6)] = 1
    """Look at every n-th frame only. People must overlap themselves from one such frame to the next."""

    def __post_init__(self) -> None:
        check_setting(
            self.camera.isprintable() and not _NO_FOLDER_NAME.search(self.camera) and not is_ignored(self.camera),
            "camera names a folder and needs a name without slash, leading dot, blanks around it or control "
            f"characters, and none that a NAS or desktop gives its own folders, "
            f"got {self.camera!r}.",
        )
        check_setting(
            self.min_confidence is None or math.isfinite(self.min_confidence),
            f"min_confidence must be a number, got {self.min_confidence}.",
        )
        most = DETECTORS[self.detector].most_confidence
        check_setting(
            0 <= self.confidence_needed() <= most,
            f"min_confidence of {self.detector} is a {'margin of 0 or more' if most > 1 else 'probability of 0 to 1'}, "
            f"got {self.min_confidence}.",
        )
        check_ranges(self)
        self.start_seconds()

    def start_seconds(self) -> float:
        """Return the start in seconds since 1970, 0 if none is given.

        Raises:
            SettingsError: If it is no plausible date and time.
        """
        if not self.start:
            return 0.0
        try:
            start = seconds_of_date(self.start)
        except ValueError as error:
            raise SettingsError(
                f"start must be a date and time, e.g. 2026-03-01T08:00:00, got {self.start}."
            ) from error
        fault = implausibility(start)
        check_setting(fault is None, f"start {self.start} {fault}.")
        return start

    def confidence_needed(self) -> float:
        """Return the confidence asked for, or the one that suits the detector."""
        return DETECTORS[self.detector].min_confidence if self.min_confidence is None else self.min_confidence
