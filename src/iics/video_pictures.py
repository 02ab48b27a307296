"""One frame of a video as a picture: VIDEO/000451 is frame 451 of the file VIDEO, counted from 1.

So a crop can lie in a video as it lies in a file: path, box, messages and galleries need nothing of their own. A video
is only ever decoded forward, because OpenCV seeks by the stated rate, which need not hold. Frames in their order cost
one decoding of the video a thread; a frame before the last one costs another.
"""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from iics.errors import DataError, VideoError
from iics.video_frames import VideoFile

VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v"})


def picture_path(video: Path, frame: int) -> Path:
    """Return the path that stands for a frame of a video, counted from 1."""
    return video / f"{frame:06d}"


def place_in_video(path: Path) -> tuple[Path, int] | None:
    """Return the video and the frame, counted from 1, that a path stands for; None for any other path."""
    is_frame = path.parent.suffix.lower() in VIDEO_SUFFIXES and path.name.isdecimal() and path.name.isascii()
    return (path.parent, int(path.name)) if is_frame and int(path.name) > 0 else None


@dataclass(frozen=True)
class VideoFacts:
    """What a video is: width and height of its frames as they are shown, and the rate that it states."""

    width: int
    height: int
    frames_per_second: float


def video_facts(video: Path) -> VideoFacts:
    """Return what a video is; its first frame is decoded.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        found = video.stat()
    except OSError as error:
        raise DataError(str(error.strerror or error)) from error
    return _facts(video, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=256)
def _facts(video: Path, _changed: int, _num_bytes: int) -> VideoFacts:
    try:
        with VideoFile(video) as opened:
            height, width = opened.picture(0).shape[:2]
            return VideoFacts(width, height, opened.frames_per_second)
    except VideoError as error:
        raise DataError(str(error).rstrip(".")) from error


class VideoPictures:
    """Reads frames of videos as encoded pictures; safe to use from threads. State: a video for each, at its last frame.

    Frames are asked for in their order where that is possible (see above).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened: dict[int, tuple[Path, VideoFile]] = {}

    def read(self, video: Path, frame: int) -> bytes:
        """Return a frame as a BMP file, which loses nothing and takes no time.

        Raises:
            DataError: If the video cannot be read, or has no such frame; the message is the reason alone.
        """
        try:
            pixels = self._at_or_before(video, frame).picture(frame - 1)
        except VideoError as error:
            raise DataError(str(error).rstrip(".")) from error
        from PIL import Image  # late: commands look at the names of videos alone

        encoded = io.BytesIO()
        Image.fromarray(pixels).save(encoded, format="BMP")
        return encoded.getvalue()

    def close(self) -> None:
        """Close all videos."""
        with self._lock:
            opened, self._opened = self._opened, {}
        for _, file in opened.values():
            file.close()

    def _at_or_before(self, video: Path, frame: int) -> VideoFile:
        """Return this thread's video, opened anew if it is another one or has passed the frame."""
        thread = threading.get_ident()
        with self._lock:
            path, file = self._opened.pop(thread, (None, None))
        if file is not None and (path != video or file.num_read > frame):
            file.close()
            file = None
        file = file or VideoFile(video)
        with self._lock:
            self._opened[thread] = video, file
        return file
