"""Drawn people who walk over a plain ground: clips in which the HOG detector finds them, and nobody is real."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

WIDTH, HEIGHT, FRAMES_PER_SECOND = 320, 240, 25
_PERSON_HEIGHT = 100
_FINER = 2  # drawn larger and reduced: smooth edges


class Walker(NamedTuple):
    """Someone who walks through the picture at a steady pace.

    Attributes:
        coat: Colour.
        trousers: Colour.
        left: Where the middle of the body is at first, in pixels.
        pace: Pixels a frame, to the right.
        frames: First frame, and the one after the last, in which the person is there.
    """

    coat: tuple[int, int, int]
    trousers: tuple[int, int, int]
    left: float
    pace: float
    frames: tuple[int, int] = (0, 10**9)

    def middle(self, frame: int) -> float:
        return self.left + self.pace * frame


RED = Walker((180, 40, 40), (30, 40, 90), left=40, pace=1.5)
GREEN = Walker((40, 120, 60), (60, 50, 40), left=285, pace=-1.5)


def picture(walkers: Sequence[Walker], frame: int) -> npt.NDArray[np.uint8]:
    """Return one frame as RGB."""
    image = Image.new("RGB", (WIDTH * _FINER, HEIGHT * _FINER), (150, 150, 145))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 170 * _FINER, WIDTH * _FINER, HEIGHT * _FINER), fill=(110, 112, 108))
    for walker in walkers:
        if walker.frames[0] <= frame < walker.frames[1]:
            _draw_person(draw, walker, walker.middle(frame) * _FINER, 70 * _FINER, swing=math.sin(frame / 2))
    return np.array(image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))


def _draw_person(draw: ImageDraw.ImageDraw, walker: Walker, x: float, y: float, *, swing: float) -> None:
    unit = _PERSON_HEIGHT * _FINER / 100
    sleeve = tuple(round(0.8 * value) for value in walker.coat)
    for side in (-1, 1):
        hip, foot = x + min(side, 0) * 7 * unit, x + side * (4 + 9 * swing) * unit
        leg = [(hip, y + 48 * unit), (hip + 7 * unit, y + 48 * unit)]
        draw.polygon([*leg, (foot + 4 * unit, y + 97 * unit), (foot - 4 * unit, y + 97 * unit)], fill=walker.trousers)
        draw.ellipse((foot - 5 * unit, y + 94 * unit, foot + 6 * unit, y + 100 * unit), fill=(30, 30, 30))
    draw.rounded_rectangle((x - 12 * unit, y + 17 * unit, x + 12 * unit, y + 54 * unit), 6 * unit, fill=walker.coat)
    for side in (-1, 1):
        hand = x + side * (15 - 4 * swing) * unit
        draw.line((x + side * 12 * unit, y + 22 * unit, hand, y + 50 * unit), fill=sleeve, width=round(6 * unit))
    draw.ellipse((x - 6 * unit, y, x + 6 * unit, y + 15 * unit), fill=(205, 165, 140))


def write_clip(file: Path, walkers: Sequence[Walker], *, num_frames: int = 40) -> Path:
    """Write a clip of evenly timed frames."""
    import cv2

    file.parent.mkdir(parents=True, exist_ok=True)
    rate, size = float(FRAMES_PER_SECOND), (WIDTH, HEIGHT)
    writer = cv2.VideoWriter(str(file), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), rate, size)
    for frame in range(num_frames):
        writer.write(np.ascontiguousarray(picture(walkers, frame)[:, :, ::-1]))
    writer.release()
    return file


def write_timed_clip(file: Path, stamps: Sequence[int], *, frames_per_second: float) -> Path:
    """Write a clip (.mkv) whose frames have the given time stamps, in units of 1 / frames_per_second."""
    import cv2

    raw = [cv2.VIDEOWRITER_PROP_RAW_VIDEO, 1, cv2.VIDEOWRITER_PROP_KEY_INTERVAL, 1]
    writer = cv2.VideoWriter(
        str(file), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), frames_per_second, (64, 48), raw
    )
    for stamp in stamps:
        writer.set(cv2.VIDEOWRITER_PROP_PTS, stamp)
        writer.write(cv2.imencode(".jpg", np.full((48, 64, 3), 10 * stamp, np.uint8))[1].reshape(1, -1))
    writer.release()
    return file


def files_of(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder by their paths in it, locks left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }
