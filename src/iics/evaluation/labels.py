"""Identities and cameras of query and gallery, checked: the input of every protocol."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from iics.arrays import BoolArray, IntArray
from iics.crops import DISTRACTOR_IDENTITY, JUNK_IDENTITY
from iics.errors import EvaluationError
from iics.evaluation.protocol import MARKET1501, RIGHT, MatchingProtocol


@dataclass(frozen=True, eq=False)
class EvaluationLabels:
    """Identities and cameras of query and gallery.

    Attributes:
        query_ids: Identity of each query, above 0. Shape (n_query,).
        gallery_ids: Identity of each gallery crop; -1 is junk, 0 a distractor. Shape (n_gallery,).
        query_cameras: Camera of each query. Shape (n_query,).
        gallery_cameras: Camera of each gallery crop, numbered as in the query. Shape (n_gallery,).
        own_crops: Index of the gallery crop that is the query itself, -1 where there is none. Shape (n_query,). May be
            left out where the gallery holds no query.

    Raises:
        EvaluationError: If one side is empty, lengths differ, an array does not hold whole numbers, a query is junk
            or a distractor, or an identity is below -1.
    """

    query_ids: IntArray
    gallery_ids: IntArray
    query_cameras: IntArray
    gallery_cameras: IntArray
    own_crops: IntArray = field(default_factory=lambda: np.empty(0, np.int64))

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
        self._check_own_crops()

    def _check_own_crops(self) -> None:
        num_queries, num_gallery = len(self.query_ids), len(self.gallery_ids)
        own = _whole_numbers("own_crops", self.own_crops)
        if len(own) == 0:
            own = np.full(num_queries, -1, np.int64)
        object.__setattr__(self, "own_crops", own)
        if len(own) != num_queries:
            raise EvaluationError(f"own_crops has {len(own)} entries but there are {num_queries} queries.")
        if own.min() < -1 or own.max() >= num_gallery:
            raise EvaluationError(
                f"own_crops reaches from {own.min()} to {own.max()}, but there are {num_gallery} gallery crops."
            )

    @property
    def is_one_camera(self) -> bool:
        """Whether one camera took all of query and gallery."""
        return bool((self.query_cameras == self.query_cameras[0]).all()) and bool(
            (self.gallery_cameras == self.query_cameras[0]).all()
        )

    @property
    def is_junk(self) -> BoolArray:
        """Which gallery crops are junk. Shape (n_gallery,)."""
        is_junk: BoolArray = self.gallery_ids == JUNK_IDENTITY
        return is_junk

    def of(self, queries: IntArray | slice, gallery: IntArray | None = None) -> EvaluationLabels:
        """Return the labels of some queries and, if any are given, some gallery crops, in that order."""
        own = self.own_crops[queries]
        if gallery is None:
            return EvaluationLabels(
                self.query_ids[queries], self.gallery_ids, self.query_cameras[queries], self.gallery_cameras, own
            )
        places = np.full(len(self.gallery_ids) + 1, -1, np.int64)  # one more, for the queries without own crop
        places[gallery] = np.arange(len(gallery))
        return EvaluationLabels(
            self.query_ids[queries],
            self.gallery_ids[gallery],
            self.query_cameras[queries],
            self.gallery_cameras[gallery],
            places[own],
        )


def explain_no_match(labels: EvaluationLabels, protocol: MatchingProtocol = MARKET1501) -> str:
    """Return why no query of `labels` has a right answer in the gallery, in numbers, and what to do."""
    num_queries, num_gallery = len(labels.query_ids), len(labels.gallery_ids)
    query_people = np.unique(labels.query_ids)
    gallery_people = np.unique(labels.gallery_ids[labels.gallery_ids > DISTRACTOR_IDENTITY])
    shared = np.intersect1d(query_people, gallery_people)
    problem = f"None of {num_queries} queries has a valid match among {num_gallery} gallery crops: "
    if len(gallery_people) == 0:
        num_junk = int(labels.is_junk.sum())
        return problem + (
            f"{num_junk} of those are junk (identity -1) and {num_gallery - num_junk} distractors (identity 0). "
            "Use a gallery that shows the people of the query."
        )
    if len(shared) == 0:
        return problem + (
            f"the query shows {len(query_people)} identities, the gallery {len(gallery_people)}, and they share none. "
            "Take query and gallery from the same data set, with identities numbered alike."
        )
    cameras = (
        f"({len(np.unique(labels.query_cameras))} query cameras, {len(np.unique(labels.gallery_cameras))} gallery "
        "cameras)"
    )
    if protocol.own_identity_own_camera == protocol.own_identity_other_camera == RIGHT:
        return problem + (
            f"they share {len(shared)} identities, but every such gallery crop is the query itself. Add other gallery "
            "crops of these individuals."
        )
    if protocol.own_identity_own_camera == RIGHT:
        return problem + (
            f"they share {len(shared)} identities, but no such gallery crop comes from its query's own camera "
            f"{cameras}, other than the query itself. Add gallery crops of these people from the queries' cameras, or "
            "check the camera numbers."
        )
    return problem + (
        f"they share {len(shared)} identities, but every such gallery crop comes from its query's own camera "
        f"{cameras}. Add gallery crops of these people from other cameras, or check the camera numbers."
    )


def _whole_numbers(name: str, values: npt.ArrayLike) -> IntArray:
    array = np.asarray(values)
    if array.ndim != 1:
        raise EvaluationError(f"{name} must have one entry per crop, got an array of shape {array.shape}.")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise EvaluationError(f"{name} must hold whole numbers, got {array.dtype}.")
    return array.astype(np.int64)
