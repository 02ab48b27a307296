"""Files of a run folder, read with nothing taken for granted: what is wrong is said with file, field and way out.

Every reader of a run goes through here: resuming, the report, the model card, the page and reproductions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from iics.errors import RunFolderError
from iics.regular_file import open_regular
from iics.runs.record import RecordError, RoundRecord

METRICS, SEEDS = "metrics.jsonl", "seeds.json"
LARGEST = 2**53
"""No count, time or score of a run is larger; above it, whole numbers are no longer exact in every program."""

_RESTORE = "Restore it from a copy."
_REBUILD = "Restore it from a copy, or delete it: iics train --resume writes it anew from the last checkpoint."


def read_bytes(file: Path, *, way_out: str = _RESTORE) -> bytes:
    """Return what a file holds.

    Raises:
        RunFolderError: If it is missing, a folder, or must not be read.
    """
    try:
        with open_regular(file) as opened:
            return opened.read()
    except OSError as error:
        raise RunFolderError(f"{file} cannot be read: {error.strerror or error}. {way_out}") from error


def read_text(file: Path, *, way_out: str = _RESTORE) -> str:
    """Return the text in a file.

    Raises:
        RunFolderError: As `read_bytes`, or if it is no UTF-8.
    """
    try:
        return read_bytes(file, way_out=way_out).decode()
    except UnicodeDecodeError as error:
        raise RunFolderError(f"{file} is damaged: it is no text in UTF-8 ({error.reason}). {way_out}") from error


def parse_json(text: str, *, where: str, way_out: str = _RESTORE) -> dict[str, Any]:
    """Return the names and values in a text of JSON.

    Args:
        text: An object in JSON.
        where: The file, and the line of it, for messages.
        way_out: What to do if it is none.

    Raises:
        RunFolderError: If it is none, or a number in it is NaN, infinite or beyond `LARGEST`.
    """
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_float, parse_int=_int)
    except (ValueError, RecursionError) as error:
        raise RunFolderError(f"{where} is no valid JSON: {error}. {way_out}") from error
    if not isinstance(value, dict):
        raise RunFolderError(f"{where} must hold names and values, got {type(value).__name__}. {way_out}")
    return value


def read_json(file: Path, *, way_out: str = _RESTORE) -> dict[str, Any]:
    """Return the names and values in a file of JSON; see `parse_json`."""
    return parse_json(read_text(file, way_out=way_out), where=str(file), way_out=way_out)


def labels_hash(rows: Iterable[Sequence[object]]) -> str:
    """Return a short hash of a table of pseudo-labels, the same wherever the pictures lie.

    Args:
        rows: Its lines, the header first: the path of a picture, then what the table says of it.
    """
    lines = (chr(0).join(map(str, (PurePosixPath(str(path)).name, *others))) for path, *others in rows)
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:16]


def check_is_run(folder: Path) -> None:
    """Refuse a folder that is no run's.

    Raises:
        RunFolderError: If it is none, or its run was stopped before it began.
    """
    for name in ("settings.json", "data.json"):
        try:
            is_there = (folder / name).exists()
        except OSError as error:
            raise RunFolderError(f"Cannot look into {folder}: {error.strerror or error}.") from error
        if not is_there and name == "settings.json" and is_unbegun(folder):
            raise RunFolderError(
                f"{folder} was stopped before its run began: it has no settings.json yet, and nothing is lost. Start "
                f"it again: iics train DATA ... --out {folder}"
            )
        if not is_there and (folder / SEEDS).is_file():
            raise RunFolderError(
                f"{folder} is no run folder but holds the runs of several seeds. Name one of them, e.g. "
                f"{next(iter(sorted(folder.glob('seed-*'))), folder / 'seed-0')}."
            )
        if not is_there and (runs := runs_in(folder)):
            raise RunFolderError(f"{folder} is no run folder but holds runs. Name one of them, e.g. {runs[0]}.")
        if not is_there:
            raise RunFolderError(f"{folder} is no run folder: it has no {name}. Start a run with iics train.")


def runs_in(folder: Path) -> list[Path]:
    """Return the run folders that lie in a folder, by name; none if it cannot be looked into."""
    try:
        return sorted(path.parent for path in folder.glob("*/settings.json"))
    except OSError:
        return []


def is_unbegun(folder: Path) -> bool:
    """Return whether a folder holds nothing but what is made before a run begins: settings.json comes last."""
    try:
        names = {path.name for path in folder.iterdir() if path.suffix != ".tmp"}
        empty = [path for path in (folder / "checkpoints", folder / "pseudo_labels") if path.is_dir()]
        is_empty = not any(any(path.iterdir()) for path in empty)
    except OSError:
        return False
    return "checkpoints" in names and names <= BEFORE_A_RUN_BEGINS and is_empty


BEFORE_A_RUN_BEGINS = frozenset({"checkpoints", "pseudo_labels", "data.json", "crops.csv", ".lock", ".held_by.json"})
"""What may lie in a folder whose run was killed before settings.json was written."""


def read_records(folder: Path) -> list[RoundRecord]:
    """Return the records of metrics.jsonl, one a round; none if there is no such file.

    Raises:
        RunFolderError: If a line is damaged, or lines are not one round after another.
    """
    return [record for _, record in read_lines(folder)]


def read_lines(folder: Path) -> list[tuple[str, RoundRecord]]:
    """Return the lines of metrics.jsonl, each with the record it holds; see `read_records`."""
    file = folder / METRICS
    if not file.exists():
        return []
    found: list[tuple[str, RoundRecord]] = []
    for number, line in enumerate(read_text(file, way_out=_REBUILD).splitlines(), start=1):
        where = f"{file}, line {number},"
        try:
            record = RoundRecord.of(parse_json(line, where=where, way_out=_REBUILD))
            if found and record.number != found[-1][1].number + 1:
                raise RecordError(f"is of round {record.number}, after round {found[-1][1].number}")
        except RecordError as error:
            raise RunFolderError(f"{where} {error}. {_REBUILD}") from error
        found.append((line, record))
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of a run")


def _float(text: str) -> float:
    value = float(text)
    if not abs(value) <= LARGEST:
        raise ValueError(f"{text[:40]} is no number of a run")
    return value


def _int(text: str) -> int:
    value = int(text)
    if abs(value) > LARGEST:
        raise ValueError(f"{text[:40]} is no number of a run")
    return value
