"""What a model makes of each training camera: the mean feature m_c of its crops, kept beside the weights.

Search can take them off (`iics.models.centring`): f' = (f - m_c) / |f - m_c|, f and f' L2-normalised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from iics.arrays import FloatArray, IntArray

MOST_CROPS_PER_CAMERA = 500
"""Crops that a camera's mean is taken over at most: the mean of 500 is within 5 % of a feature's spread of that of all,
and a pass over all would cost what the features for labels cost."""
_OF_CAMERAS, _OF_ALL = "camera_means.of_cameras", "camera_means.of_all"
_TENSORS = (_OF_CAMERAS, _OF_ALL)


@dataclass(frozen=True, eq=False)
class CameraMeans:
    """Mean features of the training cameras.

    Attributes:
        names: Of the cameras, no two alike. Length c.
        num_crops: How many crops each mean is taken over, at least 1. Length c.
        means: Mean of L2-normalised features of each camera; shorter than 1. Shape (c, d).
        of_all: The mean over all these crops. Shape (d,).

    Raises:
        ValueError: If they do not belong together.
    """

    names: tuple[str, ...]
    num_crops: tuple[int, ...]
    means: FloatArray
    of_all: FloatArray

    def __post_init__(self) -> None:
        if not self.names or len(set(self.names)) < len(self.names) or not all(isinstance(n, str) for n in self.names):
            raise ValueError(f"camera means need names of cameras, each once, got {self.names!r:.80}")
        if len(self.num_crops) != len(self.names) or not all(_is_count(number) for number in self.num_crops):
            raise ValueError(f"camera means need the crops behind each, got {self.num_crops!r:.80}")
        shape = (len(self.names), *self.of_all.shape)
        if self.of_all.ndim != 1 or self.means.shape != shape:
            raise ValueError(f"camera means must have shape {shape}, got {self.means.shape}")
        if max(np.linalg.norm(self.means, axis=1).max(), np.linalg.norm(self.of_all)) > 1 + 1e-4:
            raise ValueError("camera means are longer than 1, so they are no means of L2-normalised features")

    @classmethod
    def of(cls, features: FloatArray, camera_ids: IntArray, names: Sequence[str]) -> CameraMeans:
        """Return the means of features.

        Args:
            features: L2-normalised. Shape (n, d).
            camera_ids: Index of each row's camera into `names`. Shape (n,).
            names: Of the cameras; those without a row are left out.
        """
        present = np.unique(camera_ids)
        rows = [features[camera_ids == camera].astype(np.float64) for camera in present]
        return cls(
            names=tuple(names[camera] for camera in present),
            num_crops=tuple(map(len, rows)),
            means=np.stack([of_camera.mean(axis=0) for of_camera in rows]).astype(np.float32),
            of_all=np.concatenate(rows).mean(axis=0).astype(np.float32),
        )

    def values(self) -> dict[str, Any]:
        """Return what a model file's header says of them."""
        return {"names": list(self.names), "num_crops": list(self.num_crops)}

    def tensors(self) -> dict[str, Tensor]:
        """Return what stands beside the weights, by names that no weight of a network has."""
        return {_OF_CAMERAS: torch.tensor(self.means), _OF_ALL: torch.tensor(self.of_all)}


def taken_apart(tensors: Mapping[str, Tensor], values: Any) -> tuple[dict[str, Tensor], CameraMeans | None]:
    """Return the weights among a model file's tensors, and its camera means; None if it has none.

    Args:
        tensors: All that the file holds.
        values: What its header says of the means; None if nothing.

    Raises:
        ValueError: If tensors and header do not belong together.
    """
    weights = {name: tensor for name, tensor in tensors.items() if name not in _TENSORS}
    has_tensors = [name for name in _TENSORS if name in tensors]
    if values is None and not has_tensors:
        return weights, None
    if not isinstance(values, Mapping) or len(has_tensors) < len(_TENSORS):
        raise ValueError("camera means need their tensors and their names")
    names, num_crops = values["names"], values["num_crops"]
    if not isinstance(names, list) or not isinstance(num_crops, list):
        raise ValueError("camera means need a list of names and one of numbers of crops")
    of_cameras, of_all = (tensors[name].float().numpy() for name in _TENSORS)
    return weights, CameraMeans(tuple(names), tuple(num_crops), of_cameras, of_all)


def spread_crops(camera_ids: IntArray) -> IntArray:
    """Return which crops the means are taken over: of each camera all, or `MOST_CROPS_PER_CAMERA` evenly spaced.

    Args:
        camera_ids: Camera of each crop. Shape (n,).

    Returns:
        Indices, ascending. Shape (k,).
    """
    chosen = [_spread(np.flatnonzero(camera_ids == camera)) for camera in np.unique(camera_ids)]
    return np.sort(np.concatenate(chosen))


def _spread(members: IntArray) -> IntArray:
    count = min(len(members), MOST_CROPS_PER_CAMERA)
    return members[np.arange(count) * len(members) // count]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
