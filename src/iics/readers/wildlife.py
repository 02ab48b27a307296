"""The metadata table of wildlife-datasets (Cermak et al., WACV 2024) -> CropSets.

A row is one animal in one picture: image_id, identity and path (from the table's folder), and perhaps bbox ([x, y,
width, height] in pixels), date, split, and others. An identity `unknown` is nobody known. Identities become numbers
from 1 in natural order: theirs may be names, or start at 0. What decides here and not there is the camera: it is the
column camera or, where there is none, orientation (formerly position), the flank that is shown; else all crops are of
one camera. Across flanks nothing can be compared, and single cameras are no rule for animals: measure with --protocol
any-camera.

Parts (split or original_split): train is what is trained on, test what is searched in, if they share no individual.
If they do, train is the catalogue (gallery), and test what is searched for in it (query), as database and query are.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from iics.data_splits import DataSplits
from iics.errors import DataError
from iics.home_folder import expanded
from iics.natural_order import natural_order
from iics.readers.box_columns import BoxColumns
from iics.readers.csv_table import csv_rows
from iics.readers.table import CropTable, splits_of_table

logger = logging.getLogger(__name__)

REQUIRED = ("image_id", "identity", "path")
UNKNOWN = ("", "unknown")
METADATA = "metadata.csv"
_CAMERAS = ("camera", "orientation", "position")
_SPLITS = ("split", "original_split")
_COLUMNS = (*REQUIRED, "bbox", "date", *_CAMERAS, *_SPLITS)
_PARTS = {"": "", "train": "train", "test": "test", "database": "gallery", "gallery": "gallery", "query": "query"}
_NO_DATE = re.compile(r"[0-9]{1,4}(\.[0-9]*)?")


def load_wildlife(file: Path | str) -> DataSplits:
    """Return the crops of a metadata table of wildlife-datasets: its `df.to_csv`, or a published `metadata.csv`.

    Args:
        file: The table, or the folder in which it is called metadata.csv. Paths start from its folder.

    Returns:
        Train, or query and gallery, as the split column says; all are train without one.

    Raises:
        DataError: If the file cannot be read, or a column or value not be understood; the message names the line.
    """
    path = expanded(file).absolute()
    path = path / METADATA if path.is_dir() else path
    names, rows, places = csv_rows(path, known=_COLUMNS)
    table = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    _check_columns(table, names, places, path)
    columns = {
        "path": table["path"],
        "identity": _numbered(table["identity"]),
        "camera": _cameras(table, path.name),
        "time": _dates(table.get("date", []), places),
        "split": _parts(table, places),
    }
    box = BoxColumns(("bbox",), "corner and size") if any(table.get("bbox", [])) else None
    columns = {name: values for name, values in columns.items() if values} | (
        {} if box is None else {"bbox": table["bbox"]}
    )
    return splits_of_table(CropTable(path.stem, path.parent, columns, places, box))


def _check_columns(table: dict[str, list[str]], names: Sequence[str], places: Sequence[str], path: Path) -> None:
    for needed in REQUIRED:
        if names.count(needed) != 1:
            found = "twice" if needed in names else "not at all"
            raise DataError(
                f"{path.name} has the column {needed} {found}; a table of wildlife-datasets has image_id, identity and "
                "path. Read other tables as csv (docs/your_cameras.md)."
            )
    first: dict[str, int] = {}
    for at, image_id in enumerate(table["image_id"]):
        before = first.setdefault(image_id, at)
        if before != at:
            raise DataError(
                f"{places[at]}: image_id {image_id!r} is in {places[before]} before; each row has its own. Number the "
                "rows anew."
            )


def _numbered(identities: Sequence[str]) -> list[str]:
    """Return identities as numbers from 1 in natural order, "" for nobody known."""
    people = natural_order(set(identities).difference(UNKNOWN))
    numbers = dict.fromkeys(UNKNOWN, "") | {name: str(number) for number, name in enumerate(people, start=1)}
    return [numbers[name] for name in identities]


def _cameras(table: dict[str, list[str]], name: str) -> list[str]:
    column = next((column for column in _CAMERAS if any(table.get(column, []))), None)
    if column == "camera":
        return table["camera"]
    if column is None:
        logger.warning(
            "%s has no column camera: all crops count as one camera's. Name a column camera (a trap, site or session) "
            "to train across it; measure with --protocol any-camera.",
            name,
        )
        return ["all"] * len(table["path"])
    logger.warning(
        "%s has no column camera: %s stands for it. Measure with --protocol any-camera, for crops of two flanks do "
        "not show the same pattern.",
        name,
        column,
    )
    return [value or "not said" for value in table[column]]


def _dates(dates: Sequence[str], places: Sequence[str]) -> list[str]:
    for at, date in enumerate(dates):
        if _NO_DATE.fullmatch(date):
            raise DataError(
                f"{places[at]}: date {date!r} is no day. Write a date (2012-05-31, or 2012-05-31 14:30:00), or leave "
                "it empty."
            )
    return list(dates)


def _parts(table: dict[str, list[str]], places: Sequence[str]) -> list[str]:
    column = next((column for column in _SPLITS if any(table.get(column, []))), None)
    if column is None:
        return []
    parts = [part.lower() for part in table[column]]
    for at, part in enumerate(parts):
        if part not in _PARTS:
            raise DataError(
                f"{places[at]}: {column} is {table[column][at]!r}; known are {', '.join(filter(None, _PARTS))}. "
                "Rename it, or the column."
            )
    of_part = {
        part: {who for who, its in zip(table["identity"], parts, strict=True) if its == part} - set(UNKNOWN)
        for part in ("train", "test")
    }
    meant = dict(_PARTS)
    if of_part["train"] & of_part["test"] or "query" in parts:
        meant |= {"train": "gallery", "test": "query"}
    else:
        meant |= {"test": "gallery"}
    return [meant[part] for part in parts]
