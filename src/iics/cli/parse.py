"""Arguments to dataclasses, through tyro."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import TypeVar

import tyro

from iics.cli.flag_hints import check_flags_known
from iics.cli.given_flags import check_taken, flags_of, with_each_flag_once
from iics.cli.help_text import HELP_ALL, short_help, wants_help
from iics.shown_name import shown

T = TypeVar("T")


def parse(kind: type[T], arguments: list[str], *, command: str, default: T | None = None) -> T:
    """Return the dataclass that the arguments describe; exits with code 2, naming the fault, if they do not.

    Help that is asked for is printed, and ends the program with code 0.

    Raises:
        SettingsError: If a flag is unknown, one of one value is given twice, or one without any.
    """
    flags = dict(flags_of(kind))
    if wants_help(arguments):
        print(short_help(kind, command=command, defaults=default))
        raise SystemExit(0)
    if HELP_ALL in arguments:
        arguments = ["--help"]
    else:
        check_flags_known(arguments, flags, command=command)
        arguments = with_each_flag_once(arguments, flags)
    prog = f"iics {command}"
    with _arguments_as_shown(arguments):
        if default is None:
            parsed = tyro.cli(kind, args=arguments, prog=prog)
        else:
            parsed = tyro.cli(kind, args=arguments, prog=prog, default=default)
    check_taken(parsed, arguments, flags)
    return parsed


@contextmanager
def _arguments_as_shown(arguments: list[str]) -> Iterator[None]:
    """Within the block, have tyro's errors, which repeat arguments, show them without control characters."""
    if all(argument.isprintable() for argument in arguments):
        yield
        return
    text = io.StringIO()
    try:
        with redirect_stderr(text):
            yield
    finally:
        for line in text.getvalue().splitlines():
            print(shown(line), file=sys.stderr)
