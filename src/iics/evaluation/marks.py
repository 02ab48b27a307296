"""Marks: people's verdicts on matches, right or wrong, and their table.

One line per mark: time, query, crop, verdict, and the similarity of the two. A query is identified by the hash of
its file, so that its mark is found again under any file name. Texts that a spreadsheet would take for formulas are
written with an apostrophe before them, and read without it. The last cell is a checksum of the others, empty in a
line made or changed by hand; tables of older versions have none.
"""

from __future__ import annotations

import csv
import io
import math
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, cast, get_args

from iics.csv_text import csv_text
from iics.errors import DataError
from iics.plausible_times import implausibility, seconds_of_date
from iics.regular_file import MOST_TABLE_BYTES, read_regular

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
"""How a formula begins; behind apostrophes as well, so that a text that looks escaped already comes back as it was."""
Verdict = Literal["right", "wrong"]
_MOST_DIGITS = 18  # of a rank: Python makes no number of more than 4,300


def safe_cell(text: str) -> str:
    """Return a text as a spreadsheet may open it."""
    return f"'{text}" if _FORMULA.match(text) else text


def plain_cell(cell: str) -> str:
    """Return the text of a cell that `safe_cell` wrote."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


@dataclass(frozen=True)
class Mark:
    """A verdict on one match; the fields are the table's columns.

    Attributes:
        marked_at: When, ISO 8601.
        query: SHA-256 of the query's file, in hexadecimal.
        query_name: What the file was called.
        crop_id: The match, by its number in the gallery.
        path: The match's file.
        camera: Camera of the match.
        verdict: Whether the match shows the person of the query.
        rank: Place of the match among those that were shown, from 1.
        similarity: Cosine of the two features.
        model: Fingerprint of the model that computed them.
    """

    marked_at: str
    query: str
    query_name: str
    crop_id: str
    path: str
    camera: str
    verdict: Verdict
    rank: int
    similarity: float
    model: str

    @property
    def pair(self) -> tuple[str, str, str]:
        """What a later mark replaces: the same query and crop under the same model."""
        return self.query, self.crop_id, self.model


MARK_COLUMNS = tuple(field.name for field in fields(Mark))
CHECK_COLUMN = "check"


def marks_table(marks: Iterable[Mark]) -> str:
    """Return marks as CSV, a header first; `read_marks` reads all of it again.

    Raises:
        DataError: If a field is too long to be read again, or cannot be written as UTF-8.
    """
    return csv_text([(*MARK_COLUMNS, CHECK_COLUMN), *map(_cells, marks)])


def _cells(mark: Mark) -> list[str]:
    """Return the fields of a mark as text, each such that it can be read again, and their checksum."""
    values = {name: getattr(mark, name) for name in MARK_COLUMNS}
    cells = {name: safe_cell(value) if isinstance(value, str) else str(value) for name, value in values.items()}
    for name, cell in cells.items():
        if len(cell) > csv.field_size_limit():
            raise DataError(f"The {name} of a mark has {len(cell)} characters, at most {csv.field_size_limit()} fit.")
        try:
            cell.encode(errors="surrogateescape")
        except UnicodeEncodeError as error:
            raise DataError(f"The {name} of a mark, {cell!r}, cannot be written: {error.reason}.") from error
    return [*cells.values(), _checksum(cells.values())]


def _checksum(cells: Iterable[str]) -> str:
    """Return a checksum that a spreadsheet does not take for a number."""
    return f"c{zlib.crc32(chr(0).join(cells).encode(errors='surrogateescape')):08x}"


def read_marks(file: Path) -> tuple[Mark, ...]:
    """Return the marks in a file, in its order.

    Raises:
        DataError: If the file is missing, is no table of marks, or a line is damaged; the line is named.
    """
    try:
        # Not read as text, which would change carriage returns in fields.
        text = read_regular(file, most_bytes=MOST_TABLE_BYTES).decode(errors="surrogateescape")
    except OSError as error:
        raise DataError(f"Cannot read marks from {file}: {error.strerror or error}.") from error
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        header = next(rows, None)
    except csv.Error as error:
        raise DataError(f"{file}, line 1: {error}.") from error
    num_checks = 0 if header is None else header[len(MARK_COLUMNS) :].count(CHECK_COLUMN)
    if header is None or tuple(header) != (*MARK_COLUMNS, *[CHECK_COLUMN] * num_checks) or num_checks > 1:
        raise DataError(
            f"{file} is no table of marks: its first line must be {','.join(MARK_COLUMNS)}. iics app writes one."
        )
    try:
        return tuple(_mark(row, f"{file}, line {rows.line_num}", num_checks) for row in rows)
    except csv.Error as error:
        raise DataError(f"{file}, line {rows.line_num}: {error}.") from error


def _mark(row: list[str], place: str, num_checks: int) -> Mark:
    if len(row) != len(MARK_COLUMNS) + num_checks:
        raise DataError(
            f"{place} has {len(row)} fields, a mark has {len(MARK_COLUMNS) + num_checks}. Restore or remove the line."
        )
    *row, check = row if num_checks else [*row, ""]
    if check and check != _checksum(row):
        raise DataError(
            f"{place} is not as iics app wrote it. Restore or remove the line; if it was changed on purpose, empty its "
            f"{CHECK_COLUMN}."
        )
    values = dict(zip(MARK_COLUMNS, map(plain_cell, row), strict=True))
    verdict, rank, similarity = values["verdict"], values["rank"], values["similarity"]
    if verdict not in get_args(Verdict):
        raise DataError(f"{place}: verdict {verdict!r} is neither right nor wrong.")
    if not rank.isdecimal() or len(rank) > _MOST_DIGITS or int(rank) < 1:
        raise DataError(f"{place}: rank {rank!r} is not a number from 1.")
    try:
        is_cosine = math.isfinite(float(similarity))
        fault = implausibility(seconds_of_date(values["marked_at"]))
    except ValueError as error:
        raise DataError(f"{place}: {error}.") from error
    if fault is not None:
        raise DataError(f"{place}: marked_at {values['marked_at']} {fault}.")
    if not is_cosine:
        raise DataError(f"{place}: similarity {similarity!r} is not a finite number.")
    return Mark(
        marked_at=values["marked_at"],
        query=values["query"],
        query_name=values["query_name"],
        crop_id=values["crop_id"],
        path=values["path"],
        camera=values["camera"],
        verdict=cast(Verdict, verdict),
        rank=int(rank),
        similarity=float(similarity),
        model=values["model"],
    )
