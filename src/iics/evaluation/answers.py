"""Answers: what people said of pairs of crops, one person or two, and their table.

One line a pair, also before it is answered, so that the table says what is left. A person or a program fills in the
column `answer`: yes, no or unsure, empty for not yet. The other columns say what was drawn, and are left as they are.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Literal, cast, get_args

from iics.csv_text import csv_text
from iics.errors import DataError, EvaluationError
from iics.evaluation.drawn_pairs import PairKind
from iics.evaluation.marks import plain_cell, safe_cell
from iics.regular_file import MOST_TABLE_BYTES, read_regular

Said = Literal["yes", "no", "unsure", ""]
"""Whether both crops show one person; unsure where it cannot be told, "" where nobody was asked yet."""
_MOST = 10**15  # of a slice: Python makes no number of more than 4,300 digits
_REDRAW = "Restore it from a copy, or move it away and draw anew."


@dataclass(frozen=True)
class AskedPair:
    """A pair and what was said of it; the fields are the table's columns.

    Attributes:
        pair: Its number, in the order of asking, from 1.
        answer: What was said.
        first_camera: Camera of one crop.
        first: Place of that crop below the folder that all crops have in common, with its box if it has one.
        second_camera: Camera of the other.
        second: Its place.
        similarity: Cosine of the two.
        kind: What it was drawn as; of a best match the first crop searches.
        slice: Its slice among those of its kind, from 0.
        slice_size: How many there are in the slice.
        answered_at: When, ISO 8601; "" if nobody was asked or a program filled it in.
        first_contents: Hash of the first crop's file and box.
        second_contents: Of the other's.
        model: Fingerprint of the model that computed the similarity.
    """

    pair: int
    answer: Said
    first_camera: str
    first: str
    second_camera: str
    second: str
    similarity: float
    kind: PairKind
    slice: int
    slice_size: int
    answered_at: str
    first_contents: str
    second_contents: str
    model: str

    @property
    def crops(self) -> frozenset[str]:
        """The two crops, whichever comes first."""
        return frozenset((self.first, self.second))


ANSWER_COLUMNS = tuple(field.name for field in fields(AskedPair))
_NUMBERS = {"pair": int, "slice": int, "slice_size": int, "similarity": float}


def answers_table(pairs: Iterable[AskedPair]) -> str:
    """Return pairs as CSV, a header first; `read_answers` reads all of it again."""
    rows = ([safe_cell(cell) if isinstance(cell, str) else cell for cell in astuple(pair)] for pair in pairs)
    return csv_text([ANSWER_COLUMNS, *rows])


def read_answers(file: Path) -> tuple[AskedPair, ...]:
    """Return the pairs in a table, in its order.

    Raises:
        DataError: If it is missing, is no table of answers, or a line is damaged; the line is named.
    """
    try:
        text = read_regular(file, most_bytes=MOST_TABLE_BYTES).decode(errors="surrogateescape")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except OSError as error:
        raise DataError(f"Cannot read answers from {file}: {error.strerror or error}.") from error
    except csv.Error as error:
        raise DataError(f"{file} is no table: {error}. {_REDRAW}") from error
    if not rows or tuple(rows[0]) != ANSWER_COLUMNS:
        raise DataError(
            f"{file} is no table of answers: its first line must be {','.join(ANSWER_COLUMNS)}. iics label writes one."
        )
    pairs = tuple(_pair(row, f"{file}, line {number}") for number, row in enumerate(rows[1:], start=2) if row)
    _check_slices(pairs, file)
    return pairs


def _pair(row: Sequence[str], place: str) -> AskedPair:
    if len(row) != len(ANSWER_COLUMNS):
        raise DataError(f"{place} has {len(row)} fields, a pair has {len(ANSWER_COLUMNS)}. {_REDRAW}")
    cells = dict(zip(ANSWER_COLUMNS, map(plain_cell, row), strict=True))
    answer = cells["answer"].strip().lower()
    if answer not in get_args(Said):
        raise DataError(f"{place}: answer {cells['answer']!r:.40} is none of yes, no, unsure, or empty for not yet.")
    if cells["kind"] not in get_args(PairKind):
        raise DataError(f"{place}: kind {cells['kind']!r:.40} is none of {', '.join(get_args(PairKind))}. {_REDRAW}")
    numbers = {name: _number(cells[name], f"{place}: {name}", kind) for name, kind in _NUMBERS.items()}
    return AskedPair(**{**cells, "answer": cast(Said, answer), **numbers})  # type: ignore[arg-type]


def _number(cell: str, what: str, kind: type) -> float:
    try:
        value = kind(cell) if len(cell) < 40 else math.nan
    except ValueError:
        value = math.nan
    least, most = (-1.001, 1.001) if kind is float else (0, _MOST)
    if not least <= value <= most:
        raise DataError(f"{what} {cell!r:.40} is no number that it can be. {_REDRAW}")
    return cast(float, value)


def _check_slices(pairs: Sequence[AskedPair], file: Path) -> None:
    """Refuse a table that no draw makes.

    Raises:
        DataError: If there is no pair, one of two models, or of a slice with two sizes or more draws than it holds.
    """
    if not pairs:
        raise DataError(f"{file} holds no pairs. {_REDRAW}")
    if len({pair.model for pair in pairs}) > 1:
        raise DataError(f"{file} holds pairs of several models; similarities of different models do not compare.")
    drawn = Counter((pair.kind, pair.slice) for pair in pairs)
    sizes = {(pair.kind, pair.slice, pair.slice_size) for pair in pairs}
    for kind, number, size in sizes:
        if len(drawn) < len(sizes) or drawn[kind, number] > size:
            raise DataError(f"{file} is not as it was drawn: slice {number} of {kind} has two sizes or is too small.")
    if [pair.pair for pair in pairs] != list(range(1, len(pairs) + 1)):
        raise DataError(f"{file} is not as it was drawn: pairs are to be numbered from 1 on, each once. {_REDRAW}")


def check_consistent(pairs: Sequence[AskedPair]) -> None:
    """Refuse answers that cannot all be true: a and b are one person, b and c are, and a and c are not.

    Raises:
        EvaluationError: If there are such; the pairs are named.
    """
    found = contradiction(pairs)
    if found:
        *chain, last = found
        said = " and ".join(f"pair {pair.pair} ({pair.first} and {pair.second})" for pair in chain)
        raise EvaluationError(
            f"The answers contradict each other: {said} {'is' if len(chain) == 1 else 'are each'} said to be one "
            f"person, and so pair {last.pair} ({last.first} and {last.second}) cannot be two. Look at these pairs "
            "again, and correct one."
        )


def contradiction(pairs: Sequence[AskedPair]) -> list[AskedPair]:
    """Return pairs of one person that lead from one crop to another, and then a pair that says they are two people.

    Empty if there is none. Of all such, the first pair of two people that contradicts others, by the shortest way.
    """
    neighbours: dict[str, list[tuple[str, AskedPair]]] = {}
    for pair in pairs:
        if pair.answer == "yes":
            neighbours.setdefault(pair.first, []).append((pair.second, pair))
            neighbours.setdefault(pair.second, []).append((pair.first, pair))
    for pair in pairs:
        way = _way(neighbours, pair.first, pair.second) if pair.answer == "no" else []
        if way:
            return [*way, pair]
    return []


def _way(neighbours: dict[str, list[tuple[str, AskedPair]]], start: str, end: str) -> list[AskedPair]:
    """Return the pairs along the shortest way from a crop to another; empty if there is none."""
    ways: dict[str, list[AskedPair]] = {start: []}
    queue = [start]
    for crop in queue:
        for other, pair in neighbours.get(crop, []):
            if other not in ways:
                ways[other] = [*ways[crop], pair]
                queue.append(other)
    return ways.get(end, [])
