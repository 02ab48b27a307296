"""A number with what it means: how label-free results are printed."""

from __future__ import annotations

import math
import textwrap

from iics.models.match_thresholds import MatchThreshold

_WIDTH, _VALUE_AT = 100, 62


def explained(name: str, value: str, meaning: str) -> list[str]:
    """Return lines of text: name and value, then what is good and bad about it, indented."""
    return [
        f"  {name:<{_VALUE_AT}}{value:>12}",
        *textwrap.wrap(meaning, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6),
    ]


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{100 * share:.1f} %"


def explained_threshold(
    threshold: MatchThreshold, *, exceeded_by: str, needed: str, note: str, found_of: str
) -> list[str]:
    """Return lines of text on a threshold.

    Args:
        threshold: What was measured.
        exceeded_by: Of what a share exceeds it, e.g. "pairs of two people".
        needed: What there would have to be more of, and how many there are, if it could not be measured.
        note: What to know of its interval, "" for nothing.
        found_of: What should exceed it, e.g. "pairs of one tracklet".
    """
    name = f"similarity that {percent(threshold.rate)} of {exceeded_by} exceed"
    if threshold.similarity is None:
        return explained(name, "-", f"Needs at least {math.ceil(1 / threshold.rate):,} {needed}.")
    interval = f"{percent(threshold.rate_low or 0)} to {percent(threshold.rate_high or 0)}"
    found = "" if threshold.found is None else f" {percent(threshold.found)} of {found_of} exceed it, too."
    meaning = f"The true rate is {interval} (95 % interval{note}).{found}"
    return explained(name, f"{threshold.similarity:.3f}", meaning)
