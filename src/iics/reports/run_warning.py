"""A warning of a report, and words that several share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from iics.reports.told_run import ToldRun

_MOST_NAMED = 8


@dataclass(frozen=True)
class RunWarning:
    """Something to look at."""

    title: str
    finding: str
    advice: str


def flags_of_iics(run: ToldRun, words: str) -> str:
    """Return words on flags that only IICS has; nothing where another method trained."""
    return words if run.settings.get("method", "iics") == "iics" else ""


def listed(items: Sequence[str]) -> str:
    """Return the first few of some items, and how many more there are."""
    more = len(items) - _MOST_NAMED
    return ", ".join(items[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
