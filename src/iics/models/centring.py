"""Features without what their camera puts into all of them: f' = (f - m_c) / |f - m_c|.

m_c is the mean feature of camera c: of its training crops (`iics.models.camera_means`), if they are at least 25; else
of its own crops, if they are; else the mean over all training cameras. After "Exploring the Camera Bias of Person
Re-identification" (ICLR 2025). No labels are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from iics.arrays import FloatArray, IntArray
from iics.errors import WeightsError
from iics.models.camera_means import CameraMeans
from iics.shown_name import shown

FEWEST_CROPS = 25
"""Crops from which a camera has a mean of its own: the mean of fewer says more about the people than about it."""
_SHORTEST = 1e-4
"""Where all crops of a camera are one picture, f - m_c is rounding, and normalising it would make noise a feature."""
_ROWS_AT_ONCE = 16384
Source = Literal["training", "own", "all"]
OwnMean = Callable[[str], tuple[int, FloatArray | None]]
"""Name of a camera -> how many crops it has, and the mean of their features; None where they are fewer than needed."""


def centred(features: FloatArray, centres: FloatArray) -> FloatArray:
    """Return features less their cameras' means, L2-normalised; a row that is its mean stays as it is.

    Args:
        features: L2-normalised. Shape (n, d).
        centres: Mean of each row's camera, or one for all. Shape (n, d) or (d,).

    Returns:
        Shape (n, d).
    """
    moved = features - centres
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    result: FloatArray = np.where(lengths > _SHORTEST, moved / np.maximum(lengths, _SHORTEST), features)
    return result.astype(np.float32)


@dataclass(frozen=True, eq=False)
class CameraCentres:
    """By which mean each camera's features are centred.

    Attributes:
        names: Of the cameras. Length c.
        centres: Shape (c, d).
        sources: Whose mean each is: of the camera's training crops, of its own crops here, or of all training crops.
        num_own: Crops here of each camera that training saw too little of, or not at all; 0 for others.
    """

    names: tuple[str, ...]
    centres: FloatArray
    sources: tuple[Source, ...]
    num_own: tuple[int, ...]

    @classmethod
    def of(cls, known: CameraMeans, names: Sequence[str], own_mean: OwnMean) -> CameraCentres:
        """Return the means of cameras.

        Args:
            known: Of the model.
            names: Of the cameras.
            own_mean: Asked for cameras of which training saw fewer than `FEWEST_CROPS` crops.
        """
        of_cameras = zip(known.names, known.means, known.num_crops, strict=True)
        trained = {name: mean for name, mean, num_crops in of_cameras if num_crops >= FEWEST_CROPS}
        found: list[tuple[FloatArray, Source, int]] = []
        for name in names:
            if name in trained:
                found.append((trained[name], "training", 0))
                continue
            count, mean = own_mean(name)
            found.append((known.of_all, "all", count) if mean is None else (mean, "own", count))
        centres = np.array([centre for centre, _, _ in found], dtype=np.float32).reshape(len(found), len(known.of_all))
        return cls(tuple(names), centres, tuple(s for _, s, _ in found), tuple(count for _, _, count in found))

    def centred(self, features: FloatArray, camera_ids: IntArray) -> FloatArray:
        """Return features, centred by their cameras' means.

        Args:
            features: L2-normalised. Shape (n, d).
            camera_ids: Index of each row's camera into `names`. Shape (n,).
        """
        result = np.empty_like(features, dtype=np.float32)
        for start in range(0, len(features), _ROWS_AT_ONCE):
            block = slice(start, start + _ROWS_AT_ONCE)
            result[block] = centred(features[block], self.centres[camera_ids[block]])
        return result

    def unseen_notes(self) -> tuple[str, ...]:
        """Return what is to be told of cameras without a mean of training crops, a sentence for each kind."""
        own = [shown(name) for name, source in zip(self.names, self.sources, strict=True) if source == "own"]
        few = [
            f"{shown(name)} ({number} here)"
            for name, source, number in zip(self.names, self.sources, self.num_own, strict=True)
            if source == "all"
        ]
        notes = []
        if own:
            notes.append(
                f"Training saw fewer than {FEWEST_CROPS} crops of {_cameras(own)}: centred by the mean of the crops "
                "that are here."
            )
        if few:
            notes.append(
                f"Training saw fewer than {FEWEST_CROPS} crops of {_cameras(few)}, too few for a mean: centred by the "
                "mean of all training cameras."
            )
        return tuple(notes)


def own_means(features: FloatArray, camera_ids: IntArray, names: Sequence[str]) -> OwnMean:
    """Return who answers for cameras by the crops that are at hand.

    Args:
        features: L2-normalised. Shape (n, d).
        camera_ids: Index of each row's camera into `names`. Shape (n,).
        names: Of the cameras.
    """

    def own_mean(name: str) -> tuple[int, FloatArray | None]:
        own = features[camera_ids == names.index(name)]
        return len(own), own.mean(axis=0, dtype=np.float64) if len(own) >= FEWEST_CROPS else None

    return own_mean


def needed_means(means: CameraMeans | None) -> CameraMeans:
    """Return the means of a model that is to centre features.

    Raises:
        WeightsError: If it has none.
    """
    if means is None:
        raise WeightsError(
            "This model has no camera means, so its features cannot be centred: it is of an older version, not "
            "trained, or of others. iics train --resume RUN adds them to the model of a finished run; or leave out "
            "--centre."
        )
    return means


def _cameras(names: Sequence[str]) -> str:
    return f"camera{'s' if len(names) > 1 else ''} {', '.join(names)}"
