"""The public names of the package for docs/python.md: how each is called, and the first paragraph of its docstring."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import iics
from docs_site.tables import as_text

_ROW = 84


def public_names() -> str:
    """Return a section for each name of `iics.__all__` that is no module."""
    named = {name: getattr(iics, name) for name in sorted(iics.__all__, key=str.casefold)}
    named = {name: value for name, value in named.items() if not isinstance(value, ModuleType)}
    return "\n".join(line for name, value in named.items() for line in _lines(name, value))


def _lines(name: str, value: Any) -> Iterator[str]:
    yield f"### iics.{name}\n"
    yield as_text(_first_paragraph(value)) + "\n"
    calls = list(_of_class(name, value)) if inspect.isclass(value) else [_call(name, value)]
    if calls:
        yield "\n".join(["```py", *calls, "```\n"])


def _of_class(name: str, kind: type) -> Iterator[str]:
    """Yield how one is made, if it is data, and its public methods and properties."""
    if dataclasses.is_dataclass(kind):
        yield _call(name, kind)
    for method, member in vars(kind).items():
        if isinstance(member, property) and not method.startswith("_"):
            yield f".{method}  # {_first_paragraph(member)}"
        elif inspect.isfunction(member) and not method.startswith("_"):
            yield _call(f".{method}", member)


def _call(name: str, function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    arguments: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in arguments:
            arguments.append("*")
        if parameter.name != "self":
            arguments.append(_argument(parameter))
    result = signature.return_annotation
    end = ")" if inspect.isclass(function) or result is signature.empty else f") -> {result}"
    line = f"{name}({', '.join(arguments)}{end}"
    return line if len(line) <= _ROW else "\n    ".join([f"{name}(", *(f"{one}," for one in arguments)]) + f"\n{end}"


def _argument(parameter: inspect.Parameter) -> str:
    text = f"{parameter.name}: {_without_range(parameter.annotation)}"
    if parameter.default is parameter.empty:
        return text
    is_made = type(parameter.default).__name__ == "_HAS_DEFAULT_FACTORY_CLASS"
    return f"{text} = {'...' if is_made else repr(parameter.default)}"


def _without_range(annotation: str) -> str:
    """Return the type of a number without its range, which the table of settings has."""
    tree = ast.parse(annotation, mode="eval").body
    if isinstance(tree, ast.Subscript) and isinstance(tree.slice, ast.Tuple) and ast.unparse(tree.value) == "Annotated":
        return ast.unparse(tree.slice.elts[0])
    return annotation


def _first_paragraph(value: Any) -> str:
    return " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
