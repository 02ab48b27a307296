"""Arguments to dataclasses, through tyro."""

from __future__ import annotations

from typing import TypeVar

import tyro

T = TypeVar("T")


def parse(kind: type[T], arguments: list[str], *, command: str, default: T | None = None) -> T:
    """Return the dataclass that the arguments describe; exits with code 2, naming the fault, if they do not."""
    if default is None:
        return tyro.cli(kind, args=arguments, prog=f"iics {command}")
    return tyro.cli(kind, args=arguments, prog=f"iics {command}", default=default)
