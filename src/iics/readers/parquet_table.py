"""A Parquet file that lists crops -> CropSets; the columns are those of a CSV file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iics.data_splits import DataSplits
from iics.errors import DataError
from iics.home_folder import expanded
from iics.readers.box_columns import BoxColumns
from iics.readers.camera_rule import warn_of_one_camera
from iics.readers.column_names import check_columns, may_stand_for_camera, used_columns
from iics.readers.table import CropTable, check_rows, splits_of_table
from iics.regular_file import check_regular

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def load_parquet(file: Path | str, *, camera_by: str | None = None) -> DataSplits:
    """Return the crops that a Parquet file lists: the columns of `load_csv`, as text, numbers or time stamps.

    Args:
        file: The file; needs pyarrow. Relative paths start from its folder.
        camera_by: As for `load_csv`.

    Raises:
        DataError: If pyarrow is missing, the file cannot be read, or a column or value not be understood; the message
            names the row, counted from 1.
    """
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise DataError(
            "Parquet files need pyarrow: pip install 'iics[parquet]'. Or write the table as CSV."
        ) from error
    path = expanded(file).absolute()
    try:
        check_regular(path)
        opened = parquet.ParquetFile(path)
        names = opened.schema_arrow.names
        box, camera = check_columns(names, table=path.name, camera_by=camera_by)
        used = used_columns(box, camera)
        check_rows(opened.metadata.num_rows, table=path)
        table = opened.read(columns=[name for name in names if name in used])
        columns = {name: _as_text(table.column(name), name, path, box) for name in table.column_names}
    except (OSError, ValueError, OverflowError, arrow.ArrowException) as error:  # ValueError of text that is no UTF-8
        reason = getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"Cannot read {path}: {reason.rstrip('.')}. Give a Parquet file that lists crops.") from error
    if table.num_rows == 0:
        raise DataError(f"{path} has no row; a row a crop is needed.")
    places = [f"{path.name}, row {number}" for number in range(1, table.num_rows + 1)]
    if camera_by is None and not camera:
        warn_of_one_camera(table.num_rows, what=f"{path.name} has no column camera", names=may_stand_for_camera(names))
    return splits_of_table(CropTable(path.stem, path.parent, columns, places, box, camera))


def _as_text(column: Any, name: str, path: Path, box: BoxColumns | None) -> list[str]:
    """Return the values of a column as they would stand in a CSV file; null and NaN as nothing."""
    import pyarrow as arrow

    kind = column.type
    if arrow.types.is_dictionary(kind):
        kind = kind.value_type
        column = column.cast(kind)
    is_list = arrow.types.is_list(kind) or arrow.types.is_large_list(kind) or arrow.types.is_fixed_size_list(kind)
    if is_list and box is not None and box.names == (name,):
        return ["" if cell is None else " ".join(map(_cell, cell)) for cell in column.to_pylist()]
    if arrow.types.is_timestamp(kind):
        per_second = _PER_SECOND[kind.unit]
        moments = column.cast(arrow.int64()).to_pylist()
        return ["" if moment is None else repr(moment / per_second) for moment in moments]
    is_text = arrow.types.is_string(kind) or arrow.types.is_large_string(kind) or arrow.types.is_string_view(kind)
    is_number = arrow.types.is_integer(kind) or arrow.types.is_floating(kind) or arrow.types.is_decimal(kind)
    if not (is_text or is_number or arrow.types.is_null(kind) or arrow.types.is_date(kind)):
        raise DataError(f"{path}: column {name} is of type {kind}; text, numbers or time stamps are needed.")
    return [_cell(value) for value in column.to_pylist()]


def _cell(value: object) -> str:
    if value is None or value != value:  # NaN is not itself, and is what pandas writes for nothing
        return ""
    if isinstance(value, float) and value.is_integer():  # whole numbers beside a NaN
        return str(int(value))
    return str(value).strip()
