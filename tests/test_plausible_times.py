"""Numbers that are moments in seconds are told from those that are something else."""

import numpy as np
import pytest

from iics.crops import CropSet
from iics.errors import DataError, SettingsError
from iics.plausible_times import EARLIEST, LATEST, compact_date, implausibility
from iics.readers.csv_table import load_csv
from iics.readers.patterns import load_pattern
from iics.readers.table_values import times_in_seconds
from iics.video.crop_settings import CropSettings

EIGHT = 1772352000  # 2026-03-01 08:00 UTC


@pytest.mark.parametrize("seconds", [0, -5, 0.25, 86400 * 365.0, EIGHT, 946684800, EARLIEST, LATEST - 1])
def test_seconds_since_1970_and_of_a_recording_are_moments(seconds):
    assert implausibility(seconds) is None


@pytest.mark.parametrize(
    ("number", "meaning"),
    [
        (EIGHT * 1e3, "in milliseconds it is 2026-03-01 08:00:00 (UTC): divide it by 1,000"),
        (EIGHT * 1e6, "in microseconds it is 2026-03-01 08:00:00 (UTC): divide it by 1,000,000"),
        (EIGHT * 1e9, "in nanoseconds it is 2026-03-01 08:00:00 (UTC): divide it by 1,000,000,000"),
        (946684800000, "in milliseconds it is 2000-01-01 00:00:00 (UTC): divide it by 1,000"),
        (20260301080000, "as a date it is 2026-03-01 08:00:00: write 2026-03-01T08:00:00"),
        (202603010800, "as a date it is 2026-03-01 08:00:00: write 2026-03-01T08:00:00"),
        (20260301080000250, "as a date it is 2026-03-01 08:00:00: write 2026-03-01T08:00:00"),
        (LATEST, "lies outside of the years 1960 to 2069 (numbers are seconds)"),
        (EIGHT + 2208988800, "lies outside of the years 1960 to 2069 (numbers are seconds)"),  # counted from 1900
        (-1e12, "lies outside of the years 1960 to 2069 (numbers are seconds)"),
        (float("inf"), "lies outside of the years 1960 to 2069 (numbers are seconds)"),
        (float("nan"), "lies outside of the years 1960 to 2069 (numbers are seconds)"),
    ],
)
def test_other_numbers_are_told_with_what_they_would_be(number, meaning):
    fault = implausibility(number)
    assert fault is not None
    assert fault.startswith("lies outside of the years 1960 to 2069 (numbers are seconds)")
    assert fault.endswith(meaning)


@pytest.mark.parametrize(
    ("digits", "date"),
    [
        ("20260301", "2026-03-01"),
        ("2026030108", "2026-03-01 08:00:00"),
        ("20260301080000", "2026-03-01 08:00:00"),
        ("20260231", None),
        ("20261301", None),
        ("1772352000", None),
        ("2026", None),
        ("20260301.0", None),
    ],
)
def test_digits_are_a_date_only_if_there_is_such_a_day(digits, date):
    assert compact_date(digits) == date


@pytest.mark.parametrize(
    "value", ["1772352000000", "1772352000000.0", "1.772352e12", "1772352000000000000", "20260301080000", "2206-03-01"]
)
def test_a_table_with_such_a_time_is_refused_by_its_line(value):
    with pytest.raises(DataError, match=r"^line 2: time .* lies outside of the years 1960 to 2069"):
        times_in_seconds(["", value], ["line 1", "line 2"])


def test_a_column_of_dates_without_punctuation_is_refused():
    with pytest.raises(DataError, match=r"a: all times are .* e\.g\. 20260301: write 2026-03-01, or 20260301\.0 for"):
        times_in_seconds(["20260301", "20260302"], ["a", "b"])
    np.testing.assert_array_equal(times_in_seconds(["20260301.0", "20260302.0"], ["a", "b"]), [20260301, 20260302])
    np.testing.assert_array_equal(times_in_seconds(["20260301", "20260299"], ["a", "b"]), [20260301, 20260299])


def test_a_csv_table_of_milliseconds_is_refused(folder_people, tmp_path):
    file = next(folder_people.rglob("*.png"))
    (tmp_path / "crops.csv").write_text(f"path,camera,time\n{file},a,1772352000000\n")
    with pytest.raises(
        DataError, match=r"crops.csv, line 2: time 1772352000000 lies .*; in milliseconds it is 2026-03"
    ):
        load_csv(tmp_path / "crops.csv")


def test_a_file_name_of_a_year_that_cannot_be_meant_is_refused(tmp_path):
    (tmp_path / "a_00260301.png").write_bytes(b"")
    with pytest.raises(DataError, match="time 0026-03-01T00:00:00 lies outside of the years 1960 to 2069"):
        load_pattern(tmp_path, "{camera}_{time:%Y%m%d}.png")


@pytest.mark.parametrize(("time", "meaning"), [(EIGHT * 1e3, "in milliseconds"), (20260301080000, "as a date")])
def test_a_crop_set_of_such_times_is_refused(tmp_path, time, meaning):
    paths = (tmp_path / "0.png", tmp_path / "1.png")
    with pytest.raises(
        DataError, match=rf"crops: the time of .*1\.png, {time:.0f}, lies outside .*; {meaning} it is 20"
    ):
        CropSet(paths, np.array([0, 0]), ("a",), times=np.array([np.nan, time]))


@pytest.mark.parametrize("start", ["1772352000000", "20260301080000", "2206-03-01T08:00", "0026-03-01"])
def test_a_video_does_not_begin_then(start):
    with pytest.raises(SettingsError, match=f"^start .*{start}"):
        CropSettings(camera="a", start=start)
