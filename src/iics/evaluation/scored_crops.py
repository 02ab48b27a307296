"""What is scored: labels of query and gallery, the protocol that fits them, what is refused before features."""

from __future__ import annotations

import logging
from collections.abc import Hashable

import numpy as np

from iics.crops import CropSet
from iics.data_splits import one_split
from iics.errors import EvaluationError
from iics.evaluation.labels import EvaluationLabels, explain_no_match
from iics.evaluation.protocol import MARKET1501, PROTOCOLS, SAME_CAMERA, MatchingProtocol
from iics.evaluation.reranked_rows import Reranking, check_reranking_memory
from iics.evaluation.right_ranks import num_right_answers
from iics.file_keys import crop_places

logger = logging.getLogger(__name__)


def check_scorable(query: CropSet, gallery: CropSet, protocol: MatchingProtocol = MARKET1501) -> None:
    """Refuse crops on which nothing can be measured, before any feature is computed; tell of crops of one camera.

    Raises:
        EvaluationError: If identities are missing or no query has a right answer, and why.
    """
    labels = evaluation_labels(query, gallery)
    fitting = fitting_protocol(protocol, labels)
    if not num_right_answers(labels, fitting).any():
        raise EvaluationError(explain_no_match(labels, fitting))
    if fitting is not protocol:
        logger.warning(
            "%s and %s are of one camera: people are searched for within it (protocol same-camera), where the next "
            "frame of a walk is an easy match. These numbers say nothing of searches across cameras.",
            query.name,
            "what it is searched in" if gallery.name == query.name else gallery.name,
        )


def check_memory(num_features: int, query: CropSet, gallery: CropSet, reranking: Reranking | None) -> None:
    """Refuse re-ranking that will not fit into memory, before any feature is computed.

    Args:
        num_features: Length of a feature vector; of several models, of all of them side by side.
        query: Crops searched for.
        gallery: Crops searched in.
        reranking: How to re-rank; None does not.

    Raises:
        EvaluationError: If it will not.
    """
    if reranking is not None:
        num_crops = len(query) + len(gallery)
        features = 4 * num_crops * num_features
        check_reranking_memory(num_crops, num_features, reranking, still_to_come=features)


def matching_protocol(name: str) -> MatchingProtocol:
    """Return a protocol by its name.

    Raises:
        EvaluationError: If there is none.
    """
    if name not in PROTOCOLS:
        raise EvaluationError(f"There is no protocol {name!r} that ranks one gallery; choose {' or '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def fitting_protocol(protocol: MatchingProtocol, labels: EvaluationLabels) -> MatchingProtocol:
    """Return a protocol; same-camera for market1501 where one camera took all, which leaves that no right answer."""
    return SAME_CAMERA if protocol is MARKET1501 and labels.is_one_camera else protocol


def evaluation_labels(query: CropSet | None, gallery: CropSet | None) -> EvaluationLabels:
    """Return the labels of both, and which gallery crop is the query itself (the same file, archive and box).

    Raises:
        EvaluationError: If one is missing or has no identities, a camera's number means another camera in the other, a
            crop is listed twice under two spellings of its path, or nothing can be ranked.
    """
    if query is None or gallery is None:  # what readers give for a split that the data does not have
        split = "query" if query is None else "gallery"
        raise EvaluationError(
            f"The data has no {split} (None); mAP and CMC need query and gallery, with identities. Without them, "
            "iics evaluate RUN DATA says what can be said (iics.evaluation.label_free.label_free_report)."
        )
    query, gallery = one_split(query, what="The query"), one_split(gallery, what="The gallery")
    if query.identity_ids is None or gallery.identity_ids is None:
        missing = query if query.identity_ids is None else gallery
        raise EvaluationError(f"{missing.name} has no identities; mAP and CMC need them in query and gallery.")
    if query.camera_names != gallery.camera_names:
        raise EvaluationError(
            f"Query and gallery number their cameras differently: {', '.join(query.camera_names)} and "
            f"{', '.join(gallery.camera_names)}. Read both with one reader."
        )
    query_at, gallery_at = _index_of_places(query), _index_of_places(gallery)
    own_crops = np.array([gallery_at.get(place, -1) for place in query_at])
    return EvaluationLabels(query.identity_ids, gallery.identity_ids, query.camera_ids, gallery.camera_ids, own_crops)


def _index_of_places(crops: CropSet) -> dict[tuple[Hashable, ...], int]:
    """Return the index of each crop by its place, in order."""
    at: dict[tuple[Hashable, ...], int] = {}
    for index, place in enumerate(crop_places(crops)):
        first = at.setdefault(place, index)
        if first != index:
            raise EvaluationError(
                f"{crops.name} lists one crop twice: {crops.label(first)} and {crops.label(index)} are the same file. "
                "Keep one of them."
            )
    return at
