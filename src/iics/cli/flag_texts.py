"""The flags of a command or of the settings, read from their dataclasses: name, values, default, meaning.

tyro makes the command line from the same fields; a test compares the two.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import tyro

from iics.ranges import range_of

NO_DEFAULT = object()
_WORDS = {bool: "switch", int: "whole number", float: "number", str: "text", Path: "path"}


@dataclass(frozen=True)
class Flag:
    """One field of a dataclass as it stands on the command line.

    Attributes:
        names: E.g. ("--rerank", "--no-rerank"); ("MODEL",) for a field given by its position.
        place: Names of the fields that lead to it, from the outermost dataclass.
        values: What it takes, in words.
        default: Its default, or NO_DEFAULT.
        meaning: The text below the field.
    """

    names: tuple[str, ...]
    place: tuple[str, ...]
    values: str
    default: Any
    meaning: str


def flags_of(kind: type, *, defaults: Any = None, prefix: str = "", place: tuple[str, ...] = ()) -> Iterator[Flag]:
    """Yield the flags of a dataclass and of those inside it, in their order.

    Args:
        kind: The dataclass.
        defaults: One of it whose values are the defaults; None takes those of the fields.
        prefix: What the names of its flags begin with, e.g. "stage1.".
        place: Names of the fields that lead to it.
    """
    hints = typing.get_type_hints(kind, include_extras=True)
    meanings = field_texts(kind)
    for field in dataclasses.fields(kind):
        hint, marks = _without_marks(hints[field.name])
        if tyro.conf.Suppress in marks:
            continue
        inner = (*place, field.name)
        default = _default(field) if defaults is None else getattr(defaults, field.name)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            carries_no_prefix = any(getattr(mark, "name", None) == "" for mark in marks)
            below = prefix if carries_no_prefix else f"{prefix}{field.name}."
            yield from flags_of(hint, defaults=None if default is NO_DEFAULT else default, prefix=below, place=inner)
        else:
            names = _names(field.name, prefix, hint, marks)
            yield Flag(names, inner, values_in_words(hints[field.name]), default, meanings[field.name])


def field_texts(kind: type) -> dict[str, str]:
    """Return the text below each field of a dataclass, on one line; "" where there is none."""
    body = cast(ast.ClassDef, ast.parse(inspect.getsource(kind)).body[0]).body
    texts = {}
    for statement, following in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            text = following.value if isinstance(following, ast.Expr) else None
            texts[statement.target.id] = " ".join(str(text.value).split()) if isinstance(text, ast.Constant) else ""
    return texts


def values_in_words(hint: Any) -> str:
    """Return what a flag of this type takes."""
    origin, inner = get_origin(hint), get_args(hint)
    if (field_range := range_of(hint)) is not None:
        return field_range.metavar.replace("..", " to ").replace("<", "below ").replace(">", "above ")
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if origin is Annotated:
        return values_in_words(inner[0])
    if origin in (Union, types.UnionType):
        return " or ".join(values_in_words(one) for one in inner if one is not type(None))
    if origin is tuple:
        one = inner[0]
        return f"any of {values_in_words(one)}" if get_origin(one) is Literal else "one or more"
    return _WORDS[hint]


def default_in_words(value: Any) -> str:
    """Return a default as one types it."""
    if value is NO_DEFAULT:
        return "needed"
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None or value in ("", ()):
        return "none"
    if isinstance(value, tuple):
        return " ".join(default_in_words(one) for one in value)
    return f"`{value}`"


def _without_marks(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return (get_args(hint)[0], hint.__metadata__) if get_origin(hint) is Annotated else (hint, ())


def _names(name: str, prefix: str, hint: Any, marks: tuple[Any, ...]) -> tuple[str, ...]:
    word = next((mark.name for mark in marks if getattr(mark, "name", None)), name).replace("_", "-")
    prefix = prefix.replace("_", "-")
    if tyro.conf.Positional in marks:
        return (word.upper(),)
    if hint is bool and tyro.conf.FlagCreatePairsOff not in marks:
        return (f"--{prefix}{word}", f"--{prefix}no-{word}")
    return (f"--{prefix}{word}",)


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return NO_DEFAULT if field.default_factory is dataclasses.MISSING else field.default_factory()
