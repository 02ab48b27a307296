"""Boxes in MOT text with their frames -> CropSets: each sequence is a camera, each box a crop.

Ids of ground truth (gt.txt) are identities, for measuring; ids of other files are a tracker's, hence tracklets. Frames
are never copied: a crop is a box in the picture of a frame, or in a frame of a video.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from iics.crops import BOX_COLUMNS, JUNK_IDENTITY
from iics.data_splits import DataSplits
from iics.errors import DataError
from iics.home_folder import expanded
from iics.readers.box_columns import BoxColumns
from iics.readers.boxes import LEAST_INSIDE
from iics.readers.mot_sequence import Sequence, find_sequences
from iics.readers.mot_text import NO_ID, MotBox, read_mot_text
from iics.readers.table import CropTable, splits_of_table

logger = logging.getLogger(__name__)

Rows = dict[str, list[str]]
_COLUMNS = ("path", "camera", "time", "identity", "tracklet", *BOX_COLUMNS)


def load_mot(data_dir: Path | str, *, classes: Collection[str] | None = None) -> DataSplits:
    """Return boxes in MOT text as crops; ids of two sequences are two people (MOTChallenge, DanceTrack, ...).

    Args:
        data_dir: A sequence, a folder of sequences, or boxes beside their frames: `iics.readers.mot_sequence`.
        classes: Numbers of the classes to keep, of files that have them. By default pedestrians (1) of ground truth,
            and all boxes of other files.

    Returns:
        Train: crops of gt.txt with identities, of a tracker with tracklets, of detections with neither.

    Raises:
        DataError: If files or frames are missing, or a line cannot be meant; the message names it.
    """
    return _load(data_dir, classes, is_shared=False)


def load_mtmc(data_dir: Path | str, *, classes: Collection[str] | None = None) -> DataSplits:
    """Return boxes in MOT text of cameras that share their ids: one id is one person in all of them (AI City).

    Args:
        data_dir: As for `load_mot`.
        classes: As for `load_mot`.

    Raises:
        DataError: As `load_mot`, and if a tracker's id, which is a tracklet, is in two cameras.
    """
    return _load(data_dir, classes, is_shared=True)


def _load(data_dir: Path | str, classes: Collection[str] | None, *, is_shared: bool) -> DataSplits:
    root = expanded(data_dir).absolute()
    sequences = find_sequences(root)
    rows: Rows = {column: [] for column in _COLUMNS}
    places: list[str] = []
    left_out: Counter[str] = Counter()
    camera_of: dict[str, str] = {}
    prefixes = {each.name: "" if is_shared or len(sequences) == 1 else f"{each.name} " for each in sequences}
    for sequence in sequences:
        found = read_mot_text(sequence.text, is_truth=sequence.is_truth, classes=classes)
        boxes, outside = _within(sequence, found.boxes)
        left_out += found.left_out + outside
        if is_shared and not sequence.is_truth:
            _check_one_camera(boxes, sequence, camera_of)
        _add(rows, sequence, boxes, prefix=prefixes[sequence.name])
        places += [f"{sequence.text}, line {box.line}" for box in boxes]
    name = root.stem if root.is_file() else root.name
    if not places:
        raise DataError(f"{root} has no box to read: {_listed(left_out)} left out. --classes says which are kept.")
    if left_out:
        logger.warning("%s: %d boxes are read; left out are %s.", name, len(places), _listed(left_out))
    rows = {column: values for column, values in rows.items() if any(values)}
    return splits_of_table(CropTable(name, root, rows, places, BoxColumns(BOX_COLUMNS, "corner and size")))


def _add(rows: Rows, sequence: Sequence, boxes: Collection[MotBox], *, prefix: str) -> None:
    """Add the boxes of a sequence as rows of a table."""
    if not boxes:
        return
    frames = sequence.frames({box.frame for box in boxes})
    rate = sequence.frames_per_second
    people = _names({box.id for box in boxes}, prefix)
    for box in boxes:
        values = {
            "path": str(frames[box.frame]),
            "camera": sequence.name,
            "time": f"{(box.frame - 1) / rate:.6f}" if rate else "",
            "identity": people[box.id] if sequence.is_truth else "",
            "tracklet": "" if sequence.is_truth or box.id == NO_ID else box.id,
            **dict(zip(BOX_COLUMNS, box.box, strict=True)),
        }
        for column, value in values.items():
            rows[column].append(value)


def _names(ids: Collection[str], prefix: str) -> dict[str, str]:
    """Return what identities are called: numbers stay, unless one is 0, which would be nobody's match."""
    prefix = prefix or ("id " if "0" in ids else "")
    return {each: each if int(each) <= JUNK_IDENTITY else f"{prefix}{each}" for each in ids}


def _within(sequence: Sequence, boxes: Collection[MotBox]) -> tuple[list[MotBox], Counter[str]]:
    """Return the boxes of which enough is within the frame, and how many are not.

    Annotations of MOTChallenge follow people beyond the border of the picture.

    Raises:
        DataError: If a box lies outside altogether: it was drawn on another picture.
    """
    size = sequence.size() if boxes else (1, 1)
    shares = {box: _share_inside(box, sequence, size) for box in boxes}
    kept = [box for box, share in shares.items() if share >= LEAST_INSIDE]
    return kept, Counter({f"less than {LEAST_INSIDE:.0%} within the frame": len(shares) - len(kept)}) - Counter()


def _share_inside(box: MotBox, sequence: Sequence, size: tuple[int, int]) -> float:
    try:
        left, top, width, height = map(float, box.box)
    except ValueError:
        return 1.0  # refused with all other tables' boxes
    if max(map(abs, (left, top, width, height))) <= 1.5 or not (width > 0 and height > 0):  # shares
        return 1.0
    across, down = (
        max(0.0, min(start + length, side) - max(start, 0.0))
        for start, length, side in ((left, width, size[0]), (top, height, size[1]))
    )
    if across * down == 0:
        raise DataError(
            f"{sequence.text}, line {box.line}: the box at left {left:g}, top {top:g} of {width:g} x {height:g} pixels "
            f"lies outside its frame of {size[0]} x {size[1]}. Was it drawn on a larger picture? Mend or remove it."
        )
    return across * down / (width * height)


def _check_one_camera(boxes: Collection[MotBox], sequence: Sequence, camera_of: dict[str, str]) -> None:
    for box in boxes:
        if box.id != NO_ID and camera_of.setdefault(box.id, sequence.name) != sequence.name:
            raise DataError(
                f"{sequence.text}, line {box.line}: tracklet {box.id} is in two cameras, {camera_of[box.id]} and "
                f"{sequence.name}; a tracklet is one individual followed by one camera. If these ids are true, name "
                "the files gt/gt.txt; if each camera numbers its own, read them as mot."
            )


def _listed(left_out: Counter[str]) -> str:
    return "; ".join(f"{number} boxes {reason}" for reason, number in sorted(left_out.items())) or "nothing"
