r"""A name as it is shown: of a camera, a file, a person, a member of an archive. Data keeps names as they are.

A name may hold any character: a line break from a cell of a spreadsheet, an escape sequence that would steer the
terminal, a mark that turns the order of letters. What has no picture of its own is written as Python writes it: \n,
\x1b, \u202e. Everything that prints, draws or logs a name asks here.
"""

from __future__ import annotations

_HARMLESS = frozenset("\u200c\u200d\u00a0\u3000")
"""Joiners that Persian, Hindi and emoji are spelled with; spaces that are not the ASCII one."""


def shown(name: object) -> str:
    """Return a name, or a text that holds names, in one line and without control characters."""
    text = str(name)
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in _HARMLESS else _escape(character) for character in text
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
