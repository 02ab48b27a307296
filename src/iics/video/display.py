"""How frames are shown: turned as the container says, and stretched where its pixels are no squares.

Phones store a sideways picture beside the angle by which a player turns it, recorders and DV half the columns. Some
builds of OpenCV turn frames by themselves and some do not; so they are asked not to, and frames are turned here. A
mirrored display matrix cannot be told: OpenCV gives it as an angle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from iics.arrays import Pixels
from iics.errors import VideoError

_MOST_STRETCH = 4.0  # half-width recorders on wide screens have 2.7


@dataclass(frozen=True)
class Display:
    """What is done to the frames of a video as they are decoded.

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
