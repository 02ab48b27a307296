"""Detections of a video on disk, a line a frame, so that a killed run does not have to detect them again.

Detecting is nearly all the time that cropping takes. Everything after it is done again from the start, to the same
result: the tracker has a state that cannot be stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from iics.errors import WriteError
from iics.video.detections import Detections
from iics.video.frames import Frame, Pixels


class DetectionJournal:
    """Detections by frame, remembered from runs before.

    Args:
        path: The file; what it holds of a run that looked at other things, or was torn off by a kill, is dropped.
        key: What the detections depend on: video, detector and its settings.

    Attributes:
        num_remembered: Frames that were found in the file.

    Raises:
        WriteError: If the file cannot be written.
    """

    def __init__(self, path: Path, *, key: str) -> None:
        self._path = path
        self._known: dict[int, list[list[float]]] = {}
        try:
            whole = self._read(key)
            self._file = path.open("r+b" if whole else "wb")
            self._file.truncate(whole)
            self._file.seek(whole)
        except OSError as error:
            raise WriteError(f"Cannot write {path}: {error.strerror or error}.") from error
        self.num_remembered = len(self._known)
        if not whole:
            self._write({"key": key})

    def __enter__(self) -> DetectionJournal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def detections(self, frame: Frame, detect: Callable[[Pixels], Detections]) -> Detections:
        """Return the frame's detections: those remembered, or else new ones, which are remembered."""
        rows = self._known.get(frame.index)
        if rows is None:
            found = detect(frame.pixels)
            rows = [[*box, sure] for box, sure in zip(found.boxes.tolist(), found.confidences.tolist(), strict=True)]
            self._write({"frame": frame.index, "found": rows})
        return Detections([row[:4] for row in rows], [row[4] for row in rows])  # type: ignore[arg-type]

    def _read(self, key: str) -> int:
        """Take in the lines of a file with this key, and return how many bytes of it are whole lines."""
        if not self._path.exists():
            return 0
        whole = 0
        with self._path.open("rb") as file:
            for line in file:
                entry = _parsed(line)
                if whole == 0 and entry.get("key") != key:
                    return 0
                if whole and "frame" not in entry:
                    return whole
                if whole:
                    self._known[entry["frame"]] = entry["found"]
                whole += len(line)
        return whole

    def _write(self, entry: dict[str, object]) -> None:
        try:
            self._file.write(json.dumps(entry).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise WriteError(f"Cannot write {self._path}: {error.strerror or error}.") from error


def _parsed(line: bytes) -> dict[str, Any]:
    """Return the entry of a whole line, an empty one for anything else."""
    try:
        entry = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
