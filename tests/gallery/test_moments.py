"""Moments as people write and read them."""

import pytest

from iics.errors import SettingsError
from iics.gallery.moments import in_zone, parse_moment, time_text, zone_of

EIGHT = 1772352000.0  # 2026-03-01 08:00 UTC


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None),
        ("  ", None),
        ("2026-03-01 08:00", EIGHT),
        ("2026-03-01T09:00+01:00", EIGHT),
        ("2026-03-01", EIGHT - 8 * 3600),
        ("12.5", 12.5),
        ("-3", -3),
        ("2026.0", 2026),
        ("1772352000", EIGHT),
        ("20261301", 20261301),
        ("1899", 1899),
    ],
)
def test_a_moment_is_a_date_or_seconds(text, seconds):
    assert parse_moment(text, name="Since") == seconds


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "nan", "8:00"])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(SettingsError, match=rf"Since needs a date with a time.*got '{text}'"):
        parse_moment(text, name="Since")


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2026", "2026-01-01"),
        ("1999", "1999-01-01"),
        ("20260301", "2026-03-01"),
        (" 20251231 ", "2025-12-31"),
        ("202603", "2026-03-01"),
    ],
)
def test_a_number_that_may_be_a_date_is_refused(text, date):
    with pytest.raises(SettingsError, match=rf"--since .*: write {date}, or {text.strip()}\.0 for seconds\."):
        parse_moment(text, name="--since")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("1772352000000", "in milliseconds it is 2026-03-01 08:00:00 (UTC): divide it by 1,000."),
        ("1772352000000000.0", "in microseconds it is 2026-03-01 08:00:00 (UTC): divide it by 1,000,000."),
        ("20260301080000", "as a date it is 2026-03-01 08:00:00: write 2026-03-01T08:00:00."),
        ("202603010800.0", "as a date it is 2026-03-01 08:00:00: write 2026-03-01T08:00:00."),
        ("2206-03-01", "--until 2206-03-01 lies outside of the years 1960 to 2069 (numbers are seconds)."),
    ],
)
def test_a_moment_of_another_unit_is_refused_with_what_it_would_be(text, meaning):
    with pytest.raises(SettingsError) as refused:
        parse_moment(text, name="--until")
    assert str(refused.value).endswith(meaning)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (EIGHT, "2026-03-01 08:00:00"),
        (EIGHT + 0.9, "2026-03-01 08:00:00"),
        (751, "0:12:31"),
        (-61, "-0:01:01"),
        (360000, "100:00:00"),
        (1.7e12, "1700000000000 s"),
        (1e18, "1000000000000000000 s"),
    ],
)
def test_seconds_become_a_date_or_the_time_of_a_recording(seconds, text):
    assert time_text(seconds) == text


def test_a_zone_has_the_name_that_the_computer_knows_it_by():
    berlin = zone_of("Europe/Berlin", name="--time-zone")
    assert time_text(EIGHT, berlin) == "2026-03-01 09:00:00"
    assert in_zone(EIGHT, berlin) == EIGHT + 3600
    assert time_text(45.0, berlin) == "0:00:45"
    assert in_zone(45.0, berlin) == 45.0


@pytest.mark.parametrize(
    "text", ["Europe/Berln", "europe/berlin", "Europe", "../Europe/Berlin", "/etc/localtime", "a\nb"]
)
def test_a_zone_that_nobody_knows_is_refused_with_the_nearest(text):
    with pytest.raises(SettingsError, match=r"--time-zone needs the name of a time zone, .* The nearest: .+\."):
        zone_of(text, name="--time-zone")


def test_a_computer_without_zones_says_what_brings_them(monkeypatch):
    monkeypatch.setattr("zoneinfo.available_timezones", set)
    with pytest.raises(SettingsError, match="This computer knows no zones but UTC: pip install tzdata"):
        zone_of("Mars/Base", name="--time-zone")
    assert time_text(EIGHT, zone_of("UTC", name="--time-zone")) == "2026-03-01 08:00:00"
