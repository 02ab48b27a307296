"""The table of people: CSV and Parquet."""

import csv
import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from iics.errors import WriteError
from iics.people.book import SeenPerson
from iics.people.table import COLUMNS, as_csv, as_parquet, check_table_path, write_table

MORNING = datetime(2026, 3, 1, 8, 0, 5, 250_000, tzinfo=UTC).timestamp()
SEEN = (
    SeenPerson("t29099338021799", 1, 0.93127, "lobby", MORNING, MORNING + 2, ("a", "b", "c")),
    SeenPerson("ab12", 2, 1.0, 'yard, "north"', None, None, ("ab12",)),
    SeenPerson("t7", 2, 0.5, "straße", 751.5, 760.0, ("d", "e")),  # a recording without a date
)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_tells_person_camera_tracklet_from_to_certainty_and_crops():
    assert rows_of(as_csv(SEEN))[0] == {
        "person": "1",
        "camera": "lobby",
        "tracklet": "29099338021799",
        "from": "2026-03-01T08:00:05.250+00:00",
        "to": "2026-03-01T08:00:07.250+00:00",
        "certainty": "0.9313",
        "crops": "3",
        "sighting": "t29099338021799",
    }


def test_a_crop_by_itself_has_no_tracklet_and_what_is_not_known_is_empty():
    row = rows_of(as_csv(SEEN))[1]
    assert (row["tracklet"], row["from"], row["to"], row["sighting"]) == ("", "", "", "ab12")
    assert row["camera"] == 'yard, "north"'


def test_times_of_a_recording_without_a_date_are_seconds():
    assert rows_of(as_csv(SEEN))[2]["from"] == "751.500"


def test_times_are_told_in_a_zone():
    zone = ZoneInfo("Europe/Berlin")
    assert [row["from"] for row in rows_of(as_csv(SEEN, zone))] == ["2026-03-01T09:00:05.250+01:00", "", "751.500"]
    parquet = pytest.importorskip("pyarrow.parquet")
    first = parquet.read_table(io.BytesIO(as_parquet(SEEN, zone))).column("from")
    assert str(first.type) == "timestamp[us, tz=Europe/Berlin]"
    assert first[0].as_py().timestamp() == MORNING


def test_parquet_holds_the_same_rows_with_kinds():
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(io.BytesIO(as_parquet(SEEN)))
    assert tuple(table.column_names) == COLUMNS
    first, second, third = table.to_pylist()
    assert first["from"] == datetime.fromtimestamp(MORNING, UTC)
    assert (first["tracklet"], first["certainty"], first["crops"]) == (29099338021799, 0.93127, 3)
    assert (second["tracklet"], second["from"]) == (None, None)
    assert third["camera"] == "straße"
    assert third["from"] == datetime(1970, 1, 1, 0, 12, 31, 500_000, tzinfo=UTC)


def test_nobody_is_a_table_of_headings(tmp_path):
    pytest.importorskip("pyarrow")
    write_table((), tmp_path / "people.csv")
    assert (tmp_path / "people.csv").read_text() == ",".join(COLUMNS) + "\n"
    write_table((), tmp_path / "people.parquet")


def test_the_ending_is_case_insensitive_and_others_are_refused(tmp_path):
    write_table(SEEN, tmp_path / "people.CSV")
    with pytest.raises(WriteError, match=r"A table is written as \.csv or \.parquet; .*people\.xlsx ends in \.xlsx\."):
        check_table_path(tmp_path / "people.xlsx")


def test_a_file_that_cannot_be_made_is_refused_before_the_work(tmp_path):
    with pytest.raises(WriteError, match=r"There is no folder .*missing to write people\.csv into\."):
        check_table_path(tmp_path / "missing" / "people.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(WriteError, match=r"folder\.csv is a folder; name a file in it\."):
        check_table_path(tmp_path / "folder.csv")
