"""Fields of dataclasses as flags."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
import tyro

from docs_site.tables import as_text, table
from iics.cli.flag_texts import NO_DEFAULT, default_in_words, field_texts, flags_of, values_in_words


@dataclass(frozen=True)
class Inner:
    """A part."""

    num_steps: int = 3
    """Steps."""


@dataclass(frozen=True, kw_only=True)
class Outer:
    """A whole."""

    run: tyro.conf.Positional[Path]
    """Where it
    lies."""
    fast: bool = False
    """Hurry."""
    plain: Annotated[Inner, tyro.conf.arg(name="")] = field(default_factory=Inner)
    second_part: Inner = field(default_factory=lambda: Inner(num_steps=5))
    unexplained: float = 0.5
    tool: Annotated[str | None, tyro.conf.arg(name="for")] = None


def test_flags_have_the_names_that_tyro_gives_them():
    names = [flag.names for flag in flags_of(Outer)]
    assert names == [
        ("RUN",),
        ("--fast", "--no-fast"),
        ("--num-steps",),
        ("--second-part.num-steps",),
        ("--unexplained",),
        ("--for",),
    ]


def test_a_part_has_the_defaults_that_the_whole_gives_it():
    assert [flag.default for flag in flags_of(Outer)] == [NO_DEFAULT, False, 3, 5, 0.5, None]
    assert [flag.default for flag in flags_of(Inner, defaults=Inner(num_steps=9))] == [9]


def test_the_text_below_a_field_is_its_meaning():
    assert field_texts(Outer) == {
        "run": "Where it lies.",
        "fast": "Hurry.",
        "plain": "",
        "second_part": "",
        "unexplained": "",
        "tool": "",
    }


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int, "whole number"),
        (Path | None, "path"),
        (int | str, "whole number or text"),
        (Literal["a", "b"], "`a`, `b`"),
        (tuple[Literal["a", "b"], ...], "any of `a`, `b`"),
        (tuple[str, ...], "one or more"),
        (bool, "switch"),
    ],
)
def test_types_are_told_in_words(hint, words):
    assert values_in_words(hint) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (NO_DEFAULT, "needed"),
        (None, "none"),
        ("", "none"),
        ((), "none"),
        (0, "`0`"),
        (True, "on"),
        (("a", "b"), "`a` `b`"),
    ],
)
def test_defaults_are_told_as_one_types_them(value, words):
    assert default_in_words(value) == words


def test_texts_of_the_code_are_shown_as_they_are():
    assert as_text("a*b <c> '{x}_{y}' max_dense `a*b`") == r"a\*b \<c> '{x}\_{y}' max_dense `a*b`"
    assert as_text("see --stage1.mu. (docs/your_cameras.md)") == "see `--stage1.mu`. ([your cameras](your_cameras.md))"


def test_a_bar_does_not_end_a_cell():
    assert table(("a", "b"), [("x | y", "z")]) == ["| a | b |", "| --- | --- |", r"| x \| y | z |"]
