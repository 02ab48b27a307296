"""`--help`: the flags that people set, with the values that would be used; `--help-all` shows all, by tyro."""

from __future__ import annotations

import inspect
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from iics.cli.flag_texts import NO_DEFAULT, Flag, default_in_words, flags_of

HELP, HELP_ALL = ("-h", "--help"), "--help-all"
SET_MOST: dict[str, tuple[str, ...]] = {
    "train": (
        "DATA",
        "--out",
        "--preset",
        "--rounds",
        "--backbone",
        "--height",
        "--width",
        "--weights",
        "--device",
        "--seed",
        "--data-dir",
        "--resume",
    ),
    "evaluate": (
        "MODELS",
        "DATA",
        "--data-dir",
        "--contact-sheet",
        "--calibrate",
        "--marks",
        "--protocol",
        "--rerank",
        "--weights",
        "--device",
        "--json",
    ),
    "people": (
        "GALLERY",
        "--report",
        "--table",
        "--apply",
        "--undo",
        "--keep-days",
        "--wrong-links",
        "--travel-times",
        "--measure",
        "--time-zone",
        "--json",
        "--model",
    ),
    "benchmark training": ("--only", "--options", "--backbone", "--height", "--width", "--threads", "--device"),
}
"""The flags that are shown first, by command; a command that is not here shows all that it has."""
_WIDEST = 110


def wants_help(arguments: Sequence[str]) -> bool:
    """Return whether the short help is asked for."""
    return not set(HELP).isdisjoint(arguments)


def short_help(
    kind: type,
    *,
    command: str,
    defaults: Any = None,
    instead: Mapping[str, str] | None = None,
    note: str = "",
    more: Sequence[Flag] = (),
) -> str:
    """Return the help of a command: what it does, and the flags that people set with the values that would be used.

    Args:
        kind: The command's dataclass.
        command: Its name.
        defaults: One whose values would be used; None for those of its fields.
        instead: What to say in place of a flag's value, by the flag.
        note: Where the values come from.
        more: Flags that are shown as well.
    """
    flags = list(flags_of(kind, defaults=defaults))
    most = SET_MOST.get(command)
    by_name = {name: flag for flag in flags for name in flag.names}
    shown = flags if most is None else [by_name[name] for name in most]
    is_positional = [flag for flag in shown if not flag.names[0].startswith("-")]
    usage = " ".join(f"[{flag.names[0]}]" for flag in is_positional)
    width = min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST)
    lines = [f"usage: iics {command} {usage} [--flag value ...]".replace("  ", " "), ""]
    lines += [inspect.getdoc(kind) or "", ""]
    lines += [*textwrap.wrap(note, width), ""] if note else []
    for flag in [*shown, *more]:
        lines += _lines(flag, (instead or {}).get(flag.names[0]), width)
    left = len(flags) - len(shown)
    if left:
        lines += ["", f"{left} more: iics {command} {HELP_ALL}"]
    return "\n".join(lines)


def _lines(flag: Flag, instead: str | None, width: int) -> Iterator[str]:
    is_positional = not flag.names[0].startswith("-")
    is_told = flag.values != "switch" and (not is_positional or "," in flag.values)  # choices, of a positional one
    values = "" if not is_told else f" {flag.values.replace('`', '')}"
    if instead is None and not is_positional and flag.default not in (NO_DEFAULT, None, "", ()):
        instead = default_in_words(flag.default).replace("`", "")
    default = "" if instead is None or is_positional else f"  [{instead}]"
    yield from textwrap.wrap(
        f"{', '.join(flag.names)}{values}{default}", width, initial_indent="  ", subsequent_indent="      "
    )
    yield from textwrap.wrap(flag.meaning.replace("`", ""), width, initial_indent="      ", subsequent_indent="      ")
