"""A result table as text that people and programs read: Markdown, CSV, and one HTML file that needs no other."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from iics.atomic import write_atomically
from iics.csv_text import csv_text
from iics.paper.result_tables import ResultTable
from iics.shown_name import shown

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
div {{ overflow-x: auto; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .3rem .8rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }}
th:first-child, td:first-child {{ text-align: left; }}
.paper {{ color: #666; }}
li {{ font-size: .9rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
<div><table>
<thead><tr>{headings}</tr></thead>
<tbody>
{rows}
</tbody>
</table></div>
<ul>
{notes}
</ul>
</body>
</html>
"""


def write_table(table: ResultTable, folder: Path) -> list[Path]:
    """Write NAME.md, NAME.csv and NAME.html into a folder, and return them.

    Raises:
        WriteError: If one cannot be written.
    """
    files = []
    for ending, text in (("md", to_markdown(table)), ("csv", to_csv(table)), ("html", to_html(table))):
        files.append(folder / f"{table.name}.{ending}")
        write_atomically(files[-1], text)
    return files


def to_markdown(table: ResultTable) -> str:
    """Return title, table and notes."""
    lines = [f"## {table.title}", "", _pipes(table.headings), _pipes(["---", *["---:"] * (len(table.headings) - 1)])]
    lines += [_pipes(row.cells()) for row in table.rows]
    return "\n".join([*lines, "", *(f"- {_one_line(note)}" for note in table.notes)]) + "\n"


def to_csv(table: ResultTable) -> str:
    """Return a row for each row: mean, deviation and number of seeds of each of our columns, then the paper's numbers.

    Numbers are percent, empty where there are none.
    """
    ours = [f"{column} {what}" for column in table.columns for what in ("mean", "deviation", "seeds")]
    lines = [["row", *ours, *table.paper_columns]]
    for row in table.rows:
        cells: list[str] = [row.label]
        for score in row.ours:
            numbers = (None, None) if score is None else (score.mean, score.deviation)
            cells += ["" if number is None else f"{number:.3f}" for number in numbers]
            cells.append("0" if score is None else str(len(score.values)))
        lines.append([*cells, *("" if number is None else f"{number:.1f}" for number in row.paper)])
    return csv_text(lines)


def to_html(table: ResultTable) -> str:
    """Return a page with the table, readable on a phone and printable."""
    first_of_paper = 1 + len(table.columns)
    return _PAGE.format(
        title=html.escape(shown(table.title)),
        headings=_html_cells("th", table.headings, first_of_paper),
        rows="\n".join(f"<tr>{_html_cells('td', row.cells(), first_of_paper)}</tr>" for row in table.rows),
        notes="\n".join(f"<li>{html.escape(shown(note))}</li>" for note in table.notes),
    )


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_one_line(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _one_line(text: str) -> str:
    return shown(" ".join(text.split()))


def _html_cells(tag: str, cells: Sequence[str], first_of_paper: int) -> str:
    return "".join(
        f"<{tag}{' class=paper' if at >= first_of_paper else ''}>{html.escape(shown(cell))}</{tag}>"
        for at, cell in enumerate(cells)
    )
