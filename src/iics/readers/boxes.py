"""Boxes of detectors -> boxes in whole pixels within their frames.

Boxes of detectors often reach over the border of the frame by a few pixels. The part outside is cut off if at least
half of the box is inside. Otherwise the box is refused: it was drawn on another picture.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from iics.arrays import BoolArray, DoubleArray, IntArray
from iics.errors import DataError
from iics.readers.box_columns import BoxColumns, BoxForm
from iics.regular_file import open_regular
from iics.shown_picture import decoding, is_turned, opened_picture, shown_size
from iics.video_pictures import place_in_video, video_facts

logger = logging.getLogger(__name__)

LEAST_INSIDE = 0.5
_MOST_OF_SHARES = 1.5
"""Detectors reach over the border of a picture; a box of fewer pixels than this shows nobody."""


def boxes_within_frames(
    columns: Mapping[str, Sequence[str]], box: BoxColumns, frames: Sequence[Path], places: Sequence[str], *, name: str
) -> IntArray:
    """Return left, top, width and height of each box; one warning counts the boxes that were cut off.

    Edges are rounded to whole pixels. If no number of any box is above 1, all are fractions of the width and height
    of their frame: as pixels they would be boxes of one pixel. Only the headers of the frames are read.

    Args:
        columns: Text of the columns of boxes: numbers, perhaps with fractions.
        box: Which columns, and what their numbers are.
        frames: The picture of each box.
        places: Where each row stands, for messages.
        name: What to call the set in messages.

    Returns:
        Shape (n, 4).

    Raises:
        DataError: If a cell is empty or no number, a box is empty or less than half of it is within its frame, some
        but not all boxes look like fractions, or a frame cannot be read.
    """
    sizes = _frame_sizes(frames, name=name)
    frame = np.array([sizes[path] for path in frames])  # (n, 2): width, height
    numbers = _four_numbers(columns, box, places)
    if np.abs(numbers).max() <= _MOST_OF_SHARES:
        logger.warning("%s: no number of a box is above 1; they are taken as shares of the picture, not pixels.", name)
        numbers = numbers * np.tile(frame, 2)
    left, top, width, height = _corner_and_size(numbers, box.form)

    def share(at: int) -> str:
        return (
            f"a box of {width[at]:g} x {height[at]:g} pixels holds nothing. If these are shares of the picture, "
            "multiply them by its width and height, for others here are pixels"
        )

    _refuse((np.abs([width, height]) <= _MOST_OF_SHARES).all(axis=0) & (width > 0) & (height > 0), places, share)
    # Edges are rounded, not sizes: boxes that touch still touch.
    low = np.rint(np.stack([left, top], axis=1)).astype(np.int64)
    high = np.rint(np.stack([left + width, top + height], axis=1)).astype(np.int64)

    def empty(at: int) -> str:
        is_turned = box.form == "two corners" and min(width[at], height[at]) < 0
        turned = " (right must be beyond left, and bottom below top)" if is_turned else ""
        return f"a box of {width[at]:g} x {height[at]:g} pixels is empty{turned}"

    _refuse((high <= low).any(axis=1), places, empty)
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


def _four_numbers(columns: Mapping[str, Sequence[str]], box: BoxColumns, places: Sequence[str]) -> DoubleArray:
    """Return the numbers of each box as they stand in the table. Shape (n, 4)."""
    if len(box.names) == 4:
        return np.stack([_numbers(columns[column], places, column) for column in box.names], axis=1)
    (column,) = box.names
    cells = [re.split(r"[\s,;]+", value.strip().strip("[](){}").strip()) for value in columns[column]]
    is_other = np.array([len(cell) != 4 for cell in cells])
    _refuse(
        is_other, places, lambda at: f"{column} {columns[column][at]!r} is not four numbers, as in [12, 8, 60, 150]"
    )
    return np.stack([_numbers([cell[at] for cell in cells], places, column) for at in range(4)], axis=1)


def _corner_and_size(numbers: DoubleArray, form: BoxForm) -> DoubleArray:
    """Return left, top, width and height of each box. Shape (4, n)."""
    first, second = numbers[:, :2], numbers[:, 2:]
    size = second - first if form == "two corners" else second
    corner = first - second / 2 if form == "centre and size" else first
    return np.concatenate([corner, size], axis=1).T


def _numbers(values: Sequence[str], places: Sequence[str], column: str) -> DoubleArray:
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


def _refuse(is_bad: BoolArray, places: Sequence[str], reason: Callable[[int], str]) -> None:
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
            place = place_in_video(path)
            if place is not None:
                facts = video_facts(place[0])
                sizes[path] = facts.width, facts.height
                continue
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
