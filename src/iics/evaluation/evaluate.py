"""Model x query x gallery -> mAP and CMC (Sec. 4.1): embed, then rank under a protocol, by cosine or re-ranked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import overload

import numpy as np

from iics.arrays import FloatArray
from iics.config import DEFAULT_CENTRE, Centre
from iics.crops import CropSet, one_split
from iics.errors import EvaluationError
from iics.evaluation.camera_pairs import CameraPairs, compare_camera_pairs
from iics.evaluation.centred_search import centre_search
from iics.evaluation.copied_queries import warn_of_copies
from iics.evaluation.distance_rows import CosineRows, DistanceOf
from iics.evaluation.ensemble import EnsembleResult, SideBySide, check_different
from iics.evaluation.held_out import hold_out
from iics.evaluation.labels import EvaluationLabels, explain_no_match
from iics.evaluation.metrics import RankingResult
from iics.evaluation.open_set import best_claims
from iics.evaluation.open_set_result import OpenSetResult
from iics.evaluation.protocol import MARKET1501, PROTOCOLS, SAME_CAMERA, MatchingProtocol
from iics.evaluation.ranking import rank
from iics.evaluation.reranked_rows import RerankedRows, Reranking, check_reranking_memory
from iics.evaluation.right_ranks import num_right_answers
from iics.evaluation.single_shot import SingleShotResult, rank_single_shots
from iics.evaluation.tracks import GalleryTracks
from iics.file_keys import crop_places
from iics.models.reid_model import ReidModel

logger = logging.getLogger(__name__)


@overload
def evaluate(
    model: ReidModel,
    query: CropSet,
    gallery: CropSet,
    *,
    protocol: str = "market1501",
    reranking: Reranking | None = None,
    progress: Callable[[int], None] | None = None,
    centre: Centre = DEFAULT_CENTRE,
    unknown: float = 0.0,
    seed: int = 0,
) -> RankingResult: ...


@overload
def evaluate(
    model: Sequence[ReidModel],
    query: CropSet,
    gallery: CropSet,
    *,
    protocol: str = "market1501",
    reranking: Reranking | None = None,
    progress: Callable[[int], None] | None = None,
    centre: Centre = DEFAULT_CENTRE,
    unknown: float = 0.0,
    seed: int = 0,
) -> EnsembleResult: ...


def evaluate(
    model: ReidModel | Sequence[ReidModel],
    query: CropSet,
    gallery: CropSet,
    *,
    protocol: str = "market1501",
    reranking: Reranking | None = None,
    progress: Callable[[int], None] | None = None,
    centre: Centre = DEFAULT_CENTRE,
    unknown: float = 0.0,
    seed: int = 0,
) -> RankingResult | EnsembleResult:
    """Return how well `model` finds the query's people in the gallery; the result prints itself.

    Args:
        model: Any model; nothing in it changes. Of several, each is measured, and all of them by their mean distance;
            their backbones and sizes of crops may differ.
        query: Crops with identities.
        gallery: Crops with identities, same camera names.
        protocol: Who may match whom: market1501, same-camera, which also stands for the first where one camera took
            all, or any-camera. `rank_camera_pairs`, `rank_drawn_galleries` and `rank_tracks` measure under the others.
        reranking: How to re-rank; None ranks by cosine.
        progress: Called after each batch with the number of crops in it.
        centre: Whether features are compared less their camera's mean: off, on, or auto, which decides without labels
            and logs why.
        unknown: Share of the query's individuals whose crops leave the gallery first (`iics.evaluation.held_out`).
        seed: Of that draw.

    The result has open-set figures (`open_set`) where some queries have an answer, some none, and the cosine ranks.

    Raises:
        DataError: If a crop cannot be read, or query or gallery is no CropSet.
        EvaluationError: If one of them is None or has no identities, no query can be scored, there is no such protocol,
            re-ranking needs more memory than is free, one of several models is there twice, or nobody can be held out.
        WeightsError: If features are to be centred and a model has no camera means.
    """
    asked = matching_protocol(protocol)
    if unknown:
        held_out = hold_out(query, gallery, share=unknown, seed=seed)
        logger.info("%s", held_out)
        gallery = held_out.gallery
    check_scorable(query, gallery, asked)
    if isinstance(model, Sequence) and not isinstance(model, str):
        return _evaluate_several(model, query, gallery, protocol, reranking, progress, centre)
    if not hasattr(model, "embed"):
        raise EvaluationError(
            f"A model is needed, got {model!r:.80}. Load it first: iics.load_model('runs/first'), from a run folder or "
            "a model file."
        )
    check_memory(model.num_features, query, gallery, reranking)
    features = _features(model, query, gallery, progress, centre)
    labels = evaluation_labels(query, gallery)
    warn_of_copies(*features, query, gallery, labels, fitting_protocol(asked, labels))
    return _ranked(*features, query, gallery, protocol=protocol, reranking=reranking)


def _features(
    model: ReidModel, query: CropSet, gallery: CropSet, progress: Callable[[int], None] | None, centre: Centre
) -> tuple[FloatArray, FloatArray]:
    """Return the features of both, centred by camera if that is wanted or found to help."""
    features = model.embed(query, progress=progress), model.embed(gallery, progress=progress)
    if centre == "off":
        return features
    found = centre_search(*features, query, gallery, means=model.camera_means, centre=centre)
    found.choice.log()
    return found.query_features, found.gallery_features


def _evaluate_several(
    models: Sequence[ReidModel],
    query: CropSet,
    gallery: CropSet,
    protocol: str,
    reranking: Reranking | None,
    progress: Callable[[int], None] | None,
    centre: Centre,
) -> EnsembleResult:
    names = tuple(f"model {number}" for number in range(1, len(models) + 1))
    check_different(models, names)
    check_memory(sum(model.num_features for model in models), query, gallery, reranking)
    joined, each = SideBySide((len(query), len(gallery)), models), []
    for model in models:
        features = _features(model, query, gallery, progress, centre)
        each.append(_ranked(*features, query, gallery, protocol=protocol, reranking=reranking))
        joined.add(*features)
    query_features, gallery_features = joined.as_one()
    of_all = query_features, gallery_features
    labels = evaluation_labels(query, gallery)
    warn_of_copies(*of_all, query, gallery, labels, fitting_protocol(matching_protocol(protocol), labels))
    together = _ranked(*of_all, query, gallery, protocol=protocol, reranking=reranking)
    return EnsembleResult(together, tuple(each), names)


def _ranked(
    query_features: FloatArray,
    gallery_features: FloatArray,
    query: CropSet,
    gallery: CropSet,
    *,
    protocol: str,
    reranking: Reranking | None,
) -> RankingResult:
    """Return the metrics, with open-set figures where there are any."""
    crops = query_features, gallery_features, query, gallery
    result = rank_crops(*crops, protocol=protocol, reranking=reranking)
    is_open = result.num_unmatched > 0 and reranking is None
    return replace(result, open_set=open_set_crops(*crops, protocol=protocol)) if is_open else result


def rank_crops(
    query_features: FloatArray,
    gallery_features: FloatArray,
    query: CropSet,
    gallery: CropSet,
    *,
    protocol: str = "market1501",
    reranking: Reranking | None = None,
) -> RankingResult:
    """Return the metrics of features that are computed already. Shapes (len(query), d) and (len(gallery), d)."""
    labels = evaluation_labels(query, gallery)
    distance_of = _distance_of(query_features, gallery_features, labels, reranking)
    return rank(distance_of, labels, fitting_protocol(matching_protocol(protocol), labels))


def open_set_crops(
    query_features: FloatArray,
    gallery_features: FloatArray,
    query: CropSet,
    gallery: CropSet,
    *,
    protocol: str = "market1501",
) -> OpenSetResult:
    """Return missed against false claims, of features that are computed already. Shapes as for `rank_crops`.

    By cosine only: re-ranked distances depend on the whole gallery, so a threshold of theirs means nothing elsewhere.

    Raises:
        EvaluationError: If every query has a right answer, or none has.
    """
    labels = evaluation_labels(query, gallery)
    matching = fitting_protocol(matching_protocol(protocol), labels)
    return OpenSetResult.of(best_claims(query_features, gallery_features, labels, protocol=matching))


def rank_camera_pairs(
    query_features: FloatArray,
    gallery_features: FloatArray,
    query: CropSet,
    gallery: CropSet,
    *,
    reranking: Reranking | None = None,
) -> CameraPairs:
    """Return rank-1 and mAP of each query camera against each gallery camera. Shapes as for `rank_crops`.

    Re-ranking takes neighbours from all cameras.
    """
    labels = evaluation_labels(query, gallery)
    distance_of = _distance_of(query_features, gallery_features, labels, reranking)
    return compare_camera_pairs(distance_of, labels, camera_names=query.camera_names)


def rank_tracks(
    query_features: FloatArray,
    gallery_features: FloatArray,
    query: CropSet,
    gallery: CropSet,
    *,
    reranking: Reranking | None = None,
) -> RankingResult:
    """Return the metrics of tracklets of the gallery in place of crops (VeRi's image-to-track). Shapes as `rank_crops`.

    Raises:
        EvaluationError: If the gallery has no tracklets, or one of two identities.
    """
    if gallery.tracklet_ids is None:
        raise EvaluationError(
            f"image-to-track ranks tracklets, and {gallery.name} has none. Use data with tracklets, or --protocol "
            "market1501."
        )
    labels = evaluation_labels(query, gallery)
    tracks = GalleryTracks.of(labels, gallery.tracklet_ids)
    return rank(tracks.nearest(_distance_of(query_features, gallery_features, labels, reranking)), tracks.labels)


def rank_drawn_galleries(
    query_features: FloatArray,
    gallery_features: FloatArray,
    query: CropSet,
    gallery: CropSet,
    *,
    repeats: int = 10,
    seed: int = 0,
) -> SingleShotResult:
    """Return the CMC over galleries of one crop per person (CUHK03's single-gallery-shot). Shapes as for `rank_crops`.

    By cosine only: re-ranking would see the crops that were not drawn.
    """
    labels = evaluation_labels(query, gallery)
    return rank_single_shots(CosineRows(query_features, gallery_features, labels), labels, repeats=repeats, seed=seed)


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


def _distance_of(
    query_features: FloatArray, gallery_features: FloatArray, labels: EvaluationLabels, reranking: Reranking | None
) -> DistanceOf:
    if reranking is None:
        return CosineRows(query_features, gallery_features, labels)
    return RerankedRows(query_features, gallery_features, labels, reranking)
