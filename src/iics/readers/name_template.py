"""A template of file names, such as `{camera}/{identity:d}_{time:%Y%m%d-%H%M%S}_{}.jpg` -> the fields of a name.

Templates are written like Python's format strings and read by a regular expression:

{camera}                any text within one folder or file name, at least one character
{camera:alnum}          letters and digits only
{identity:d}            digits; an identity may also be -1
{tracklet} {video}      a tracklet is of one video where the name says which
{split:test=gallery,query=query}
                        one of the texts before =; the crop is of the split after it, or left out for none
{time:%Y%m%d-%H%M%S}    a date and a time with leading zeros, perhaps in several fields (folders of days); in UTC
{}                      any text, ignored; so is {any_name}, but it must match the same text everywhere
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property

from iics.errors import DataError
from iics.readers.camera_rule import parts_of_camera
from iics.readers.column_names import ABOUT_A_CROP, NOT_USED, check_spelling, other_names

_KNOWN = (*ABOUT_A_CROP, *NOT_USED)
# Of the directives of strptime those that are numbers of a fixed length (but %f), whatever the language.
_DIRECTIVES = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": "[0-9]{2}",
    "d": "[0-9]{2}",
    "j": "[0-9]{3}",
    "H": "[0-9]{2}",
    "M": "[0-9]{2}",
    "S": "[0-9]{2}",
    "f": "[0-9]{1,6}",
    "z": "(?:Z|[-+][0-9]{2}:?[0-9]{2})",
    "%": "%",
}
SPLIT_NAMES = ("train", "query", "gallery", "none")
"""What the text of a split may stand for; crops of none are left out."""
_KINDS = {"": "[^/]+", "alnum": "[^\\W_]+", "d": "[0-9]+"}
_EXAMPLES = {"camera": "lobby", "identity": "alice", "tracklet": "t7", "split": "train", "frame": "f451"}
_TIME_GROUP = "time·{}"  # no name of a field: those are ASCII
_EXAMPLE_TIME = datetime(2024, 5, 31, 14, 30, tzinfo=timezone(timedelta(0)))


@dataclass(frozen=True)
class _Field:
    """A piece of a template: text, then a field (none after the last text).

    Attributes:
        text: What stands before the field.
        name: Name of the field; "" for text that is passed over, None for no field.
        kind: What follows the colon.
    """

    text: str
    name: str | None
    kind: str


@dataclass(frozen=True)
class NameTemplate:
    """A template that can be read.

    Attributes:
        pattern: As written.
        camera_by: What stands for the camera (`iics.readers.camera_rule`); None for the field camera.

    Raises:
        DataError: If it is no template, its camera is called otherwise, or a field cannot be meant so.
    """

    pattern: str
    camera_by: str | None = None

    def __post_init__(self) -> None:
        fields = [field for field in self._fields if field.name is not None]
        for field in fields:
            self._check(field)
        names = self.names
        others = [name for name in names if name not in self.camera_parts]
        check_spelling(others, known=_KNOWN, what=f"The pattern {self.pattern} has the field")
        if self.camera_by is None and not self.camera_parts and (near := other_names("camera", names)):
            raise self._refusal(
                "has no {camera}", f"Is it {{{near[0]}}}? Rename that, or say --camera-by {near[0]} (or none)."
            )
        if self.pattern.startswith("/"):
            raise self._refusal("begins with /", "Patterns start in the data's folder: leave that part out.")
        if "time" in names:
            self._check_time()

    def read(self, name: str) -> Mapping[str, str] | None:
        """Return what a name says by field, None if it does not match; numbers without zeros first, times in ISO 8601.

        Args:
            name: Path below the data's folder, with /.

        Raises:
            DataError: If it can be read in two ways, or is no time; the message is the reason alone.
        """
        # If a name can be read in two ways, then the reading with the shortest fields (from left to right) differs from
        # the one with the longest.
        short, long = self._shortest.fullmatch(name), self._longest.fullmatch(name)
        if short is None or long is None:
            return None
        if short.groups() != long.groups():
            raise DataError(
                f"it can be read in two ways: {self._told(short)} or {self._told(long)}. Say what a field is made of, "
                "e.g. {camera:alnum} (letters and digits) or {identity:d} (digits)"
            )
        found = {
            field: self._time(short) if field == "time" else self._value(field, short[field])
            for field in dict.fromkeys((*ABOUT_A_CROP, *self.camera_parts))
            if field in self._kinds
        }
        # `iics crop` numbers tracklets anew in every video; a tracklet of ours is of one camera, not of one video.
        if "video" in self._kinds and found.get("tracklet", "-1") != "-1":
            found["tracklet"] = f"{short['video']} {found['tracklet']}"
        return found

    @cached_property
    def names(self) -> list[str]:
        """Names of the fields, each once."""
        return list(dict.fromkeys(field.name for field in self._fields if field.name))

    @cached_property
    def camera_parts(self) -> tuple[str, ...]:
        """The fields that stand for the camera; none for one camera."""
        return parts_of_camera(self.camera_by, self.names, what=f"The pattern {self.pattern}")

    @cached_property
    def example(self) -> str:
        """A name that matches."""
        pieces = []
        for field in self._fields:
            pieces.append(field.text)
            if field.name == "time":
                pieces.append(_EXAMPLE_TIME.strftime(field.kind))
            elif field.name is not None:
                is_number = "d" in (field.kind, self._kinds.get(field.name))
                first_split = next(iter(_split_names(field.kind)), "") if field.name == "split" else ""
                pieces.append("12" if is_number else first_split or _EXAMPLES.get(field.name, "x"))
        return "".join(pieces)

    @cached_property
    def _fields(self) -> tuple[_Field, ...]:
        try:
            parts = list(string.Formatter().parse(self.pattern))
        except ValueError as error:
            raise self._refusal(f"is no template: {error}", "Fields stand in braces, e.g. {camera}.") from error
        if any(conversion for *_, conversion in parts):
            raise self._refusal("has a field with !", "Leave it out.")
        return tuple(_Field(text, name, kind or "") for text, name, kind, _ in parts)

    @cached_property
    def _kinds(self) -> dict[str, str]:
        """The kind of each named field where it stands first."""
        kinds: dict[str, str] = {}
        for field in self._fields:
            if field.name:
                kinds.setdefault(field.name, field.kind)
        return kinds

    def _check(self, field: _Field) -> None:
        written = "{" + str(field.name) + (f":{field.kind}" if field.kind else "") + "}"
        if field.name and not (field.name.isidentifier() and field.name.isascii()):
            raise self._refusal(f"has the field {written}", "Names are made of letters, digits and _.")
        if field.name == "time":
            unknown = [letter for letter in re.findall("%(.?)", field.kind) if letter not in _DIRECTIVES]
            if "%" not in field.kind or unknown or "/" in field.kind:
                known = " ".join(f"%{letter}" for letter in _DIRECTIVES)
                raise self._refusal(f"has the field {written}", f"Say how times are written, by {known}.")
        elif field.name == "split" and "=" in field.kind:
            others = [name for name in _split_names(field.kind).values() if name not in SPLIT_NAMES]
            is_twice = len(_split_names(field.kind)) <= field.kind.count(",")
            if others or is_twice or "" in _split_names(field.kind):
                raise self._refusal(
                    f"has the field {written}",
                    f"Write each text of the names once, =, and one of {', '.join(SPLIT_NAMES)}.",
                )
        elif field.kind not in _KINDS:
            known = ", ".join(kind for kind in _KINDS if kind)
            raise self._refusal(f"has the field {written}", f"After the colon of all but time comes one of {known}.")
        elif field.name and field.kind not in ("", self._kinds[field.name]):
            raise self._refusal(f"says in two ways what {field.name} is made of", "Say it where it stands first.")

    def _check_time(self) -> None:
        has = {letter for field in self._fields if field.name == "time" for letter in re.findall("%(.)", field.kind)}
        if not (has & {"Y", "y"} and (has >= {"m", "d"} or "j" in has)):
            raise self._refusal(
                "has times without a full date", "Add %Y, %m and %d, or give the field another name, e.g. {clock:d}."
            )

    def _value(self, field: str, text: str) -> str:
        if field == "split" and "=" in self._kinds[field]:
            return _split_names(self._kinds[field])[text]
        return str(int(text)) if self._kinds[field] == "d" else text

    def _time(self, match: re.Match[str]) -> str:
        formats = [field.kind for field in self._fields if field.name == "time"]
        written = " ".join(match[_TIME_GROUP.format(at)] for at in range(len(formats)))
        try:
            return datetime.strptime(written, " ".join(formats)).isoformat()
        except ValueError as error:
            raise DataError(f"{written} is no date and time") from error

    def _told(self, match: re.Match[str]) -> str:
        found = [f"{field} {text!r}" for field, text in match.groupdict().items()]
        passed_over = [
            repr(match[at]) for at in range(1, match.re.groups + 1) if at not in match.re.groupindex.values()
        ]
        return ", ".join(found + [f"{{}} {text}" for text in passed_over])

    @cached_property
    def _shortest(self) -> re.Pattern[str]:
        return re.compile(self._expression("?"))

    @cached_property
    def _longest(self) -> re.Pattern[str]:
        return re.compile(self._expression(""))

    def _expression(self, laziness: str) -> str:
        """Return the regular expression whose fields take as little ("?") or as much ("") as they can."""
        pieces: list[str] = []
        seen: set[str] = set()
        num_times = 0
        for field in self._fields:
            pieces.append(re.escape(field.text))
            if field.name == "time":
                pieces.append(f"(?P<{_TIME_GROUP.format(num_times)}>{_time_expression(field.kind, laziness)})")
                num_times += 1
            elif field.name in seen:
                pieces.append(f"(?P={field.name})")
            elif field.name is not None:
                sign = "(?:-(?=1(?![0-9])))?" if (field.name, field.kind) == ("identity", "d") else ""
                named = f"?P<{field.name}>" if field.name else ""
                texts = _alternatives(_split_names(field.kind), laziness)
                pieces.append(f"({named}{texts or f'{sign}{_KINDS[field.kind]}{laziness}'})")
                seen |= {field.name} - {""}
        return "".join(pieces)

    def _refusal(self, fault: str, way_out: str) -> DataError:
        return DataError(f"The pattern {self.pattern} {fault}. {way_out}")


def _alternatives(texts: Iterable[str], laziness: str) -> str:
    """Return an expression of one of the texts, the shortest or the longest first; "" if there are none."""
    return "|".join(map(re.escape, sorted(texts, key=len, reverse=not laziness)))


def _split_names(kind: str) -> dict[str, str]:
    """Return what each text of a field such as {split:test=gallery,query=query} stands for; none without =."""
    pairs = [piece.partition("=") for piece in kind.split(",")] if "=" in kind else []
    return {text.strip(): name.strip() for text, _, name in pairs}


def _time_expression(kind: str, laziness: str) -> str:
    parts = re.split("%(.)", kind)  # text and directives in turn
    pieces = [_DIRECTIVES[part] if at % 2 else re.escape(part) for at, part in enumerate(parts)]
    return "".join(piece + laziness if piece == _DIRECTIVES["f"] else piece for piece in pieces)
