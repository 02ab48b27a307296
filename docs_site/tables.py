"""Rows of Markdown: flags as tables, texts of the code as text of a page."""

from __future__ import annotations

import re
from collections.abc import Iterable

from iics.cli.flag_texts import Flag, default_in_words


def table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table."""
    lines = [_row(headings), _row(("---",) * len(headings))]
    return lines + [_row(row) for row in rows]


def flag_cells(flag: Flag) -> tuple[str, str, str]:
    """Return name and values, default, and meaning of a flag."""
    names = " ".join(f"`{name}`" for name in flag.names)
    return f"{names}<br>{flag.values}", default_in_words(flag.default), as_text(flag.meaning)


def as_text(text: str) -> str:
    """Return a text of the code so that Markdown shows it as it is; pages that it names become links."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    text = re.sub(r"([*<\[\]]|(?<!\w)_|_(?!\w))", r"\\\1", text)  # an underscore within a word means nothing
    text = re.sub(r"(?<![\w-])--[a-z][\w-]*(?:\.[a-z][\w-]*)*", r"`\g<0>`", text)
    return re.sub(r"docs/(\w+)\.md", lambda found: _link(found[1]), text)


def _link(page: str) -> str:
    return f"[{page.replace('_', ' ')}]({page}.md)"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
