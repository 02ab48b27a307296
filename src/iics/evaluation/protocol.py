"""Who may match whom: the Market-1501 protocol (Zheng et al., ICCV 2015), for a block of queries at a time.

A query's own identity seen by its own camera is ignored, as is junk; a distractor stays, as a wrong answer.
In: identities and cameras of query and gallery. Out: boolean matrices, one row per query of the block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from iics.data.crops import DISTRACTOR_IDENTITY, JUNK_IDENTITY
from iics.errors import EvaluationError

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class EvaluationLabels:
    """Identities and cameras of query and gallery, checked.

    Attributes:
        query_ids: Identity of each query, above 0. Shape (n_query,).
        gallery_ids: Identity of each gallery crop; -1 is junk, 0 a distractor. Shape (n_gallery,).
        query_cameras: Camera of each query. Shape (n_query,).
        gallery_cameras: Camera of each gallery crop, numbered as in the query. Shape (n_gallery,).

    Raises:
        EvaluationError: If one side is empty, lengths differ, an array does not hold whole numbers, a query is junk
            or a distractor, or an identity is below -1.
    """

    query_ids: IntArray
    gallery_ids: IntArray
    query_cameras: IntArray
    gallery_cameras: IntArray

    def __post_init__(self) -> None:
        for name in ("query_ids", "gallery_ids", "query_cameras", "gallery_cameras"):
            object.__setattr__(self, name, _whole_numbers(name, getattr(self, name)))
        for side, ids, cameras in (
            ("query", self.query_ids, self.query_cameras),
            ("gallery", self.gallery_ids, self.gallery_cameras),
        ):
            if len(ids) != len(cameras):
                raise EvaluationError(f"{side}_ids has {len(ids)} entries but {side}_cameras has {len(cameras)}.")
            if len(ids) == 0:
                raise EvaluationError(f"The {side} is empty; evaluation needs at least one {side} crop.")
            if ids.min() < JUNK_IDENTITY:
                raise EvaluationError(
                    f"{side}_ids holds {ids.min()}; identities start at -1 (junk) and 0 (distractor)."
                )
        num_junk = int(np.sum(self.query_ids == JUNK_IDENTITY))
        num_distractors = int(np.sum(self.query_ids == DISTRACTOR_IDENTITY))
        if num_junk or num_distractors:
            raise EvaluationError(
                f"{num_junk + num_distractors} of {len(self.query_ids)} queries can match nobody: {num_junk} junk "
                f"(identity -1) and {num_distractors} distractors (identity 0). Remove them from the query."
            )


def ignored_pairs(labels: EvaluationLabels, block: slice) -> BoolArray:
    """Return which gallery crops do not count for each query of the block.

    These are junk, and the query's identity seen by the query's camera: usually the next frames of the same walk,
    which would be found without any recognition. Shape (n_block, n_gallery), one byte a pair.
    """
    same_place = _same_identity(labels, block) & (labels.query_cameras[block, None] == labels.gallery_cameras)
    is_ignored: BoolArray = same_place | (labels.gallery_ids == JUNK_IDENTITY)
    return is_ignored


def matching_pairs(labels: EvaluationLabels, block: slice) -> BoolArray:
    """Return which gallery crops are right answers: the query's identity seen by another camera.

    Shape (n_block, n_gallery), one byte a pair; no pair is both matching and ignored.
    """
    is_match: BoolArray = _same_identity(labels, block) & (labels.query_cameras[block, None] != labels.gallery_cameras)
    return is_match


def explain_no_match(labels: EvaluationLabels) -> str:
    """Return why no query of `labels` has a right answer in the gallery, in numbers, and what to do."""
    num_queries, num_gallery = len(labels.query_ids), len(labels.gallery_ids)
    query_people = np.unique(labels.query_ids)
    gallery_people = np.unique(labels.gallery_ids[labels.gallery_ids > DISTRACTOR_IDENTITY])
    shared = np.intersect1d(query_people, gallery_people)
    problem = f"None of {num_queries} queries has a valid match among {num_gallery} gallery crops: "
    if len(gallery_people) == 0:
        num_junk = int(np.sum(labels.gallery_ids == JUNK_IDENTITY))
        return problem + (
            f"{num_junk} of those are junk (identity -1) and {num_gallery - num_junk} distractors (identity 0). "
            "Use a gallery that shows the people of the query."
        )
    if len(shared) == 0:
        return problem + (
            f"the query shows {len(query_people)} identities, the gallery {len(gallery_people)}, and they share none. "
            "Take query and gallery from the same data set, with identities numbered alike."
        )
    return problem + (
        f"they share {len(shared)} identities, but every such gallery crop comes from its query's own camera "
        f"({len(np.unique(labels.query_cameras))} query cameras, {len(np.unique(labels.gallery_cameras))} gallery "
        "cameras). Add gallery crops of these people from other cameras, or check the camera numbers."
    )


def _same_identity(labels: EvaluationLabels, block: slice) -> BoolArray:
    is_same: BoolArray = labels.query_ids[block, None] == labels.gallery_ids
    return is_same


def _whole_numbers(name: str, values: npt.ArrayLike) -> IntArray:
    array = np.asarray(values)
    if array.ndim != 1:
        raise EvaluationError(f"{name} must have one entry per crop, got an array of shape {array.shape}.")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise EvaluationError(f"{name} must hold whole numbers, got {array.dtype}.")
    return array.astype(np.int64)
