"""Moments: text to seconds and back, and round ticks."""

import pytest

from iics.page.moments import ticks, time_text

EIGHT = 1772352000.0  # 2026-03-01 08:00 UTC


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (EIGHT, "2026-03-01 08:00:00"),
        (EIGHT + 0.9, "2026-03-01 08:00:00"),
        (751, "0:12:31"),
        (-61, "-0:01:01"),
        (360000, "100:00:00"),
        (1e18, "1000000000000000000 s"),
    ],
)
def test_seconds_become_a_date_or_the_time_of_a_recording(seconds, text):
    assert time_text(seconds) == text


def test_ticks_are_round():
    assert ticks(EIGHT + 60, EIGHT + 3000) == [(EIGHT + 600 * n, f"08:{10 * n}") for n in (1, 2, 3, 4, 5)]
    assert [label for _, label in ticks(0, 9)] == ["0:00:00", "0:00:02", "0:00:04", "0:00:06", "0:00:08"]
    assert [label for _, label in ticks(EIGHT, EIGHT + 3 * 86400)] == ["2026-03-02", "2026-03-03", "2026-03-04"]


def test_a_span_of_years_has_few_ticks():
    assert 2 <= len(ticks(0, 5e9)) <= 6


def test_a_span_without_two_round_moments_has_no_ticks():
    assert ticks(EIGHT + 0.2, EIGHT + 0.4) == []
