"""Features that are computed already -> metrics, under each protocol: by cosine or re-ranked."""

from __future__ import annotations

from dataclasses import replace

from iics.arrays import FloatArray
from iics.crops import CropSet
from iics.errors import EvaluationError
from iics.evaluation.camera_pairs import CameraPairs, compare_camera_pairs
from iics.evaluation.distance_rows import CosineRows, DistanceOf
from iics.evaluation.labels import EvaluationLabels
from iics.evaluation.metrics import RankingResult
from iics.evaluation.open_set import best_claims
from iics.evaluation.open_set_result import OpenSetResult
from iics.evaluation.ranking import rank
from iics.evaluation.reranked_rows import RerankedRows, Reranking
from iics.evaluation.scored_crops import evaluation_labels, fitting_protocol, matching_protocol
from iics.evaluation.single_shot import SingleShotResult, rank_single_shots
from iics.evaluation.tracks import GalleryTracks


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


def rank_open_crops(
    query_features: FloatArray,
    gallery_features: FloatArray,
    query: CropSet,
    gallery: CropSet,
    *,
    protocol: str = "market1501",
    reranking: Reranking | None = None,
) -> RankingResult:
    """Return the metrics as `rank_crops`, with open-set figures where some query has no answer and the cosine ranks."""
    crops = query_features, gallery_features, query, gallery
    result = rank_crops(*crops, protocol=protocol, reranking=reranking)
    if result.num_unmatched == 0 or reranking is not None:
        return result
    return replace(result, open_set=open_set_crops(*crops, protocol=protocol))


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


def _distance_of(
    query_features: FloatArray, gallery_features: FloatArray, labels: EvaluationLabels, reranking: Reranking | None
) -> DistanceOf:
    if reranking is None:
        return CosineRows(query_features, gallery_features, labels)
    return RerankedRows(query_features, gallery_features, labels, reranking)
