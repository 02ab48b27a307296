"""Model x query x gallery -> mAP and CMC (Sec. 4.1): embed, then rank under a protocol, by cosine or re-ranked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import overload

from iics.arrays import FloatArray
from iics.config import DEFAULT_CENTRE, Centre
from iics.crops import CropSet
from iics.errors import EvaluationError
from iics.evaluation.centred_search import centre_search
from iics.evaluation.copied_queries import warn_of_copies
from iics.evaluation.ensemble import EnsembleResult, SideBySide, check_different
from iics.evaluation.held_out import hold_out
from iics.evaluation.metrics import RankingResult
from iics.evaluation.protocol import MatchingProtocol
from iics.evaluation.ranked_features import rank_open_crops
from iics.evaluation.reranked_rows import Reranking
from iics.evaluation.scored_crops import (
    check_memory,
    check_scorable,
    evaluation_labels,
    fitting_protocol,
    matching_protocol,
)
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
            re-ranking needs more memory than is free or comes with `unknown`, one of several models is there twice, or
            nobody can be held out.
        WeightsError: If features are to be centred and a model has no camera means.
    """
    asked = matching_protocol(protocol)
    if unknown and reranking is not None:
        raise EvaluationError(
            f"unknown={unknown:g} measures a threshold of the cosine, and reranking was given. Leave one of them out."
        )
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
    plain = model.embed(query, progress=progress), model.embed(gallery, progress=progress)
    _warn_of_copies(*plain, query, gallery, asked)
    features = _centred(*plain, query, gallery, model, centre)
    return rank_open_crops(*features, query, gallery, protocol=protocol, reranking=reranking)


def _centred(
    query_features: FloatArray,
    gallery_features: FloatArray,
    query: CropSet,
    gallery: CropSet,
    model: ReidModel,
    centre: Centre,
    name: str = "",
) -> tuple[FloatArray, FloatArray]:
    """Return features, centred by camera if that is wanted or found to help."""
    if centre == "off":
        return query_features, gallery_features
    found = centre_search(query_features, gallery_features, query, gallery, means=model.camera_means, centre=centre)
    found.choice.log(of=name)
    return found.query_features, found.gallery_features


def _warn_of_copies(
    query_features: FloatArray,
    gallery_features: FloatArray,
    query: CropSet,
    gallery: CropSet,
    protocol: MatchingProtocol,
) -> None:
    """Warn if copies of queries count in the gallery, by plain features: cameras of their own would part them."""
    labels = evaluation_labels(query, gallery)
    warn_of_copies(query_features, gallery_features, query, gallery, labels, fitting_protocol(protocol, labels))


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
    joined = SideBySide((len(query), len(gallery)), models)
    each: list[RankingResult] = []
    for name, model in zip(names, models, strict=True):
        plain = model.embed(query, progress=progress), model.embed(gallery, progress=progress)
        if not each:  # copies are the same to every model
            _warn_of_copies(*plain, query, gallery, matching_protocol(protocol))
        features = _centred(*plain, query, gallery, model, centre, name)
        each.append(rank_open_crops(*features, query, gallery, protocol=protocol, reranking=reranking))
        joined.add(*features)
    query_features, gallery_features = joined.as_one()
    together = rank_open_crops(query_features, gallery_features, query, gallery, protocol=protocol, reranking=reranking)
    return EnsembleResult(together, tuple(each), names)
