"""Every number that a user can set has a range: its help names it, and what lies outside is refused."""

import dataclasses
import typing
from typing import Annotated

import pytest

from docs_site.command_tables import command_kinds
from iics.config import Settings
from iics.errors import SettingsError
from iics.ranges import check_ranges, number, range_of, whole
from iics.video.crop_settings import CropSettings

TAKES_ANY_NUMBER = {"min_confidence"}
"""What it means depends on the detector, which knows its own range."""


@dataclasses.dataclass(frozen=True)
class Numbers:
    top_most: Annotated[int, whole(1, 9)] = 1
    share: Annotated[float, number(0, 1, above=True)] = 0.5
    above: Annotated[float, number(-1, 1)] | None = None


def dataclasses_in(kind):
    yield kind
    for hint in typing.get_type_hints(kind).values():
        if dataclasses.is_dataclass(hint):
            yield from dataclasses_in(hint)


def numeric_fields():
    kinds = {found for kind in (*command_kinds().values(), Settings, CropSettings) for found in dataclasses_in(kind)}
    for kind in sorted(kinds, key=lambda kind: kind.__qualname__):
        for name, hint in typing.get_type_hints(kind).items():
            if {int, float} & {hint, *typing.get_args(hint)}:
                yield pytest.param(kind, name, id=f"{kind.__name__}.{name}")


NUMERIC_FIELDS = list(numeric_fields())


@pytest.mark.parametrize(("kind", "name"), NUMERIC_FIELDS)
def test_every_number_has_a_range(kind, name):
    hint = typing.get_type_hints(kind, include_extras=True)[name]
    assert name in TAKES_ANY_NUMBER or range_of(hint) is not None


@pytest.mark.parametrize(("kind", "name"), NUMERIC_FIELDS)
def test_every_default_lies_in_its_range(kind, name):
    field = next(field for field in dataclasses.fields(kind) if field.name == name)
    found = range_of(typing.get_type_hints(kind, include_extras=True)[name])
    assert found is None or field.default in (None, dataclasses.MISSING) or field.default in found


def test_the_ends_belong_to_a_range_unless_they_are_left_out():
    closed, open_range = whole(1, 9), number(0, 1, above=True, below=True)
    assert [value in closed for value in (0, 1, 9, 10)] == [False, True, True, False]
    assert [value in open_range for value in (0, 1e-9, 1)] == [False, True, False]


def test_what_is_no_number_lies_in_no_range():
    assert not any(value in whole(0, 9) for value in (None, "3", True, float("nan")))
    assert 2.0 not in whole(0, 9)
    assert 2 in number(0, 9)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"top_most": 10}, r"^--top-most must be a whole number from 1 to 9; got 10\.$"),
        ({"share": 0.0}, r"^--share must be a number above 0 and at most 1; got 0\.0\.$"),
        ({"above": 2.0}, r"^--above must be a number from -1 to 1; got 2\.0\.$"),
        ({"top_most": "x" * 99}, r"^--top-most must be .*; got \'x{36}\.\.\.\.$"),
    ],
)
def test_a_number_outside_is_named_by_its_flag(values, message):
    with pytest.raises(SettingsError, match=message):
        check_ranges(Numbers(**values), prefix="--")


def test_a_field_without_a_number_is_passed_over():
    check_ranges(Numbers(), prefix="--")
