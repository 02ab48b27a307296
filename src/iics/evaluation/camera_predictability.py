"""Can the camera be told from the features? Nearest camera mean and a linear classifier, cross-validated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold

from iics.arrays import FloatArray, IntArray
from iics.crops import CropSet

_NUM_FOLDS, _RUNS_PER_FOLD = 3, 5


@dataclass(frozen=True)
class CameraPredictability:
    """Share of crops whose camera is told, mean over cameras; None where a camera has too few tracklets or crops.

    Attributes:
        by_centroid: By the nearest camera mean.
        by_plane: By a linear classifier.
    """

    by_centroid: float | None
    by_plane: float | None


def camera_predictability(features: FloatArray, crops: CropSet) -> CameraPredictability:
    """Return how well cameras are told from features, in three-fold cross-validation.

    Args:
        features: Shape (n, d).
        crops: Of the features, of at least two cameras.
    """
    cameras, groups = crops.camera_ids.copy(), _groups(crops)
    fewest = min(len(np.unique(groups[cameras == camera])) for camera in np.unique(cameras))
    if fewest < _NUM_FOLDS:
        return CameraPredictability(None, None)
    by_centroid, by_plane = np.empty_like(cameras), np.empty_like(cameras)
    for learned, told in StratifiedGroupKFold(_NUM_FOLDS).split(features, cameras, groups):
        by_centroid[told] = _nearest_mean(features[learned], cameras[learned], features[told])
        plane = RidgeClassifier(class_weight="balanced").fit(features[learned], cameras[learned])
        by_plane[told] = plane.predict(features[told])
    return CameraPredictability(*(float(balanced_accuracy_score(cameras, told)) for told in (by_centroid, by_plane)))


def _nearest_mean(learned: FloatArray, cameras: IntArray, told: FloatArray) -> IntArray:
    present = np.unique(cameras)
    means = np.stack([learned[cameras == camera].mean(axis=0) for camera in present])
    nearest: IntArray = present[cdist(told, means).argmin(axis=1)]
    return nearest


def _groups(crops: CropSet) -> IntArray:
    """Return crops that must not be torn apart when a classifier is tested: tracklets, else runs of files in a camera.

    Frames that follow each other look alike; told apart by chance they would tell the person, and so the camera.
    """
    cameras = crops.camera_ids
    groups = np.empty(len(crops), dtype=np.int64)
    for camera in np.unique(cameras):
        members = np.flatnonzero(cameras == camera)
        num_runs = min(len(members), _NUM_FOLDS * _RUNS_PER_FOLD)
        groups[members] = -1 - camera * _NUM_FOLDS * _RUNS_PER_FOLD - np.arange(len(members)) * num_runs // len(members)
    if crops.tracklet_ids is not None:
        groups = np.where(crops.tracklet_ids >= 0, crops.tracklet_ids, groups)
    return groups
