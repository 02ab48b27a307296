"""Moments as people write them."""

import pytest

from iics.errors import SettingsError
from iics.gallery.moments import parse_moment

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
    ],
)
def test_a_moment_is_a_date_or_seconds(text, seconds):
    assert parse_moment(text, name="Since") == seconds


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "nan", "8:00"])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(SettingsError, match=rf"Since needs a date with a time.*got '{text}'"):
        parse_moment(text, name="Since")
