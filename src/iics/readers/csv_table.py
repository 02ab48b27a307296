"""A CSV file that lists crops -> CropSets."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from iics.data_splits import DataSplits
from iics.errors import DataError
from iics.home_folder import expanded
from iics.readers.camera_rule import warn_of_one_camera
from iics.readers.column_names import TABLE_COLUMNS, check_columns, may_stand_for_camera, used_columns
from iics.readers.table import CropTable, check_rows, splits_of_table
from iics.regular_file import MOST_TABLE_BYTES, read_regular

SEPARATORS = ",;\t"


def load_csv(file: Path | str, *, camera_by: str | None = None) -> DataSplits:
    """Return the crops that a CSV file lists: docs/your_cameras.md names the columns.

    Args:
        file: UTF-8 text, separated by commas, semicolons or tabs, with a line of column names first: `path` and
            mostly `camera`, perhaps `identity`, `time`, `tracklet`, `split`, and `left`, `top`, `width`, `height` of a
            box. Relative paths start from the file's folder.
        camera_by: Columns, or `day`, that stand for the camera, or `none` for one camera (docs/weak_cameras.md).

    Returns:
        Train and, if rows say so, query and gallery. Crops are in order of paths and boxes, cameras in natural
        order.

    Raises:
        DataError: If the file cannot be read, or a column or value not be understood; the message names the line.
    """
    path = expanded(file).absolute()
    names, rows, places = csv_rows(path, known=TABLE_COLUMNS)
    box, camera = check_columns(names, table=path.name, camera_by=camera_by)
    used = used_columns(box, camera)
    columns = {name: [row[at] for row in rows] for at, name in enumerate(names) if name in used}
    if camera_by is None and not camera:
        warn_of_one_camera(len(rows), what=f"{path.name} has no column camera", names=may_stand_for_camera(names))
    return splits_of_table(CropTable(path.stem, path.parent, columns, places, box, camera))


def csv_rows(path: Path, *, known: Sequence[str]) -> tuple[list[str], list[list[str]], list[str]]:
    """Return the column names of a CSV file, the rows below them, and where each of those stands.

    Args:
        path: UTF-8 text, separated by what finds most known names.
        known: Names of columns.

    Raises:
        DataError: If the file cannot be read, or is no CSV.
    """
    text = _text(path)
    separator = max(SEPARATORS, key=lambda each: len(_known_names(text, each, known)))
    return _rows(text, separator, path, known)


def _text(path: Path) -> str:
    """Return the text of a file without the mark that some programs put before it."""
    try:
        data = read_regular(path, most_bytes=MOST_TABLE_BYTES)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}. Give a CSV file.") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: this is no UTF-8 text. Save the table as CSV in UTF-8.") from error


def _known_names(text: str, separator: str, known: Sequence[str]) -> set[str]:
    first_line = text.lstrip().partition("\n")[0]
    return {name.strip().strip('"') for name in first_line.split(separator)} & set(known)


def _rows(text: str, separator: str, path: Path, known: Sequence[str]) -> tuple[list[str], list[list[str]], list[str]]:
    """Return the column names, the rows below them, and where each of those stands."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    names: list[str] = []
    rows: list[list[str]] = []
    places: list[str] = []
    line = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not names and any(cells):
                names = cells
            elif any(cells):
                if len(cells) != len(names):
                    raise DataError(
                        f"{path}, line {line}: {len(cells)} values, but there are {len(names)} columns. Put values "
                        f"that hold {separator!r} in double quotes."
                    )
                rows.append(cells)
                check_rows(len(rows), table=path)
                places.append(f"{path.name}, line {line}")
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, line {line}: this is no CSV: {error}.") from error
    if not rows:
        found = "has no row below its column names" if names else "is empty"
        columns = ", ".join(known[:2])
        raise DataError(f"{path} {found}; a line of column names ({columns}, ...) and rows below it are needed.")
    return names, rows, places
