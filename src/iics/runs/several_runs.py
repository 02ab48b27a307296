"""Runs and model files named together, to be compared or used as one: which they are, and what must be said of them.

A folder of seeds stands for its finished runs. The same run twice is refused, in whatever spelling. Runs that are not
finished, and runs that were trained on different pictures, are told of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from iics.errors import RunFolderError
from iics.runs.run_crops import TRAIN, RunCrops
from iics.runs.run_data import RunData
from iics.runs.run_files import read_json, read_records
from iics.runs.seed_runs import SeedRuns

MODEL = "model.safetensors"


@dataclass(frozen=True)
class SeveralRuns:
    """What was named.

    Attributes:
        paths: Run folders and model files, each once, in order.
        remarks: Sentences on what is left out, not finished, or trained on other pictures.
    """

    paths: tuple[Path, ...]
    remarks: tuple[str, ...]


def several_runs(named: Sequence[Path]) -> SeveralRuns:
    """Return the runs and model files that paths name.

    Args:
        named: Run folders, model files, and folders of seeds.

    Raises:
        RunFolderError: If one is named twice, has no model yet, or is a folder of seeds of which none is finished.
    """
    paths: list[Path] = []
    remarks: list[str] = []
    for path in named:
        if SeedRuns.are_at(path):
            found, left_out = _finished_seeds(path)
            paths += found
            remarks += left_out
        else:
            paths.append(path)
    _check_each_once(paths)
    for path in paths:
        _check_has_model(path)
    unfinished = [text for path in paths if (text := _unfinished(path)) is not None]
    return SeveralRuns(tuple(paths), (*remarks, *unfinished, *_of_other_data(paths)))


def trained_on(path: Path) -> str | None:
    """Return a short hash of the pictures that a run was trained on, wherever they lie; None if nothing tells.

    Raises:
        RunFolderError: If what tells is damaged.
    """
    folder = path if path.is_dir() else path.parent
    if not all((folder / name).is_file() for name in ("settings.json", "data.json")):
        return None
    pictures = RunCrops.read(folder, num_crops=RunData.read(folder).needed("num_crops"))
    if pictures is None:  # of an older version
        return None
    shown = sorted(f"{crop.contents} {crop.camera}" for crop in pictures.splits[TRAIN])
    return hashlib.sha256("\n".join(shown).encode()).hexdigest()[:16]


def _finished_seeds(folder: Path) -> tuple[list[Path], list[str]]:
    runs = SeedRuns.read(folder)
    left_out = [str(run.seed) for run in runs.runs if not run.is_finished]
    if not runs.finished:
        raise RunFolderError(
            f"None of the seeds {', '.join(left_out)} in {folder} is finished. Go on with: iics train --resume {folder}"
        )
    remark = (
        f"{'Seed' if len(left_out) == 1 else 'Seeds'} {', '.join(left_out)} of {folder} "
        f"{'is' if len(left_out) == 1 else 'are'} not finished and left out. Go on with: iics train --resume {folder}"
    )
    return [runs.folder_of(seed) for seed in runs.finished], [remark] if left_out else []


def _check_each_once(paths: Sequence[Path]) -> None:
    first: dict[Path, Path] = {}
    for path in paths:
        file = (path / MODEL if path.is_dir() else path).resolve()
        if file in first:
            both = f"{first[file]} and {path}" if first[file] != path else f"{path}"
            raise RunFolderError(f"One model is named twice: {both}. It would count double; name it once.")
        first[file] = path


def _check_has_model(path: Path) -> None:
    if path.is_dir() and (path / "settings.json").is_file() and not (path / MODEL).exists():
        raise RunFolderError(
            f"{path} has no model yet: its run was stopped before it wrote one. Go on with: iics train --resume {path}"
        )


def _unfinished(path: Path) -> str | None:
    """Return what is to be said of a run that is not finished."""
    if not path.is_dir() or not (path / "settings.json").is_file():
        return None
    records, rounds = read_records(path), read_json(path / "settings.json").get("rounds")
    done = records[-1].number if records else 0
    return None if done == rounds else f"{path} is at round {done} of {rounds}: it counts with the model it has so far."


def _of_other_data(paths: Sequence[Path]) -> list[str]:
    """Return a sentence if runs were trained on different pictures: then more than their seeds differs."""
    known = {path: found for path in paths if (found := trained_on(path)) is not None}
    if len(set(known.values())) < 2:
        return []
    first, *others = known
    differing = ", ".join(str(path) for path in others if known[path] != known[first])
    return [f"Trained on other pictures than {first}: {differing}. What differs between them is not chance alone."]
