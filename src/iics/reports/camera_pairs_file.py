"""camera_pairs.json of a run folder: rank-1 and mAP of each query camera against each gallery camera."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from iics.arrays import DoubleArray
from iics.atomic import write_atomically
from iics.errors import RunFolderError
from iics.evaluation.ranked_features import rank_camera_pairs
from iics.evaluation.ranked_results import EvaluatedModel
from iics.runs.run_files import read_json

CAMERA_PAIRS = "camera_pairs.json"
_WAY_OUT = "Delete it; the report is made without it."
CONTACT_SHEET = "contact_sheet.png"


@dataclass(frozen=True, eq=False)
class CameraPairMatrices:
    """Accuracy by camera of the query (rows) and camera of the gallery (columns).

    Attributes:
        cameras: Their names.
        rank1: Fractions; NaN where nothing can be scored. Shape (C, C).
        mean_ap: Likewise.
    """

    cameras: tuple[str, ...]
    rank1: DoubleArray
    mean_ap: DoubleArray

    def __post_init__(self) -> None:
        for name in ("rank1", "mean_ap"):
            shape = getattr(self, name).shape
            if shape != (len(self.cameras), len(self.cameras)):
                raise ValueError(f"{len(self.cameras)} cameras need {name} of as many rows and columns, got {shape}.")

    def write(self, folder: Path) -> None:
        """Write them into a run folder; NaN becomes null.

        Raises:
            WriteError: If they cannot be written.
        """
        values = {
            "cameras": list(self.cameras),
            "rank1": _with_null(self.rank1),
            "mean_ap": _with_null(self.mean_ap),
        }
        write_atomically(folder / CAMERA_PAIRS, json.dumps(values) + "\n")

    @classmethod
    def read(cls, folder: Path) -> CameraPairMatrices | None:
        """Return what lies in a run folder, None if nothing does.

        Raises:
            RunFolderError: If it cannot be read.
        """
        file = folder / CAMERA_PAIRS
        if not file.exists():
            return None
        values = read_json(file, way_out=_WAY_OUT)
        cameras = values.get("cameras")
        if not isinstance(cameras, list) or not all(isinstance(name, str) for name in cameras):
            raise RunFolderError(f"{file} is damaged: cameras must be a list of names. {_WAY_OUT}")
        return cls(tuple(cameras), *(_matrix(file, values, name, len(cameras)) for name in ("rank1", "mean_ap")))


def _matrix(file: Path, values: Mapping[str, Any], name: str, size: int) -> DoubleArray:
    """Return a matrix of the file; null becomes NaN."""
    rows = values.get(name)
    is_square = isinstance(rows, list) and len(rows) == size
    if not is_square or not all(isinstance(row, list) and len(row) == size for row in rows or ()):
        raise RunFolderError(f"{file} is damaged: {name} must have a row and a column for each camera. {_WAY_OUT}")
    for value in (value for row in rows or () for value in row):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1):
            raise RunFolderError(
                f"{file} is damaged: {name} must hold shares from 0 to 1, got {value!r:.40}. {_WAY_OUT}"
            )
    return np.array(rows, dtype=np.float64).reshape(size, size)


def _with_null(matrix: DoubleArray) -> list[list[float | None]]:
    return [[None if np.isnan(value) else value for value in row] for row in matrix.tolist()]


def write_rankings(evaluated: EvaluatedModel, folder: Path) -> None:
    """Write contact_sheet.png and, of two cameras or more, camera_pairs.json into a run folder.

    Raises:
        DataError: If a crop that is shown cannot be read.
        WriteError: If they cannot be written.
    """
    evaluated.write_contact_sheet(folder / CONTACT_SHEET)
    if len(np.union1d(evaluated.query.camera_ids, evaluated.gallery.camera_ids)) < 2:
        return
    features = evaluated.query_features, evaluated.gallery_features
    pairs = rank_camera_pairs(*features, evaluated.query, evaluated.gallery)
    CameraPairMatrices(pairs.cameras, pairs.rank1, pairs.mean_ap).write(folder)
