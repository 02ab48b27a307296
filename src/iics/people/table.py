"""The people of a gallery as a table, a row a sighting: CSV, or Parquet by the ending of its file.

Columns: person, camera, tracklet, from, to, certainty, crops, sighting. Cells are empty where nothing is known.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from iics.atomic import check_folder_of, write_atomically
from iics.csv_text import csv_text
from iics.errors import WriteError
from iics.people.book import SeenPerson
from iics.plausible_times import TEN_YEARS

COLUMNS = ("person", "camera", "tracklet", "from", "to", "certainty", "crops", "sighting")
_CSV, _PARQUET = ".csv", ".parquet"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRACKLET_MARK = "t"
_DECIMALS = 4


def check_table_path(path: Path) -> None:
    """Refuse a file that no table can be written to, before anything is computed.

    Raises:
        WriteError: If it ends in neither .csv nor .parquet, pyarrow is missing for the latter, or it cannot be made
            there.
    """
    ending = path.suffix.lower()
    if ending not in (_CSV, _PARQUET):
        raise WriteError(f"A table is written as .csv or .parquet; {path} ends in {ending or 'nothing'}.")
    check_folder_of(path)
    if ending == _PARQUET:
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise WriteError(
                "Parquet files need pyarrow: pip install 'iics[parquet]'. Or write the table as .csv."
            ) from error


def write_table(seen: Sequence[SeenPerson], path: Path, *, zone: tzinfo = UTC) -> None:
    """Write the sightings of people, in the order given, whole or not at all; times in a zone.

    Raises:
        WriteError: As `check_table_path`, or if the file cannot be written.
    """
    check_table_path(path)
    write_atomically(path, as_csv(seen, zone) if path.suffix.lower() == _CSV else as_parquet(seen, zone))


def as_csv(seen: Sequence[SeenPerson], zone: tzinfo = UTC) -> str:
    """Return the table as CSV; times as ISO 8601 in a zone, or as seconds where a recording has no date."""
    rows = [
        (
            one.person,
            one.camera,
            "" if (tracklet := tracklet_of(one.key)) is None else tracklet,
            _moment(one.first, zone),
            _moment(one.last, zone),
            f"{one.certainty:.{_DECIMALS}f}",
            len(one.crop_ids),
            one.key,
        )
        for one in seen
    ]
    return csv_text([COLUMNS, *rows])


def as_parquet(seen: Sequence[SeenPerson], zone: tzinfo = UTC) -> bytes:
    """Return the table as Parquet; times as time stamps in a zone, those of a recording without a date from 1970 on."""
    import pyarrow as arrow
    from pyarrow import parquet

    moment = arrow.timestamp("us", tz=str(zone))
    kinds = (
        arrow.int64(),
        arrow.string(),
        arrow.int64(),
        moment,
        moment,
        arrow.float64(),
        arrow.int64(),
        arrow.string(),
    )
    values = (
        [one.person for one in seen],
        [one.camera for one in seen],
        [tracklet_of(one.key) for one in seen],
        [_stamp(one.first) for one in seen],
        [_stamp(one.last) for one in seen],
        [one.certainty for one in seen],
        [len(one.crop_ids) for one in seen],
        [one.key for one in seen],
    )
    arrays = [arrow.array(column, kind) for column, kind in zip(values, kinds, strict=True)]
    content = io.BytesIO()
    parquet.write_table(arrow.Table.from_arrays(arrays, names=list(COLUMNS)), content)
    return content.getvalue()


def tracklet_of(key: str) -> int | None:
    """Return the gallery's number of the tracklet that a sighting is; None if it is a crop by itself."""
    number = key.removeprefix(_TRACKLET_MARK)
    return int(number) if number != key else None


def _moment(seconds: float | None, zone: tzinfo) -> str:
    if seconds is None:
        return ""
    if seconds < TEN_YEARS:  # counts from the start of a recording
        return f"{seconds:.3f}"
    return (_EPOCH + timedelta(seconds=seconds)).astimezone(zone).isoformat(timespec="milliseconds")


def _stamp(seconds: float | None) -> datetime | None:
    return None if seconds is None else _EPOCH + timedelta(seconds=seconds)
