"""Corrections as a table that people read, edit and give back: CSV with a line for each.

Columns: number, kind (same, different), first and second (keys of sightings, with blanks between), a picture of one
crop of each side, made (UTC), by, undone (yes or empty). Beside a gallery in a folder it is written anew after each
change: `cameras.corrections.csv` for `cameras.db`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from iics.atomic import check_folder_of, write_atomically
from iics.csv_text import csv_text
from iics.errors import PeopleError, WriteError
from iics.gallery.connection import is_server
from iics.gallery.gallery import DEFAULT_COLLECTION, Gallery
from iics.gallery.matches import Match
from iics.home_folder import expanded
from iics.people.corrections import Correction, Kind
from iics.people.kept import Kept
from iics.people.store import PeopleStore
from iics.readers.csv_table import csv_rows

COLUMNS = ("number", "kind", "first", "second", "first_picture", "second_picture", "made", "by", "undone")
_ENDING = ".csv"
_MOST_DIGITS = 18
_YES = ("yes", "true", "1", "x")


@dataclass(frozen=True)
class CorrectionLine:
    """A line of the file.

    Attributes:
        place: Its file and line, for messages.
        number: Of the correction; None for a new one.
        kind: same or different.
        first: Keys of sightings.
        second: Keys of others.
        by: Who says so.
        is_undone: Whether it is undone.
    """

    place: str
    number: int | None
    kind: Kind
    first: tuple[str, ...]
    second: tuple[str, ...]
    by: str
    is_undone: bool


def mirror_path(gallery: Gallery) -> Path | None:
    """Return where corrections of a gallery in a folder stand; None with a server."""
    if is_server(gallery.uri):
        return None
    folder = expanded(gallery.uri).absolute()
    name = "" if gallery.collection == DEFAULT_COLLECTION else f".{gallery.collection}"
    return folder.with_name(f"{folder.stem}{name}.corrections.csv")


def mirror(store: PeopleStore) -> None:
    """Write the file beside a gallery in a folder anew, once there is a correction."""
    path = mirror_path(store.gallery)
    if path is not None and store.kept().corrections:
        write_corrections(store, path)


def check_corrections_path(path: Path) -> None:
    """Refuse a file that no corrections can be written to, before anything is computed.

    Raises:
        WriteError: If it does not end in .csv, or cannot be made there.
    """
    if path.suffix.lower() != _ENDING:
        raise WriteError(f"Corrections are written as {_ENDING}; {path} ends in {path.suffix or 'nothing'}.")
    check_folder_of(path)


def write_corrections(store: PeopleStore, path: Path) -> None:
    """Write all corrections into a file.

    Raises:
        WriteError: If it cannot be written.
    """
    kept = store.kept()
    corrections = [kept.corrections[number] for number in sorted(kept.corrections)]
    shown_crops = {
        key: kept.sightings[key].crop_ids[0]
        for each in corrections
        for side in (each.first, each.second)
        for key in kept.present_keys(side)[:1]
    }
    rows = store.gallery.rows_by_id(list(shown_crops.values()))
    pictures = {key: Match.from_row(rows[crop]).place for key, crop in shown_crops.items() if crop in rows}
    write_atomically(path, csv_text([COLUMNS, *(_cells(kept, each, pictures) for each in corrections)]))


def read_corrections(path: Path) -> list[CorrectionLine]:
    """Return the lines of a file.

    Raises:
        DataError: If it cannot be read, or is no table.
        PeopleError: If a column is missing, or a line is none.
    """
    names, rows, places = csv_rows(expanded(path), known=COLUMNS)
    missing = [name for name in ("kind", "first", "second") if name not in names]
    if missing:
        raise PeopleError(
            f"The corrections {path} need the columns kind, first and second, and {missing[0]} is missing; its first "
            f"line has {', '.join(names)}."
        )
    twice = [name for name in COLUMNS if names.count(name) > 1]
    if twice:
        raise PeopleError(f"The corrections {path} have two columns {twice[0]}; leave one.")
    return [_line(place, dict(zip(names, cells, strict=True))) for place, cells in zip(places, rows, strict=True)]


def _line(place: str, values: Mapping[str, str]) -> CorrectionLine:
    number = values.get("number", "")
    if number and not (number.isdecimal() and len(number) <= _MOST_DIGITS):
        raise PeopleError(f"{place}: this line has the number {number!r:.40}; leave it empty for a new correction.")
    kind = next((each for each in get_args(Kind) if each == values["kind"]), None)
    if kind is None:
        raise PeopleError(f"{place}: this line has the kind {values['kind']!r}; it must be same or different.")
    first, second = (tuple(values[name].split()) for name in ("first", "second"))
    if not first or not second:
        raise PeopleError(f"{place}: this line needs sightings in first and second, with blanks between.")
    undone = values.get("undone", "").lower()
    if undone not in (*_YES, "", "no", "false", "0"):
        raise PeopleError(f"{place}: this line has {undone!r} in undone; it must be yes or empty.")
    return CorrectionLine(
        place, int(number) if number else None, kind, first, second, values.get("by", ""), undone in _YES
    )


def _cells(kept: Kept, correction: Correction, pictures: dict[str, str]) -> Sequence[object]:
    def picture(side: tuple[str, ...]) -> str:
        return next((pictures.get(key, "") for key in kept.present_keys(side)[:1]), "")

    made = datetime.fromtimestamp(correction.made, UTC).isoformat(timespec="seconds")
    return (
        correction.number,
        correction.kind,
        " ".join(correction.first),
        " ".join(correction.second),
        picture(correction.first),
        picture(correction.second),
        made,
        correction.by,
        "yes" if correction.is_undone else "",
    )
