"""Counts of what was kept and dropped of a video, as values, as JSON and as text."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iics.errors import VideoError
from iics.regular_file import MOST_TEXT_BYTES, read_regular


@dataclass(frozen=True)
class VideoReport:
    """Report on one video. Every box is either a crop, or dropped for one reason.

    Attributes:
        video: Name of the file.
        fingerprint: SHA-256 of its contents.
        settings: The settings, as JSON values; `camera` and `start` are among them.
        seconds: Time from the first frame to the last.
        frames: Frames that were read.
        frames_searched: Of them, those that people were looked for in.
        boxes: What the detector found.
        dropped: How many boxes were dropped, by reason.
        tracklets: Tracklets kept.
        crops: Crops written.
        faults: What was wrong with the file, in sentences.
        table: SHA-256 of the table beside the report; "" in reports of older versions.
    """

    video: str
    fingerprint: str
    settings: Mapping[str, Any]
    seconds: float
    frames: int
    frames_searched: int
    boxes: int
    dropped: Mapping[str, int]
    tracklets: int
    crops: int
    faults: tuple[str, ...]
    table: str = ""

    @classmethod
    def read(cls, file: Path) -> VideoReport:
        """Return a report that was written as JSON.

        Raises:
            VideoError: If the file cannot be read or is no report.
        """
        try:
            fields = json.loads(read_regular(file, most_bytes=MOST_TEXT_BYTES))
            return cls(**{**fields, "faults": tuple(fields["faults"])})
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise VideoError(
                f"{file} is no report of a cropped video: {error}. Remove the folder {file.parent}."
            ) from error

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {**dataclasses.asdict(self), "faults": list(self.faults)}

    def __str__(self) -> str:
        rows = [
            ("frames read", self.frames),
            ("frames searched", self.frames_searched),
            ("boxes found", self.boxes),
            *((f"dropped: {reason}", number) for reason, number in self.dropped.items()),
            ("tracklets", self.tracklets),
            ("crops", self.crops),
        ]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name.ljust(width)}  {number:>8}" for name, number in rows)
