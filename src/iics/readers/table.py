"""Rows of a table -> CropSets: the common part of CSV, Parquet and name patterns.

Order and numbers do not depend on the order of the rows: crops are sorted by path and box; cameras and names are in
natural order over all splits.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from iics.arrays import BoolArray, DoubleArray, IntArray
from iics.crops import DISTRACTOR_IDENTITY, CropSet
from iics.data_splits import DataSplits
from iics.errors import DataError
from iics.file_keys import file_key
from iics.natural_order import natural_order
from iics.readers.box_columns import BoxColumns
from iics.readers.boxes import boxes_within_frames
from iics.readers.camera_rule import cameras_by
from iics.readers.table_values import identity_numbers, plain_values, times_in_seconds, tracklet_numbers

logger = logging.getLogger(__name__)

SPLITS = ("train", "query", "gallery")
MOST_ROWS = 2**23
"""Of a table; a few kilobytes of Parquet can claim, and unpack to, billions."""


@dataclass(frozen=True, eq=False)
class CropTable:
    """A row for each crop, as text without spaces around it; "" means not known.

    Attributes:
        name: What to call the data set.
        folder: What relative paths start from.
        columns: Values by column (`iics.readers.column_names`): path, mostly camera, and any others. Each of length
            n >= 1.
        places: Where each row stands, for messages, e.g. "crops.csv, line 7". Length n.
        box: Which columns hold boxes; None if each file is a crop.
        camera_parts: Columns that stand for the camera; none for one camera (`iics.readers.camera_rule`).
    """

    name: str
    folder: Path
    columns: Mapping[str, Sequence[str]]
    places: Sequence[str]
    box: BoxColumns | None = None
    camera_parts: Sequence[str] = ("camera",)

    def __len__(self) -> int:
        return len(self.places)

    def column(self, name: str) -> Sequence[str]:
        """Return a column, empty cells if there is none of that name."""
        return self.columns[name] if name in self.columns else [""] * len(self)

    @cached_property
    def paths(self) -> list[Path]:
        """The file of each row."""
        return [self.folder / os.path.expanduser(path) for path in self.columns["path"]]  # noqa: PTH111 - a text

    @cached_property
    def files(self) -> dict[Path, Hashable | None]:
        """What tells the file of each different path from others; None where there is none."""
        return {path: file_key(path) for path in dict.fromkeys(self.paths)}


@dataclass(frozen=True, eq=False)
class _Crops:
    """What the rows say, as numbers, in the order of the rows."""

    paths: list[Path]
    camera_ids: IntArray
    camera_names: tuple[str, ...]
    identity_ids: IntArray
    has_identity: BoolArray
    times: DoubleArray | None
    tracklet_ids: IntArray | None
    boxes: IntArray | None


def check_rows(num_rows: int, *, table: Path) -> None:
    """Refuse more rows than a table of crops has.

    Raises:
        DataError: If there are more than `MOST_ROWS`.
    """
    if num_rows > MOST_ROWS:
        raise DataError(f"{table} has {num_rows:,} rows, at most {MOST_ROWS:,} are read. Split the table.")


def splits_of_table(table: CropTable) -> DataSplits:
    """Return the splits of the rows; a row without a split is train.

    Raises:
        DataError: If a path or camera is empty, a value cannot be understood, a file is missing, a crop is listed
            twice, there are queries but no gallery, or an identity is both in train and in query or gallery.
    """
    _check_filled(table, "path")
    names = {
        column: plain_values(table.columns[column], table.places, column=column)
        for column in ("identity", "tracklet")
        if column in table.columns
    }
    cameras = cameras_by(table.camera_parts, table.columns, table.places)
    followed_by = _followed_by(cameras, table)
    table = replace(table, columns={**table.columns, **names, "camera": cameras})
    rows = _rows_of_splits(table)
    _check_files(table)
    crops = _numbers(table, followed_by)
    _check_listed_once(table, crops, rows)
    _check_identities_apart(table, crops, rows)
    sets = {split: _crop_set(table.name, split, crops, rows[split]) for split in SPLITS if rows[split]}
    return DataSplits(table.name, sets.get("train"), sets.get("query"), sets.get("gallery"))


def _followed_by(cameras: Sequence[str], table: CropTable) -> Sequence[str]:
    """Return what names of tracklets are unique within: also the camera that is told, where something stands for it."""
    if "camera" in table.camera_parts or "camera" not in table.columns:
        return cameras
    return [" + ".join(pair) for pair in zip(cameras, table.columns["camera"], strict=True)]


def _numbers(table: CropTable, followed_by: Sequence[str]) -> _Crops:
    cameras, identities = table.columns["camera"], table.column("identity")
    camera_names = tuple(natural_order(cameras))
    camera_of = {camera: number for number, camera in enumerate(camera_names)}
    boxes = None
    if table.box is not None:
        boxes = boxes_within_frames(table.columns, table.box, table.paths, table.places, name=table.name)
    return _Crops(
        paths=table.paths,
        camera_ids=np.array([camera_of[camera] for camera in cameras], dtype=np.int64),
        camera_names=camera_names,
        identity_ids=identity_numbers(identities, table.places),
        has_identity=np.array([value != "" for value in identities]),
        times=times_in_seconds(table.column("time"), table.places),
        tracklet_ids=tracklet_numbers(table.column("tracklet"), followed_by),
        boxes=boxes,
    )


def _check_filled(table: CropTable, column: str) -> None:
    empty = [at for at, value in enumerate(table.columns[column]) if not value]
    if empty:
        more = f" ({len(empty)} rows like this)" if len(empty) > 1 else ""
        raise DataError(f"{table.places[empty[0]]}: {column} is empty{more}. Each crop needs a path and a camera.")


def _rows_of_splits(table: CropTable) -> dict[str, list[int]]:
    """Return the rows of each split; all are train where nothing else is said."""
    rows: dict[str, list[int]] = {split: [] for split in SPLITS}
    for at, split in enumerate(table.column("split")):
        if (split or "train") not in rows:
            raise DataError(f"{table.places[at]}: split {split!r} is none of {', '.join(SPLITS)} (empty is train).")
        rows[split or "train"].append(at)
    return rows


def _check_files(table: CropTable) -> None:
    """Refuse paths at which there is no file."""
    missing = {path for path, file in table.files.items() if file is None}
    if missing:
        at = next(at for at, path in enumerate(table.paths) if path in missing)
        hint = " Write / between folders, not \\." if "\\" in table.columns["path"][at] else ""
        raise DataError(
            f"{table.places[at]}: there is no file {table.paths[at]} ({len(missing)} of {len(table.files)} files "
            f"are missing). Relative paths start from {table.folder}.{hint}"
        )


def _check_listed_once(table: CropTable, crops: _Crops, rows: Mapping[str, list[int]]) -> None:
    """Refuse a file of two cameras, and a crop that is listed twice, except once as query and once as gallery."""
    boxes = _boxes_as_lists(crops)
    files = [table.files[path] for path in crops.paths]
    camera_of: dict[Hashable, int] = {}
    for at, file in enumerate(files):
        first = camera_of.setdefault(file, at)
        # What stands for a camera, such as the flank that is seen, may differ within a picture.
        if crops.camera_ids[first] != crops.camera_ids[at] and tuple(table.camera_parts) == ("camera",):
            here, before = (crops.camera_names[crops.camera_ids[row]] for row in (at, first))
            raise DataError(
                f"{table.places[at]}: {crops.paths[at]} is of camera {here} here and of camera {before} before "
                f"({table.places[first]}{_spelled(crops, first, at)}). One camera takes a picture."
            )
    # Query and gallery are never compared with each other: a crop may be in both.
    for splits in (("train", "query"), ("train", "gallery")):
        seen: dict[tuple[object, ...], int] = {}
        for at in (at for split in splits for at in rows[split]):
            first = seen.setdefault((files[at], *boxes[at]), at)
            if first != at:
                raise DataError(
                    f"{table.places[at]}: {crops.paths[at]} is listed twice, here and before "
                    f"({table.places[first]}{_spelled(crops, first, at)})"
                    f"{', with the same box' if boxes[at] else ''}. List each crop once."
                )


def _spelled(crops: _Crops, first: int, at: int) -> str:
    """Return how another row spells the path of the same file, "" if it spells it alike."""
    return "" if crops.paths[first] == crops.paths[at] else f": the same file as {crops.paths[first]}"


def _check_identities_apart(table: CropTable, crops: _Crops, rows: Mapping[str, list[int]]) -> None:
    train, tested = (
        {int(crops.identity_ids[at]): at for split in splits for at in rows[split] if crops.identity_ids[at] > 0}
        for splits in (("train",), ("query", "gallery"))
    )
    shared = sorted(train.keys() & tested.keys())
    if shared:
        ours, other = train[shared[0]], tested[shared[0]]
        raise DataError(
            f"{table.name}: identities both in train and in query or gallery: {len(shared)}, e.g. "
            f"{table.columns['identity'][ours]} ({table.places[ours]}; {table.places[other]}). A test on people seen "
            "in training says nothing; keep each person on one side."
        )


def _crop_set(table_name: str, split: str, crops: _Crops, rows: list[int]) -> CropSet:
    name, boxes = f"{table_name} {split}", _boxes_as_lists(crops)
    # Also brings boxes of one frame side by side: it is decoded once for all of them.
    order = sorted(rows, key=lambda at: (crops.paths[at].as_posix(), boxes[at]))
    has_identities = bool(crops.has_identity[order].any())
    if has_identities:
        _warn_of_identities(crops, order, split, name=name)
    return CropSet(
        paths=tuple(crops.paths[at] for at in order),
        camera_ids=crops.camera_ids[order],
        camera_names=crops.camera_names,
        identity_ids=crops.identity_ids[order] if has_identities else None,
        times=None if crops.times is None else crops.times[order],
        tracklet_ids=None if crops.tracklet_ids is None else crops.tracklet_ids[order],
        boxes=None if crops.boxes is None else crops.boxes[order],
        name=name,
    )


def _warn_of_identities(crops: _Crops, order: list[int], split: str, *, name: str) -> None:
    num_unknown = int((~crops.has_identity[order]).sum())
    if num_unknown:
        logger.warning(
            "%s: %d of %d crops have no identity; where identities are used, they count as junk (-1).",
            name,
            num_unknown,
            len(order),
        )
    num_distractors = int((crops.identity_ids[order] == DISTRACTOR_IDENTITY).sum())
    if num_distractors and split != "gallery":
        logger.warning(
            "%s: %d crops have identity 0, which stands for people who are nobody's match. Number people from 1.",
            name,
            num_distractors,
        )


def _boxes_as_lists(crops: _Crops) -> list[list[int]]:
    """Return the box of each row, empty lists where there are no boxes."""
    return [[]] * len(crops.paths) if crops.boxes is None else crops.boxes.tolist()
