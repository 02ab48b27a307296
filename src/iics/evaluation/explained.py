"""A number with what it means: how label-free results are printed."""

from __future__ import annotations

import textwrap

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
