"""Frames of a video file, one after another, with the time of each.

Times are the container's time stamps, counted from the first frame; the frame rate may vary. OpenCV's FFmpeg decodes
and does not report damage. So a missing end is noticed by the length that the container states. Needs the extra
`video`.
"""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from iics.arrays import Pixels
from iics.errors import VideoError

_MOST_STRETCH = 4.0  # half-width recorders on wide screens have 2.7
_PACKAGES = {"cv2": "opencv-python-headless", "trackforge": "trackforge"}
_MISSING_SECONDS = 0.5  # containers round their length; a cut off recording misses more
_MISSING_SHARE = 0.02


@dataclass(frozen=True)
class Display:
    """How the frames of a video are turned and stretched after decoding.

    Attributes:
        quarter_turns: Turns by 90 degrees, clockwise, after stretching.
        stretch: Width shown over width stored.
    """

    quarter_turns: int = 0
    stretch: float = 1.0

    @classmethod
    def of(cls, capture: Any) -> Display:
        """Return what is left to do to the frames of an open `cv2.VideoCapture`, which is asked not to turn them.

        Raises:
            VideoError: If they would have to be turned by another angle than quarter turns, or stretched beyond sense.
        """
        import cv2

        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        angle = 0.0 if capture.get(cv2.CAP_PROP_ORIENTATION_AUTO) else capture.get(cv2.CAP_PROP_ORIENTATION_META)
        if angle % 90:
            raise VideoError(
                f"the video is to be shown turned by {angle:g} degrees; only quarter turns can be followed. Convert "
                "it, e.g. with ffmpeg, which turns the pictures themselves"
            )
        across, down = capture.get(cv2.CAP_PROP_SAR_NUM), capture.get(cv2.CAP_PROP_SAR_DEN)
        stretch = across / down if across > 0 and down > 0 else 1.0  # 0: not said
        if not 1 / _MOST_STRETCH <= stretch <= _MOST_STRETCH:
            raise VideoError(f"it says that its pixels are {across:g} wide and {down:g} high. Convert the video")
        return cls(int(angle // 90) % 4, stretch)

    @property
    def is_as_stored(self) -> bool:
        """Whether frames are shown just as they are stored."""
        return self == Display()

    def shown(self, pixels: Pixels) -> Pixels:
        """Return a frame as it is shown. Shape (h, w, 3)."""
        height, width = pixels.shape[:2]
        wide = max(1, round(width * self.stretch))
        if wide != width:
            import cv2

            pixels = np.asarray(cv2.resize(pixels, (wide, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
        return np.ascontiguousarray(np.rot90(pixels, -self.quarter_turns))


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a video.

    Attributes:
        index: Its place among the frames of the file, from 0.
        seconds: Time since the first frame.
        pixels: RGB, as a player shows it. Shape (height, width, 3).
    """

    index: int
    seconds: float
    pixels: Pixels


def check_video_packages() -> None:
    """Refuse if the packages of the extra `video` are not installed.

    Raises:
        VideoError: If one is not.
    """
    for module, package in _PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise VideoError(f"Reading video needs the package {package}: pip install 'iics[video]'.")


class VideoFile:
    """An open video, read once from its beginning to its end.

    Attributes:
        frames_per_second: The rate that the container states.
        display: How frames are turned and stretched.
        stated_frames: How many frames the container states or its length comes to, None if it does not say.
        num_read: Frames read so far.
        num_untimed: Frames read so far without a time stamp of their own.

    Raises:
        VideoError: If the file is missing, or holds no video that can be decoded.
    """

    def __init__(self, path: Path) -> None:
        check_video_packages()
        if not path.is_file():
            found = "is a folder" if path.is_dir() else "is no regular file" if path.exists() else "does not exist"
            raise VideoError(f"A video file is needed; {path} {found}.")
        # libav writes a line for every damaged block: thousands, none of them naming the file.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
        import cv2

        self._cv2, self._path = cv2, path
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise VideoError(
                f"{path} holds no video that can be read: it is sound only, no video file, or cut off before its index "
                "was written. Check that it plays."
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        if not (math.isfinite(rate) and rate > 0):
            raise VideoError(f"{path} states no frame rate ({rate}). Put it into another container, e.g. mkv.")
        self.frames_per_second = float(rate)
        try:
            self.display = Display.of(self._capture)
        except VideoError as error:
            raise VideoError(f"{path} cannot be read: {error}.") from error
        stated = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.stated_frames = int(stated) if stated > 0 else None
        self.num_read = self.num_untimed = 0
        self._last_seconds = 0.0

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._capture.release()

    def frames(self, *, stride: int) -> Iterator[Frame]:
        """Yield every `stride`-th frame, the first included; the others are decoded and passed over."""
        first_stamp: float | None = None
        while self._capture.grab():
            stamp = self._capture.get(self._cv2.CAP_PROP_POS_MSEC) / 1000
            first_stamp = stamp if first_stamp is None else first_stamp
            index, seconds = self.num_read, stamp - first_stamp
            # Times must grow; `not >` also catches NaN.
            if index and not seconds > self._last_seconds:
                self.num_untimed += 1
                seconds = self._last_seconds + 1 / self.frames_per_second
            self.num_read, self._last_seconds = index + 1, seconds
            if index % stride == 0:
                yield Frame(index, seconds, self._decoded(index))

    def picture(self, index: int) -> Pixels:
        """Return a frame that has not been passed yet, as it is shown; those before it are decoded and passed over.

        Raises:
            VideoError: If the video ends before it, or the frame cannot be turned into a picture.
        """
        while self.num_read <= index:
            if not self._capture.grab():
                raise VideoError(f"{self._path} ends after {self.num_read} frames; frame {index + 1} is asked for.")
            self.num_read += 1
        return self._decoded(index)

    def _decoded(self, index: int) -> Pixels:
        """Return the frame that was read last, RGB, as it is shown."""
        is_decoded, pixels = self._capture.retrieve()
        if not is_decoded:
            raise VideoError(f"Frame {index} of {self._path} cannot be turned into a picture; convert the video.")
        return self.display.shown(pixels[:, :, ::-1])

    def faults(self) -> tuple[str, ...]:
        """Return what was wrong with the file, after its last frame was read; each a full sentence."""
        faults: list[str] = []
        if self.num_untimed:
            faults.append(
                f"{self.num_untimed} of {self.num_read} frames have no time stamp of their own; they are placed "
                f"{1 / self.frames_per_second:.3f} s after the frame before."
            )
        if self.stated_frames is None or self.num_read >= self.stated_frames * (1 - _MISSING_SHARE) - 1:
            return tuple(faults)
        read = f"{self.num_read} of about {self.stated_frames} frames"
        missing = (self.stated_frames - 1) / self.frames_per_second - self._last_seconds
        if missing > _MISSING_SECONDS:
            faults.append(
                f"{read} could be read, the last {missing:.1f} s are missing: the file is cut off or damaged."
            )
        else:
            faults.append(f"{read} could be read: the frame rate varies, or the file is damaged in the middle.")
        return tuple(faults)
