"""Files of a run folder, read with nothing taken for granted: what is wrong is said with file, field and way out.

Every reader of a run goes through here: resuming, the report, the model card, the page and reproductions.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from iics.errors import RunFolderError
from iics.regular_file import open_regular
from iics.similarity.pair_histograms import BINS_PER_UNIT

METRICS = "metrics.jsonl"
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
        if not is_there:
            raise RunFolderError(f"{folder} is no run folder: it has no {name}. Start a run with iics train.")


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


def read_records(folder: Path) -> list[dict[str, Any]]:
    """Return the records of metrics.jsonl, one a round; none if there is no such file.

    Raises:
        RunFolderError: If a line is damaged, or lines are not one round after another.
    """
    return [record for _, record in read_lines(folder)]


def read_lines(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the lines of metrics.jsonl, each with the record it holds; see `read_records`."""
    file = folder / METRICS
    if not file.exists():
        return []
    found: list[tuple[str, dict[str, Any]]] = []
    for number, line in enumerate(read_text(file, way_out=_REBUILD).splitlines(), start=1):
        where = f"{file}, line {number},"
        record = parse_json(line, where=where, way_out=_REBUILD)
        wrong = fault_of_record(record)
        if wrong is None and found and record["round"] != found[-1][1]["round"] + 1:
            wrong = f"is of round {record['round']}, after round {found[-1][1]['round']}"
        if wrong is not None:
            raise RunFolderError(f"{where} {wrong}. {_REBUILD}")
        found.append((line, record))
    return found


def fault_of_record(record: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a round's record, None if nothing is. Older versions recorded less."""
    if not _is_count(record.get("round")):
        return f"names no round: round must be a whole number from 0, got {record.get('round')!r}"
    for path, needs in _FIELDS.items():
        for name, value in _found(record, path.split("."), ""):
            if not _KINDS[needs](value):
                return f"has no {needs} at {name}, got {str(value)[:60]!r}"
    return None


def _found(values: Any, path: list[str], prefix: str) -> list[tuple[str, Any]]:
    """Return what lies at a path, with its full name: * stands for every name, and what is missing is left out."""
    if not path:
        return [(prefix, values)]
    if not isinstance(values, Mapping):
        return []
    names = list(values) if path[0] == "*" else [path[0]] if path[0] in values else []
    return [
        found for name in names for found in _found(values[name], path[1:], f"{prefix}.{name}" if prefix else str(name))
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_pairs(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(map(_is_count, pair)) for pair in value
    )


def _is_histogram(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 2 and _is_bin(pair[0]) and _is_count(pair[1]) for pair in value
    )


def _is_bin(value: Any) -> bool:
    return isinstance(value, int) and -BINS_PER_UNIT <= value < BINS_PER_UNIT


_KINDS = {
    "object": lambda value: isinstance(value, Mapping),
    "object or null": lambda value: value is None or isinstance(value, Mapping),
    "number": _is_number,
    "number or null": lambda value: value is None or _is_number(value),
    "count": _is_count,
    "pairs of counts": _is_pairs,
    "histogram": _is_histogram,
}
_LABEL_NUMBERS = ("num_clusters", "num_singletons", "largest_share", "camera_entropy_normalized", "num_across_cameras")


def _label_fields(path: str) -> dict[str, str]:
    return {
        path: "object",
        f"{path}.size_counts": "pairs of counts",
        **{f"{path}.{name}": "number" for name in _LABEL_NUMBERS},
    }


def _stage_fields(stage: str) -> dict[str, str]:
    return {
        stage: "object",
        **{f"{stage}.{name}": "number or null" for name in ("loss", "triplet", "accuracy")},
        f"{stage}.num_steps": "count",
        f"{stage}.stability": "object or null",
        f"{stage}.stability.*": "number or null",
        f"{stage}.similarity": "object or null",
        f"{stage}.similarity.num_sampled": "count",
        f"{stage}.similarity.pairs": "object",
        f"{stage}.similarity.pairs.*": "object",
        f"{stage}.similarity.pairs.*.counts": "histogram",
    }


_FIELDS = {
    "seconds": "object",
    "seconds.*": "number",
    "phases": "object",
    "phases.*": "object",
    "phases.*.*": "number or null",
    "alpha": "object",
    "alpha.*": "number",
    "evaluation": "object or null",
    **_stage_fields("stage1"),
    **_stage_fields("stage2"),
    **_stage_fields("supervised"),
    "stage1.pseudo_labels": "object",
    **_label_fields("stage1.pseudo_labels.*"),
    **_label_fields("stage2.pseudo_labels"),
}
"""What is read of a record, and what it must be where it is there."""


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
