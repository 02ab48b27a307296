"""Pairs of cameras: accuracy of each camera's queries in the crops of each other camera alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import DoubleArray, IntArray
from iics.errors import EvaluationError
from iics.evaluation.distance_rows import DistanceOf, query_blocks
from iics.evaluation.labels import EvaluationLabels, explain_no_match
from iics.evaluation.metrics import QueryScores
from iics.evaluation.protocol import MARKET1501
from iics.evaluation.ranking import score_block
from iics.shown_name import shown


@dataclass(frozen=True, eq=False)
class CameraPairs:
    """Rank-1 and mAP by camera of the query (rows) and camera of the gallery (columns); fractions in [0, 1].

    Attributes:
        cameras: Names of the cameras.
        rank1: NaN where no query has a valid match, as on the diagonal. Shape (C, C).
        mean_ap: NaN likewise. Shape (C, C).
        num_scored: Queries with a valid match. Shape (C, C).
    """

    cameras: tuple[str, ...]
    rank1: DoubleArray
    mean_ap: DoubleArray
    num_scored: IntArray

    def __str__(self) -> str:
        return "\n\n".join(
            (
                self._table("rank-1, in %", 100 * self.rank1, ".1f"),
                self._table("mAP, in %", 100 * self.mean_ap, ".1f"),
                self._table("queries scored", self.num_scored, "d"),
            )
        )

    def _table(self, title: str, values: DoubleArray | IntArray, form: str) -> str:
        cells = [
            [f"{value:{form}}" if count else "-" for value, count in zip(row, counts, strict=True)]
            for row, counts in zip(values.tolist(), self.num_scored.tolist(), strict=True)
        ]
        names = [shown(name) for name in self.cameras]
        left = max(map(len, names))
        widths = [max(5, len(name), *(len(row[at]) for row in cells)) for at, name in enumerate(names)]
        lines = [
            f"{title}: query camera (rows) against gallery camera (columns)",
            " " * left + "".join(f"  {n:>{w}}" for n, w in zip(names, widths, strict=True)),
        ]
        for name, row in zip(names, cells, strict=True):
            lines.append(f"{name:<{left}}" + "".join(f"  {c:>{w}}" for c, w in zip(row, widths, strict=True)))
        return "\n".join(lines)


def compare_camera_pairs(
    distance_of: DistanceOf, labels: EvaluationLabels, *, camera_names: tuple[str, ...]
) -> CameraPairs:
    """Return the metrics of each pair of cameras: the Market-1501 protocol with one camera's crops as the gallery.

    Args:
        distance_of: Distances of a block of queries.
        labels: Of the same crops.
        camera_names: Name of each camera; labels number them from 0.

    Raises:
        EvaluationError: If a camera has no name, or no query can be scored.
    """
    num_queries, num_gallery, num_cameras = len(labels.query_ids), len(labels.gallery_ids), len(camera_names)
    used = np.union1d(labels.query_cameras, labels.gallery_cameras)
    if used[0] < 0 or used[-1] >= num_cameras:
        raise EvaluationError(f"Cameras are numbered {used[0]} to {used[-1]}, but there are {num_cameras} names.")
    scores = QueryScores.unscored((num_queries, num_cameras))
    members = {int(camera): np.flatnonzero(labels.gallery_cameras == camera) for camera in used}
    for block in query_blocks(num_queries, num_gallery):
        distance = distance_of(block)
        for camera, crops in members.items():
            if len(crops):
                scores.fill(
                    (block, camera),
                    score_block(np.take(distance, crops, axis=1), labels.of(block, crops), MARKET1501),
                )
    if not scores.first_ranks.any():
        raise EvaluationError(explain_no_match(labels))
    return _by_query_camera(scores, labels.query_cameras, camera_names)


def _by_query_camera(scores: QueryScores, query_cameras: IntArray, camera_names: tuple[str, ...]) -> CameraPairs:
    num_cameras = len(camera_names)
    is_of = query_cameras == np.arange(num_cameras)[:, None]  # (C, n_query)
    num_scored = is_of.astype(np.int64) @ (scores.first_ranks > 0)
    hits = is_of.astype(np.float64) @ (scores.first_ranks == 1)
    precision = is_of.astype(np.float64) @ np.nan_to_num(scores.average_precision)
    counts = np.where(num_scored > 0, num_scored, np.nan)
    return CameraPairs(camera_names, hits / counts, precision / counts, num_scored)
