"""Runs side by side as text, as JSON and as a page that needs neither network nor scripts. A `Comparison` in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from iics.atomic import write_atomically
from iics.evaluation.spread import Row, aligned
from iics.reports.comparison import BY_ROUND, Comparison
from iics.reports.picture import ACCURACY, CLUSTERS, ReportFigure
from iics.reports.plot_curves import MOST_CURVES, Curve, curves_figure
from iics.reports.report import embedded, page_of
from iics.reports.report_tables import Table
from iics.shown_name import shown

_TEMPLATE = "compare_template.html"
_SAME = "All settings that decide a result are the same."


def comparison_text(comparison: Comparison) -> str:
    """Return runs side by side as lines for a terminal."""
    parts = [*comparison.notes, _sideways(comparison.table())]
    parts += [f"{title}\n{_as_text(rows)}" for title, rows in comparison.tables_by_round()]
    differing = comparison.differing_settings()
    parts.append(f"Settings that differ\n{_as_text(differing)}" if len(differing) > 1 else _SAME)
    return "\n\n".join(parts)


def comparison_values(comparison: Comparison) -> dict[str, Any]:
    """Return runs side by side as values of JSON; numbers as the tables have them, without rounding."""
    numbers = comparison.numbers
    differing = [row[0] for row in comparison.differing_settings()[1:]]
    return {
        "notes": comparison.notes,
        "runs": [
            {
                "name": run.name,
                "folder": str(run.folder),
                "data": run.told.data_name,
                "trained_on": comparison.letters[run.name][0],
                "measured_on": comparison.letters[run.name][1] or None,
                "rounds": run.rounds,
                "is_finished": run.is_finished,
                "numbers": {one.title: one.of[run.name] for one in numbers},
                "by_round": {title: value_of(run.told) for title, _, value_of in BY_ROUND},
                "differing_settings": {name: run.settings.get(name) for name in differing},
            }
            for run in comparison.runs
        ],
        "seeds": [
            {
                "runs": [run.name for run in group],
                "spread": {
                    one.title: {"mean": found.mean, "deviation": found.deviation}
                    for one in numbers
                    if (found := comparison.spread(group, one)) is not None
                },
            }
            for group in comparison.seed_groups
        ],
    }


def write_comparison(comparison: Comparison, file: Path) -> None:
    """Write the page.

    Raises:
        WriteError: If it cannot be written.
    """
    write_atomically(file, comparison_html(comparison).encode(errors="replace"))


def comparison_html(comparison: Comparison) -> str:
    """Return the page."""
    first = comparison.runs[0].told
    differing = comparison.differing_settings()
    has_one = len({letters[0] for letters in comparison.letters.values()}) == 1
    return page_of(
        _TEMPLATE,
        kind="IICS runs side by side",
        name=", ".join(run.name for run in comparison.runs),
        data=first.data_name if has_one else "different data",
        progress=f"{len(comparison.runs)} runs",
        tiles=[],
        notes=comparison.notes,
        runs=_table(comparison.table()),
        sections=embedded(list(_figures(comparison))),
        rounds=[(title, _table(rows)) for title, rows in comparison.tables_by_round()],
        settings=_table(differing) if len(differing) > 1 else None,
        same=_SAME,
    )


def _figures(comparison: Comparison) -> Iterator[ReportFigure]:
    """Yield a figure of each number by round that two rounds have, with a curve for each run; seven in a figure."""
    for title, _, value_of in BY_ROUND:
        found = {run.name: value_of(run.told) for run in comparison.runs}
        curves = [Curve(name, tuple(values), tuple(values.values())) for name, values in found.items() if values]
        if not any(len(curve.rounds) > 1 for curve in curves):
            continue
        section = ACCURACY if "%" in title else CLUSTERS
        for start in range(0, len(curves), MOST_CURVES):
            drawn = curves[start : start + MOST_CURVES]
            numbered = f"{title} ({start // MOST_CURVES + 1})" if start else title
            note = f"{len(comparison.runs)} runs."
            yield ReportFigure(section, curves_figure(drawn, title=numbered, note=note, unit=""), "")


def _table(rows: Sequence[Row]) -> Table:
    return Table(rows[0], tuple(rows[1:]))


def _as_text(rows: Sequence[Row]) -> str:
    return aligned([tuple(map(shown, row)) for row in rows])


def _sideways(rows: Sequence[Row], width: int = 110) -> str:
    """Return a table whose rows are the columns, in as many parts as keep lines short: few runs have many numbers."""
    cells = [tuple(map(shown, column)) for column in zip(*rows, strict=True)]
    heads = max(len(row[0]) for row in cells)
    longest = max(len(cell) for row in cells for cell in row[1:])
    count = max(1, math.floor((width - heads) / (longest + 2)))
    parts = [
        aligned([(row[0], *row[start : start + count]) for row in cells]) for start in range(1, len(cells[0]), count)
    ]
    return "\n\n".join(parts)
