"""Text of any kind made safe for Markdown, and the YAML that a model card begins with."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from iics.shown_name import shown

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&@]|:(?=//)|(?<=www)\.)")


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


def escaped(value: object) -> str:
    """Return a value as text that Markdown shows as it is, in one line; `Markdown` stays."""
    if isinstance(value, Markdown):
        return value
    return _SPECIAL.sub(r"\\\1", printable(str(value)))


def printable(text: str) -> str:
    """Return text in one line, without control characters and blanks in a row, which Markdown would not show."""
    return " ".join(shown(text).split())


def front_matter(fields: Mapping[str, Any]) -> Markdown:
    """Return fields as the YAML between two lines of ---, as model cards of Hugging Face begin.

    Args:
        fields: Texts, and lists and mappings of texts and numbers, which are written as JSON, a part of YAML.
    """
    lines = [f"{name}: {json.dumps(_printable(value), ensure_ascii=False)}" for name, value in fields.items()]
    return Markdown("\n".join(["---", *lines, "---", ""]))


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(str(name)): _printable(one) for name, one in value.items()}
    if isinstance(value, Sequence):
        return [_printable(one) for one in value]
    return value
