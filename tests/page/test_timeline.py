"""Moments along a time axis are round."""

from __future__ import annotations

from iics.page.timeline import ticks

EIGHT = 1772352000.0  # 2026-03-01 08:00 UTC


def test_ticks_are_round():
    assert ticks(EIGHT + 60, EIGHT + 3000) == [(EIGHT + 600 * n, f"08:{10 * n}") for n in (1, 2, 3, 4, 5)]
    assert [label for _, label in ticks(0, 9)] == ["0:00:00", "0:00:02", "0:00:04", "0:00:06", "0:00:08"]
    assert [label for _, label in ticks(EIGHT, EIGHT + 3 * 86400)] == ["2026-03-02", "2026-03-03", "2026-03-04"]


def test_a_span_of_years_has_few_ticks():
    assert 2 <= len(ticks(0, 5e9)) <= 6


def test_a_span_without_two_round_moments_has_no_ticks():
    assert ticks(EIGHT + 0.2, EIGHT + 0.4) == []
