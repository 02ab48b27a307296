"""Camera bias: how much of the camera is in the features. Features x cameras -> numbers, without labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold

from iics.arrays import DoubleArray, FloatArray, IntArray
from iics.crops import CropSet
from iics.evaluation.explained import explained, percent
from iics.evaluation.similarity_blocks import similarity_blocks
from iics.shown_name import shown

_NUM_FOLDS, _RUNS_PER_FOLD = 3, 5
_MAX_COLUMNS = 9
"""Cameras whose matrix fits into a line of text."""


@dataclass(frozen=True)
class CameraPredictability:
    """Accuracy of recognising the camera, mean over cameras; None if a camera has too few tracklets or crops.

    Attributes:
        by_centroid: By the nearest camera mean.
        by_plane: By a linear classifier.
    """

    by_centroid: float | None
    by_plane: float | None


def camera_predictability(features: FloatArray, crops: CropSet) -> CameraPredictability:
    """Return how well the camera is recognised from features, in three-fold cross-validation.

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
    # Not scikit-learn's NearestCentroid, which warns of every dead channel.
    nearest: IntArray = present[cdist(told, means).argmin(axis=1)]
    return nearest


def _groups(crops: CropSet) -> IntArray:
    """Return the group of each crop that must be in one fold: its tracklet, else a run of files of its camera.

    Successive frames look alike. If they were in different folds, recognising the person would reveal the camera.
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


@dataclass(frozen=True)
class CameraBias:
    """How much of the camera is in the features.

    Attributes:
        camera_names: Of the cameras that have crops, in the order of the matrix.
        num_nearest: Number of nearest crops; more than a few, because the very nearest is mostly the next frame.
        across: Share of other cameras among them, mean over crops; crops of the own tracklet do not count.
        across_by_chance: The same for random features.
        within_similarity: Mean similarity of pairs of one camera; None if no camera has two crops.
        between_similarity: Mean similarity of pairs of two cameras.
        spread: Standard deviation of the latter, over the crops looked at.
        similarities: Mean similarity of each pair of cameras; None for a camera of one crop with itself.
        by_centroid: Share of crops whose camera is that of the nearest camera mean, mean over cameras; None if
            cameras are too small.
        by_plane: The same for a linear classifier.
        num_crops: Crops whose nearest were searched, and whose camera was predicted.
    """

    camera_names: tuple[str, ...]
    num_nearest: int
    across: float
    across_by_chance: float
    within_similarity: float | None
    between_similarity: float
    spread: float
    similarities: tuple[tuple[float | None, ...], ...]
    by_centroid: float | None
    by_plane: float | None
    num_crops: int

    def lines(self) -> list[str]:
        """Return what can be printed."""
        chance = percent(1 / len(self.camera_names))
        lines = [f"Cameras ({len(self.camera_names)}; {self.num_crops:,} crops looked at)"]
        lines += explained(
            f"other cameras among the {self.num_nearest} nearest crops",
            f"{percent(self.across)}",
            f"Chance alone would give {percent(self.across_by_chance)}. Near 0 %: features tell the camera, not the "
            "person. Better features raise it, not necessarily to chance: people stay in view of a camera for a while.",
        )
        if self.within_similarity is not None and self.spread > 0:
            gap = (self.within_similarity - self.between_similarity) / self.spread
            lines += explained(
                "mean cosine within a camera, less that between cameras",
                f"{gap:.2f}",
                f"({self.within_similarity:.3f} - {self.between_similarity:.3f}) / {self.spread:.3f}, in standard "
                "deviations of the latter. Nearly all pairs are of two people either way: a gap is the cameras' own. "
                "Good: near 0.",
            )
        for name, share in (("nearest camera mean", self.by_centroid), ("a linear classifier", self.by_plane)):
            if share is not None:
                lines += explained(
                    f"cameras told by {name}",
                    percent(share),
                    f"Chance is {chance}. Good: near that; near 100 % the camera stands plainly in the features."
                    + (" Of many features, few models come near chance here." if name[0] == "a" else ""),
                )
        return [*lines, *self._matrix_lines()]

    def _matrix_lines(self) -> list[str]:
        count = len(self.camera_names)
        if count > _MAX_COLUMNS:
            return [f"  mean cosine by pair of cameras: {count} x {count} numbers, in the JSON"]
        names = [name if len(name) <= 10 else name[:8] + ".." for name in map(shown, self.camera_names)]
        rows = [
            f"  {name:<12}" + "".join(f"{'-' if value is None else format(value, '.3f'):>11}" for value in values)
            for name, values in zip(names, self.similarities, strict=True)
        ]
        return [
            "  mean cosine by pair of cameras:",
            f"  {'':<12}" + "".join(f"{name:>11}" for name in names),
            *rows,
        ]


def camera_bias(
    features: FloatArray, crops: CropSet, *, seed: int = 0, max_crops: int = 5000, num_nearest: int = 20
) -> CameraBias:
    """Return how much of the camera is in the features of at least two cameras.

    Args:
        features: L2-normalised. Shape (n, d).
        crops: Of the features.
        seed: Of the crops that are drawn if there are more than `max_crops`.
        max_crops: Most crops whose nearest are searched among all, and whose camera is predicted.
        num_nearest: How many nearest.

    Raises:
        ValueError: If all crops are of one camera.
    """
    present, cameras = np.unique(crops.camera_ids, return_inverse=True)
    if len(present) < 2:
        raise ValueError("Camera bias compares cameras; it needs at least 2, got 1.")
    generator = np.random.default_rng(seed)
    chosen = np.arange(len(crops))
    if len(crops) > max_crops:
        chosen = np.sort(generator.choice(len(crops), max_crops, replace=False))
    near = _neighbourhood(features, cameras, crops.tracklet_ids, chosen, num_nearest)
    similarities, within, between = _mean_similarities(features, cameras)
    told = camera_predictability(features[chosen], crops.subset(chosen))
    return CameraBias(
        camera_names=tuple(crops.camera_names[camera] for camera in present),
        num_nearest=num_nearest,
        across=near.across,
        across_by_chance=near.by_chance,
        within_similarity=within,
        between_similarity=between,
        spread=near.spread,
        similarities=tuple(tuple(None if np.isnan(value) else float(value) for value in row) for row in similarities),
        by_centroid=told.by_centroid,
        by_plane=told.by_plane,
        num_crops=len(chosen),
    )


@dataclass(frozen=True)
class _Neighbourhood:
    """Share of other cameras among the nearest crops, the same by chance, and the spread between cameras."""

    across: float
    by_chance: float
    spread: float


def _neighbourhood(
    features: FloatArray, cameras: IntArray, tracklets: IntArray | None, chosen: IntArray, num_nearest: int
) -> _Neighbourhood:
    across, by_chance = np.empty(len(chosen)), np.empty(len(chosen))
    moments = np.zeros(3)  # of similarities between cameras: count, sum, sum of squares
    done = 0
    for rows, similarity in similarity_blocks(features, chosen):
        here = slice(done, done + len(rows))
        is_out = np.zeros(similarity.shape, dtype=np.bool_)
        if tracklets is not None:
            is_out |= (tracklets[rows, None] == tracklets) & (tracklets >= 0)
        is_out[np.arange(len(rows)), rows] = True
        is_across = cameras[rows, None] != cameras  # a crop of another camera is never of the own tracklet
        between = similarity[is_across].astype(np.float64)
        moments += len(between), between.sum(), (between**2).sum()
        similarity[is_out] = -np.inf
        nearest = np.argpartition(-similarity, min(num_nearest, len(features) - 1) - 1, axis=1)[:, :num_nearest]
        counts = ~np.take_along_axis(is_out, nearest, axis=1)
        across[here] = (np.take_along_axis(is_across, nearest, axis=1) & counts).sum(axis=1) / counts.sum(axis=1)
        by_chance[here] = is_across.sum(axis=1) / (~is_out).sum(axis=1)
        done += len(rows)
    count, total, squares = moments
    variance = max(squares / count - (total / count) ** 2, 0.0)
    return _Neighbourhood(float(across.mean()), float(by_chance.mean()), float(np.sqrt(variance)))


def _mean_similarities(features: FloatArray, cameras: IntArray) -> tuple[DoubleArray, float | None, float]:
    """Return mean cosines by pair of cameras (NaN where there is no pair), within, and between them; from sums."""
    sizes = np.bincount(cameras)
    # The sum of the cosines of all pairs is the product of two sums of features: no n x n matrix is needed.
    sums = np.stack([features[cameras == camera].sum(axis=0, dtype=np.float64) for camera in range(len(sizes))])
    totals = sums @ sums.T
    squares = np.bincount(cameras, weights=np.einsum("nd,nd->n", features, features, dtype=np.float64))
    totals[np.diag_indices_from(totals)] -= squares  # a crop with itself is no pair
    counts = np.outer(sizes, sizes) - np.diag(sizes)
    means = np.divide(totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0)
    is_within = np.eye(len(sizes), dtype=np.bool_)
    num_within = counts[is_within].sum()
    within = float(totals[is_within].sum() / num_within) if num_within else None
    return means, within, float(totals[~is_within].sum() / counts[~is_within].sum())
