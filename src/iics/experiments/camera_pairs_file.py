"""camera_pairs.json of a run folder: rank-1 and mAP of each query camera against each gallery camera."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from iics.atomic import write_atomically
from iics.errors import RunFolderError

CAMERA_PAIRS = "camera_pairs.json"


@dataclass(frozen=True, eq=False)
class CameraPairMatrices:
    """Accuracy by camera of the query (rows) and camera of the gallery (columns).

    Attributes:
        cameras: Their names.
        rank1: Fractions; NaN where nothing can be scored. Shape (C, C).
        mean_ap: Likewise.
    """

    cameras: tuple[str, ...]
    rank1: npt.NDArray[np.float64]
    mean_ap: npt.NDArray[np.float64]

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
        try:
            values = json.loads(file.read_bytes())
            matrices = (np.array(values[name], dtype=np.float64) for name in ("rank1", "mean_ap"))  # null becomes NaN
            return cls(tuple(map(str, values["cameras"])), *matrices)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RunFolderError(
                f"{file} cannot be read ({type(error).__name__}: {error}). Delete it; the report is made without it."
            ) from error


def _with_null(matrix: npt.NDArray[np.float64]) -> list[list[float | None]]:
    return [[None if np.isnan(value) else value for value in row] for row in matrix.tolist()]
