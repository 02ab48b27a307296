"""Ranges of numbers: a field states its own once, `Annotated[int, whole(1, 100)]`; help, checks and docs read it there.

Without an upper end, a slip of a zero too many is not refused but computed: it hangs, or takes all memory.
"""

from __future__ import annotations

import typing
from numbers import Integral, Real
from typing import Any

from tyro.constructors import PrimitiveConstructorSpec

from iics.errors import check_setting


class Range(PrimitiveConstructorSpec[Any]):
    """The numbers that a field may hold; to tyro, how to read one and what to call it in the help.

    Args:
        kind: int or float.
        least: Smallest number.
        most: Largest number.
        excludes: Which of the two are no numbers of the range themselves.
    """

    def __init__(self, kind: type, least: float, most: float, *, excludes: tuple[float, ...] = ()) -> None:
        super().__init__(
            nargs=1,
            metavar=f"{'>' if least in excludes else ''}{least}..{'<' if most in excludes else ''}{most}",
            instance_from_str=lambda words: kind(words[0]),
            is_instance=self.is_kind,
            str_from_instance=lambda value: [str(value)],
        )
        # The parent is a frozen dataclass, and a range is as fixed as it is.
        for name, value in (("kind", kind), ("least", least), ("most", most), ("excludes", excludes)):
            object.__setattr__(self, name, value)

    kind: type
    least: float
    most: float
    excludes: tuple[float, ...]

    def __str__(self) -> str:
        kind = "a whole number" if self.kind is int else "a number"
        if not self.excludes:
            return f"{kind} from {self.least:,} to {self.most:,}"
        least = "above" if self.least in self.excludes else "of at least"
        most = "below" if self.most in self.excludes else "at most"
        return f"{kind} {least} {self.least:,} and {most} {self.most:,}"

    def is_kind(self, value: object) -> bool:
        """Return whether a value is a number of the right kind, in the range or not."""
        return isinstance(value, Integral if self.kind is int else Real) and not isinstance(value, bool)

    def __contains__(self, value: Any) -> bool:
        return self.is_kind(value) and self.least <= value <= self.most and value not in self.excludes


def whole(least: int, most: int) -> Range:
    """Return the whole numbers from `least` to `most`, both included."""
    return Range(int, least, most)


def number(least: float, most: float, *, above: bool = False, below: bool = False) -> Range:
    """Return the numbers from `least` to `most`; with `above` and `below`, without these themselves."""
    return Range(float, least, most, excludes=tuple(end for end, is_out in ((least, above), (most, below)) if is_out))


def check_ranges(holder: Any, *, prefix: str = "") -> None:
    """Refuse a dataclass with a number outside of the range that its field states.

    Args:
        holder: The dataclass; a field that holds None is passed over.
        prefix: What the fields are called by: "stage1." in settings, "--" for the flags of a command.

    Raises:
        SettingsError: Naming the field, its range and the number.
    """
    for name, field_range in _ranges(type(holder)).items():
        value = getattr(holder, name)
        called = name.replace("_", "-") if prefix == "--" else name
        is_met = value is None or value in field_range
        check_setting(is_met, f"{prefix}{called} must be {field_range}; got {shortened(value)}.")


def shortened(value: object) -> str:
    """Return a value as text that fits into a message, whatever it is."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 40 else f"{text[:37]}..."


def range_of(hint: Any) -> Range | None:
    """Return the range that the type of a field states, also in `Annotated[...] | None`."""
    for found in (hint, *typing.get_args(hint)):
        for mark in getattr(found, "__metadata__", ()):
            if isinstance(mark, Range):
                return mark
    return None


SEED = whole(0, 2**32 - 1)
BATCH = whole(1, 4096)


def _ranges(kind: type) -> dict[str, Range]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return {name: found for name, hint in hints.items() if (found := range_of(hint)) is not None}
