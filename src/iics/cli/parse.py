"""Arguments to dataclasses, through tyro."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import TypeVar

import tyro

from iics.shown_name import shown

T = TypeVar("T")


def parse(kind: type[T], arguments: list[str], *, command: str, default: T | None = None) -> T:
    """Return the dataclass that the arguments describe; exits with code 2, naming the fault, if they do not."""
    with _arguments_as_shown(arguments):
        if default is None:
            return tyro.cli(kind, args=arguments, prog=f"iics {command}")
        return tyro.cli(kind, args=arguments, prog=f"iics {command}", default=default)


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
