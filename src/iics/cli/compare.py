"""`iics compare`: runs side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import tyro

from iics.cli.parse import parse
from iics.home_folder import expanded


@dataclass(frozen=True)
class CompareCommand:
    """Put runs side by side: scores or label-free numbers, by round; settings that differ; how far seeds spread.

    Only what the runs recorded is read, so runs at work can be compared, too. Runs on different pictures are told
    apart (docs/report.md).
    """

    runs: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Two run folders or more, or folders of several seeds, which stand for their runs."""
    out: Path | None = None
    """Write a page (HTML) here as well, with curves."""
    json: bool = False
    """Print the numbers as JSON."""


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(CompareCommand, arguments, command="compare")
    from iics.reports.comparison import Comparison
    from iics.reports.comparison_page import comparison_text, comparison_values, write_comparison

    comparison = Comparison.read([expanded(run) for run in command.runs])
    print(json.dumps(comparison_values(comparison), indent=2) if command.json else comparison_text(comparison))
    if command.out is not None:
        out = expanded(command.out)
        write_comparison(comparison, out)
        if not command.json:
            print(f"\nPage: {out}")
    return 0
