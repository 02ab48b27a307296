"""Boxes as detectors give them -> boxes in whole pixels that lie within their frames.

Detectors reach over the border of a frame by a few pixels. What is outside is cut off where at least half of a box lies
inside; a box that lies further outside is refused, for it was drawn on another picture.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from iics.data.crops import BOX_COLUMNS, FloatArray, IntArray
from iics.data.shown_picture import decoding, is_turned, opened_picture, shown_size
from iics.errors import DataError
from iics.regular_file import open_regular

logger = logging.getLogger(__name__)

LEAST_INSIDE = 0.5


def boxes_within_frames(
    columns: Mapping[str, Sequence[str]], frames: Sequence[Path], places: Sequence[str], *, name: str
) -> IntArray:
    """Return left, top, width and height of each box; what was cut off is said in one warning.

    Edges are rounded to whole pixels. Only the headers of the frames are read.

    Args:
        columns: Text of `left`, `top`, `width` and `height` in pixels, perhaps with fractions.
        frames: The picture of each box.
        places: Where each row stands, for messages.
        name: What to call the set in messages.

    Returns:
        Shape (n, 4).

    Raises:
        DataError: If a number is missing or none, a box is empty or less than half of it lies within its frame, or a
            frame cannot be read.
    """
    left, top, width, height = (_numbers(columns[column], places, column) for column in BOX_COLUMNS)
    low = np.rint(np.stack([left, top], axis=1)).astype(np.int64)
    high = np.rint(np.stack([left + width, top + height], axis=1)).astype(np.int64)
    is_empty = (high[:, 0] <= low[:, 0]) | (high[:, 1] <= low[:, 1])
    _refuse(is_empty, places, lambda at: f"a box of {width[at]:g} x {height[at]:g} pixels is empty")
    sizes = _frame_sizes(frames, name=name)
    frame = np.array([sizes[path] for path in frames])  # (n, 2): width, height
    low_inside, high_inside = np.clip(low, 0, frame), np.clip(high, 0, frame)
    inside = (high_inside - low_inside).prod(axis=1) / (high - low).prod(axis=1)

    def outside(at: int) -> str:
        return (
            f"{inside[at]:.0%} of the box at left {left[at]:g}, top {top[at]:g} of {width[at]:g} x {height[at]:g} "
            f"pixels lie within its frame of {frame[at, 0]} x {frame[at, 1]}; at least {LEAST_INSIDE:.0%} are needed"
        )

    _refuse(inside < LEAST_INSIDE, places, outside)
    beyond = np.maximum(low_inside - low, high - high_inside).max(axis=1)
    if beyond.any():
        logger.warning(
            "%s: %d of %d boxes reach over the border of their frame, by up to %d pixels; that part is cut off.",
            name,
            np.count_nonzero(beyond),
            len(beyond),
            beyond.max(),
        )
    return np.concatenate([low_inside, high_inside - low_inside], axis=1)


def _numbers(values: Sequence[str], places: Sequence[str], column: str) -> FloatArray:
    numbers = np.full(len(values), np.nan)
    for at, value in enumerate(values):
        try:
            numbers[at] = float(value)
        except ValueError:
            continue  # stays NaN and is refused below
    # Larger numbers are no pixels, and would not fit an integer.
    _refuse(
        ~(np.abs(numbers) < 1e9),
        places,
        lambda at: f"{column} {values[at]!r} is no number of pixels" if values[at] else f"{column} is empty",
    )
    return numbers


def _refuse(is_bad: npt.NDArray[np.bool_], places: Sequence[str], reason: Callable[[int], str]) -> None:
    """Refuse rows, naming the first and how many there are."""
    bad = np.flatnonzero(is_bad)
    if len(bad):
        more = f" ({len(bad)} rows like this)" if len(bad) > 1 else ""
        raise DataError(f"{places[bad[0]]}: {reason(int(bad[0]))}{more}. Mend or remove it.")


def _frame_sizes(frames: Sequence[Path], *, name: str) -> dict[Path, tuple[int, int]]:
    """Return width and height of each different frame, as it is shown."""
    sizes: dict[Path, tuple[int, int]] = {}
    failures: list[str] = []
    num_turned = 0
    for path in dict.fromkeys(frames):
        try:
            with decoding(), open_regular(path) as file, opened_picture(file) as image:
                sizes[path] = shown_size(image)
                num_turned += is_turned(image)
        except DataError as error:
            failures.append(f"{path} ({error})")
    if failures:
        raise DataError(
            f"{len(failures)} of {len(sizes) + len(failures)} frames cannot be read: {failures[0]}. Replace these "
            "files or take their boxes out of the table."
        )
    if num_turned:
        logger.warning(
            "%s: %d of %d frames are turned upright by their EXIF orientation; boxes are taken as drawn on what is "
            "shown. Boxes of a detector that does not look at EXIF belong to frames without it.",
            name,
            num_turned,
            len(sizes),
        )
    return sizes
