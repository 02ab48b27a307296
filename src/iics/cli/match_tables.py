"""Matches as people read them, and as programs do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from iics.gallery.moments import time_text
from iics.gallery.stored_values import unicode_name
from iics.models.score_meaning import CENTRED, measured_elsewhere, rate_text, summary_lines
from iics.shown_name import shown

if TYPE_CHECKING:
    from iics.gallery.matches import Match
    from iics.models.centre_choice import CentreChoice
    from iics.models.match_thresholds import MatchThresholds
    from iics.models.model_header import ModelHeader


_NUMBERS = ("rank", "similarity", "above threshold")


def print_matches(matches: Sequence[Match], header: ModelHeader, *, is_centred: bool = False) -> None:
    """Print matches as a table on standard output, with what their scores mean; thresholds are of plain features."""
    if not matches:
        print("No crop of the gallery meets the filters.")
        return
    thresholds = None if is_centred else header.match_thresholds
    Console().print(match_table(matches, thresholds))
    print(header.told(CENTRED if is_centred else "\n".join(summary_lines(thresholds))))


def match_table(matches: Sequence[Match], thresholds: MatchThresholds | None = None) -> Table:
    """Return matches as a table; columns that nothing is known for are left out.

    Args:
        matches: In order.
        thresholds: Of the model; with them the table says how few pairs of two people are that similar.
    """
    columns: dict[str, Callable[[Match], str]] = {
        "rank": lambda match: str(match.rank) if match.rank else "",
        "similarity": lambda match: "" if math.isnan(match.similarity) else f"{match.similarity:.3f}",
        "above threshold": lambda match: _passed_rate(match.similarity, thresholds),
        "camera": lambda match: match.camera,
        "time (UTC)": lambda match: "" if match.time is None else time_text(match.time),
        "tracklet": lambda match: "" if match.tracklet_id is None else str(match.tracklet_id),
        "identity": lambda match: "" if match.identity_id is None else str(match.identity_id),
        "crop": lambda match: match.place,
    }
    table = Table(box=None, pad_edge=False)
    for name, text in columns.items():
        if any(text(match) for match in matches):
            table.add_column(name, justify="right" if name in _NUMBERS else "left", overflow="fold")
    known = [text for text in columns.values() if any(text(match) for match in matches)]
    for match in matches:
        table.add_row(*(Text(shown(text(match))) for text in known))  # as text: brackets in names are no markup
    return table


def _passed_rate(similarity: float, thresholds: MatchThresholds | None) -> str:
    """Return the rate of the strictest threshold that a similarity passes, "" for none."""
    if thresholds is None or math.isnan(similarity):
        return ""
    passed = thresholds.strictest(similarity)
    return "" if passed is None else rate_text(passed.rate)


def json_values(
    query: Path, gallery: str, matches: Sequence[Match], header: ModelHeader, centring: CentreChoice
) -> dict[str, Any]:
    """Return what `iics search --json` prints (docs/gallery.md)."""
    thresholds = None if centring.is_centred else header.match_thresholds
    note = None if thresholds is None else header.told(measured_elsewhere(thresholds))
    return {
        "query": unicode_name(str(query)),
        "gallery": unicode_name(gallery),
        "thresholds": None if thresholds is None else asdict(thresholds),
        "thresholds_note": header.told(CENTRED) if centring.is_centred else note,
        **centring.json_values(),
        "matches": [match_values(match) for match in matches],
    }


def match_values(match: Match) -> dict[str, Any]:
    """Return a match as JSON values."""
    return {
        "rank": match.rank,
        "similarity": match.similarity,
        "crop_id": match.crop_id,
        "path": unicode_name(str(match.path)),
        "archive": None if match.archive is None else unicode_name(str(match.archive)),
        "box": None if match.box is None else list(match.box),
        "camera": match.camera,
        "time": match.time,
        "tracklet": match.tracklet_id,
        "identity": match.identity_id,
    }
