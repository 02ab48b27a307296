"""Text in tables that people open: a cell that a spreadsheet would compute as a formula stands behind an apostrophe.

Names of files and cameras may be anything, and a spreadsheet that opens `=HYPERLINK(...)` runs it. The apostrophe is
what spreadsheets themselves write before text. `plain_cell` takes back exactly what `safe_cell` put there.
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
"""How a formula begins; behind apostrophes as well, so that a text that looks escaped already comes back as it was."""


def safe_cell(text: str) -> str:
    """Return a text as a spreadsheet may open it."""
    return f"'{text}" if _FORMULA.match(text) else text


def plain_cell(cell: str) -> str:
    """Return the text of a cell that `safe_cell` wrote."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
