"""What a command line gives, before tyro reads it: each flag once, values of repeated flags added up, none empty.

tyro takes the last of repeated flags and drops the others; a flag of several values without any, or an empty text,
becomes "no restriction". Of a command that deletes, either does more or less than was asked for.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

import tyro

from iics.errors import SettingsError

MAY_BE_EMPTY = frozenset({"--loggers", "--options", "--pixels.cache-dir", "--cache-dir", "--start"})
"""Flags whose help says what an empty value means."""


@dataclass(frozen=True)
class Flag:
    """A field of a command that is given by name.

    Attributes:
        name: As its help has it.
        kind: Whether it takes no value, one, or any number of them.
        place: Names of the fields that lead to it, from the command.
    """

    name: str
    kind: Literal["switch", "value", "values"]
    place: tuple[str, ...]


@dataclass(frozen=True)
class Given:
    """A flag with the words after it that may be its values, or one word that belongs to no flag.

    Attributes:
        flag: None for a word, and for a flag that the command does not have.
        words: As they were typed; the flag is the first.
    """

    flag: Flag | None
    words: tuple[str, ...]

    @property
    def values(self) -> tuple[str, ...]:
        """The words without the flag; what is behind = comes first."""
        if self.flag is None:
            return self.words
        _, equals, attached = self.words[0].partition("=")
        return (attached, *self.words[1:]) if equals else self.words[1:]


def flags_of(kind: type, *, prefix: str = "", place: tuple[str, ...] = ()) -> Iterator[tuple[str, Flag]]:
    """Yield every spelling of the flags of a command's dataclass and of those inside it, with - for _."""
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        marks: tuple[Any, ...] = ()
        if get_origin(hint) is Annotated:
            hint, marks = get_args(hint)[0], hint.__metadata__
        if tyro.conf.Suppress in marks:
            continue
        named = [mark.name for mark in marks if getattr(mark, "name", None) is not None]
        word, inner = named[0] if named else field.name.replace("_", "-"), (*place, field.name)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            yield from flags_of(hint, prefix=f"{prefix}{word}." if word else prefix, place=inner)
        elif tyro.conf.Positional not in marks:
            name = f"--{prefix}{word}"
            flag = Flag(name, "switch" if hint is bool else "values" if get_origin(hint) is tuple else "value", inner)
            yield name, flag
            if hint is bool and tyro.conf.FlagCreatePairsOff not in marks:
                yield f"--{prefix}no-{word}", flag


def given_flags(arguments: Sequence[str], flags: Mapping[str, Flag]) -> list[Given]:
    """Return what is given, in order, split where tyro splits it.

    Which of the last words are values of a flag and which are given by their position is left to tyro.
    """
    found: list[Given] = []
    for at, word in enumerate(arguments):
        if word == "--":
            return found + [Given(None, (rest,)) for rest in arguments[at:]]
        before = found[-1] if found else Given(None, ())
        flag = flags.get(spelt(word))
        if flag is not None or looks_like_flag(word):
            found.append(Given(flag, (word,)))
        elif _takes_more(before):
            found[-1] = Given(before.flag, (*before.words, word))
        else:
            found.append(Given(None, (word,)))
    return found


def with_each_flag_once(arguments: Sequence[str], flags: Mapping[str, Flag]) -> list[str]:
    """Return arguments that give each flag once: values of repeated flags stand where the last one stood.

    Raises:
        SettingsError: If a flag of one value or none is repeated, or a value is missing or empty.
    """
    found = given_flags(arguments, flags)
    by_name: dict[str, list[Given]] = {}
    for piece in found:
        _refuse_empty(piece)
        if piece.flag is not None:
            by_name.setdefault(piece.flag.name, []).append(piece)
    once: list[str] = []
    for piece in found:
        alike = [piece] if piece.flag is None else by_name[piece.flag.name]
        if piece.flag is None or len(alike) == 1:
            once += piece.words
        elif piece.flag.kind != "values" or not all(other.values for other in alike):
            raise SettingsError(f"{_told(alike)} are given; give {piece.flag.name} once.")
        elif piece is alike[-1]:
            once += _added_up(piece.flag, [value for other in alike for value in other.values])
    return once


def check_taken(command: object, arguments: Sequence[str], flags: Mapping[str, Flag]) -> None:
    """Refuse a flag of several values that got none because the words after it were taken by their position.

    Raises:
        SettingsError: If there is one.
    """
    for piece in given_flags(arguments, flags):
        if piece.flag is None or piece.flag.kind != "values" or piece.flag.name in MAY_BE_EMPTY:
            continue
        value: Any = command
        for name in piece.flag.place:
            value = getattr(value, name)
        if not value:
            raise SettingsError(_needs_value(piece.flag.name))


def looks_like_flag(word: str) -> bool:
    """Return whether tyro takes a word for a flag, known or not; -5 and -inf are numbers."""
    letters = word.partition("=")[0].lstrip("-")
    is_number = not word.startswith("--") and letters.lower() in ("inf", "infinity", "nan")
    return word.startswith("-") and letters[:1].isalpha() and not is_number


def spelt(word: str) -> str:
    """Return the flag of a word as help spells it; tyro takes _ for -."""
    name = word.partition("=")[0]
    return "--" + name[2:].replace("_", "-") if name.startswith("--") else name


def _takes_more(piece: Given) -> bool:
    kind = "switch" if piece.flag is None else piece.flag.kind
    return kind == "values" or (kind == "value" and not piece.values)


def _refuse_empty(piece: Given) -> None:
    if piece.flag is None:
        if piece.words == ("",):
            raise SettingsError("One of the arguments is empty, e.g. a variable that is not set; leave it out.")
        return
    is_missing = piece.flag.kind == "values" and not piece.values
    is_empty = any(not value.strip() for value in piece.values) and piece.flag.kind != "switch"
    if (is_missing or is_empty) and piece.flag.name not in MAY_BE_EMPTY:
        raise SettingsError(_needs_value(piece.flag.name))


def _needs_value(name: str) -> str:
    return f"{name} needs a value, got none; leave {name} out if nothing is meant."


def _told(pieces: Sequence[Given]) -> str:
    return " and ".join(" ".join(piece.words[:2]) for piece in pieces)


def _added_up(flag: Flag, values: Sequence[str]) -> list[str]:
    """Return one flag with all values; one that looks like a flag has to stand behind =."""
    like_flags = [value for value in values if looks_like_flag(value)]
    if len(like_flags) > 1:
        raise SettingsError(
            f"{flag.name}: {' and '.join(like_flags)} look like flags; only one such value can be told."
        )
    others = [value for value in values if value not in like_flags]
    return [f"{flag.name}={like_flags[0]}", *others] if like_flags else [flag.name, *others]
