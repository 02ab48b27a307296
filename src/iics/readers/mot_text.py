"""MOT text, a line a box: frame, id, left, top, width, height and up to four more -> rows of text by frame.

What the columns behind the box mean depends on the file. Ground truth of MOTChallenge has three: a flag (0: not to be
considered), a class (1: a pedestrian) and the visible share; of data without classes it has one, the flag, or four,
the flag and a place in the world. In a file of detections or of a tracker, the seventh is a confidence and the others
are -1.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from iics.errors import DataError
from iics.readers.table import check_rows
from iics.regular_file import MOST_TABLE_BYTES, read_regular

LEAST_VISIBLE = 0.3
"""Share of a person; with less of it, most of the crop shows somebody else."""
NO_ID = "-1"
_FEWEST, _MOST = 6, 10
_FLAG, _CLASS, _VISIBLE = 6, 7, 8
_WITH_CLASSES = (8, 9)
_PEDESTRIAN = ("1",)
_WHOLE = re.compile(r"([-+]?[0-9]{1,18})(\.0*)?(e\+?0+)?", re.IGNORECASE)
_LAYOUT = "frame, id, left, top, width, height, perhaps a flag or confidence, a class and the visible share"


@dataclass(frozen=True, slots=True)
class MotBox:
    """One line: whole numbers are plain, the numbers of the box as they were written."""

    frame: int
    id: str
    box: tuple[str, ...]
    line: int


@dataclass(frozen=True, eq=False)
class MotText:
    """The boxes of one file, and how many were left out for what reason."""

    boxes: Sequence[MotBox]
    left_out: Counter[str] = field(default_factory=Counter)


def read_mot_text(file: Path, *, is_truth: bool, classes: Collection[str] | None = None) -> MotText:
    """Return the boxes of a file.

    Args:
        file: Values separated by commas or blanks; no line of names.
        is_truth: Whether it is ground truth, whose boxes may have a flag, a class and a visible share. Those that are
            not to be considered, of other classes or less visible than `LEAST_VISIBLE` are left out.
        classes: The classes to keep, as they are numbered there; None keeps pedestrians of ground truth, else all.

    Raises:
        DataError: If the file cannot be read, has no box, or a line that is none; the message names the line.
    """
    rows, lines = _rows(file)
    num_columns = len(rows[0])
    _check_columns(rows, lines, file)
    wanted = set(_PEDESTRIAN if classes is None and is_truth else classes or ())
    if classes is not None and num_columns not in _WITH_CLASSES:
        raise DataError(f"{file} has no classes: they are the eighth of eight or nine columns, it has {num_columns}.")
    boxes: list[MotBox] = []
    left_out: Counter[str] = Counter()
    for row, line in zip(rows, lines, strict=True):
        frame = _whole(row[0], "frame", file, line)
        if frame < 1:
            raise DataError(
                f"{file}, line {line}: frame {frame}, but frames of MOT files are counted from 1. If the file counts "
                "from 0, add 1 to all its frames (and see that pictures are numbered likewise)."
            )
        reason = _reason(row, file, line, is_truth=is_truth, wanted=wanted)
        if reason:
            left_out[reason] += 1
        else:
            boxes.append(MotBox(frame, str(_whole(row[1], "id", file, line)), tuple(row[2:6]), line))
    _check_one_each(boxes, file)
    return MotText(boxes, left_out)


def _rows(file: Path) -> tuple[list[list[str]], list[int]]:
    """Return the values of each line that is not empty, and its number."""
    try:
        text = read_regular(file, most_bytes=MOST_TABLE_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is no text; MOT text has a line a box: {_LAYOUT}.") from error
    except OSError as error:
        raise DataError(f"Cannot read {file}: {error.strerror or error}. Give a file of boxes in MOT text.") from error
    numbered = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not numbered:
        raise DataError(f"{file} is empty; MOT text has a line a box: {_LAYOUT}.")
    check_rows(len(numbered), table=file)
    rows = [re.split(r"\s*,\s*", line) if "," in line else line.split() for _, line in numbered]
    return [row[:-1] if row[-1] == "" else row for row in rows], [number for number, _ in numbered]


def _check_columns(rows: Sequence[Sequence[str]], lines: Sequence[int], file: Path) -> None:
    """Refuse another number of columns, lines that differ in it, and columns that mean something else."""
    num_columns = len(rows[0])
    if not _FEWEST <= num_columns <= _MOST:
        raise DataError(
            f"{file}, line {lines[0]}: {num_columns} values, MOT text has {_FEWEST} to {_MOST} in a line: {_LAYOUT}."
        )
    other = next((at for at, row in enumerate(rows) if len(row) != num_columns), None)
    if other is not None:
        raise DataError(
            f"{file}, line {lines[other]}: {len(rows[other])} values, but {num_columns} in line {lines[0]}. All lines "
            "of a file have the same columns; it may be cut off or joined of two files."
        )
    if num_columns == _MOST and _is_visdrone(rows):
        raise DataError(
            f"{file} looks like VisDrone's annotations: a class, truncation and occlusion in columns 8 to 10, where "
            "MOT text has a place in the world or -1. Keep the boxes of one class, and the first six columns of them."
        )


def _is_visdrone(rows: Sequence[Sequence[str]]) -> bool:
    allowed = ({str(number) for number in range(12)}, {"0", "1"}, {"0", "1", "2"})
    return all(set(column) <= few for column, few in zip(list(zip(*rows, strict=True))[-3:], allowed, strict=True))


def _reason(row: Sequence[str], file: Path, line: int, *, is_truth: bool, wanted: Collection[str]) -> str:
    """Return why a box is left out, "" if it is not."""
    if is_truth and len(row) > _FLAG and _number(row[_FLAG], "flag", file, line) == 0:
        return "not to be considered (flag 0)"
    if wanted and len(row) in _WITH_CLASSES and str(_whole(row[_CLASS], "class", file, line)) not in wanted:
        return f"of other classes than {', '.join(sorted(wanted))}"
    if is_truth and len(row) == _VISIBLE + 1 and 0 <= _number(row[_VISIBLE], "share", file, line) < LEAST_VISIBLE:
        return f"less than {LEAST_VISIBLE:.0%} visible"
    return ""


def _check_one_each(boxes: Sequence[MotBox], file: Path) -> None:
    """Refuse two boxes of one id in one frame."""
    first: dict[tuple[int, str], int] = {}
    for box in boxes:
        line = first.setdefault((box.frame, box.id), box.line)
        if box.id != NO_ID and line != box.line:
            raise DataError(
                f"{file}, line {box.line}: id {box.id} has two boxes in frame {box.frame} (the other in line {line}); "
                "two boxes of a frame are two individuals. Remove one of them, or give it another id."
            )


def _whole(text: str, what: str, file: Path, line: int) -> int:
    match = _WHOLE.fullmatch(text)
    if match is None:
        raise DataError(
            f"{file}, line {line}: {what} {text!r} is no whole number. MOT text has no line of names, and in each line "
            f"{_LAYOUT}."
        )
    return int(match[1])


def _number(text: str, what: str, file: Path, line: int) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"{file}, line {line}: {what} {text!r} is no number.") from error
