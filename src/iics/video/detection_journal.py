"""Detections of a video on disk, one line per frame, so that they are kept if a run is killed.

Detection takes nearly all the time of cropping. The steps after it are repeated from the start, with the same
result, because the state of the tracker cannot be stored. Each line begins with its checksum; from the first damaged
line on, frames are detected again.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from iics.arrays import Pixels
from iics.errors import WriteError
from iics.regular_file import check_regular
from iics.video.detections import Detections
from iics.video_frames import Frame


class DetectionJournal:
    """Detections by frame, kept from earlier runs; frames must be asked for in the same order each time.

    Args:
        path: The file. Lines for another key, and a line that a kill cut off, are dropped.
        key: What the detections depend on: video, detector and its settings.

    Attributes:
        num_remembered: Frames that were found in the file.

    Raises:
        WriteError: If the file cannot be written.
    """

    def __init__(self, path: Path, *, key: str) -> None:
        self._path = path
        try:
            path.touch()
            check_regular(path)
            self._file = path.open("r+b")
            num_lines, self._whole = self._whole_lines(key)
            self._file.truncate(self._whole)
            self._file.seek(0)
        except OSError as error:
            raise WriteError(f"Cannot write {path}: {error.strerror or error}.") from error
        self.num_remembered = max(0, num_lines - 1)
        if num_lines:
            self._file.readline()
        else:
            self._write({"key": key})

    def __enter__(self) -> DetectionJournal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def detections(self, frame: Frame, detect: Callable[[Pixels], Detections]) -> Detections:
        """Return the frame's detections: those remembered, or else new ones, which are remembered."""
        place = self._file.tell()
        if place < self._whole:
            entry = _parsed(self._file.readline())
            if entry["frame"] == frame.index:
                known = np.array(entry["found"], dtype=np.float64).reshape(-1, 5)
                return Detections(known[:, :4], known[:, 4])
            self._whole = place  # other frames can be decoded than before
            self._file.seek(place)
            self._file.truncate()
        found = detect(frame.pixels)
        rows = [[*box, sure] for box, sure in zip(found.boxes.tolist(), found.confidences.tolist(), strict=True)]
        self._write({"frame": frame.index, "found": rows})
        return found

    def _whole_lines(self, key: str) -> tuple[int, int]:
        """Return how many lines, and bytes, of the file are whole and belong to this key."""
        num_lines = num_bytes = 0
        for line in self._file:
            entry = _parsed(line)
            if not (entry.get("key") == key if num_lines == 0 else "frame" in entry):
                break
            num_lines, num_bytes = num_lines + 1, num_bytes + len(line)
        return num_lines, num_bytes

    def _write(self, entry: dict[str, object]) -> None:
        try:
            text = json.dumps(entry).encode()
            self._file.write(b"%08x %s\n" % (zlib.crc32(text), text))
            self._file.flush()
        except OSError as error:
            raise WriteError(f"Cannot write {self._path}: {error.strerror or error}.") from error


def _parsed(line: bytes) -> dict[str, Any]:
    """Return the entry of a whole line, an empty one for anything else."""
    checksum, _, text = line.removesuffix(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
        return {}
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}
