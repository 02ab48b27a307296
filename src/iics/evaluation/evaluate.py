"""Model x query x gallery -> mAP and CMC (Sec. 4.1): embed, then rank under the Market-1501 protocol."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from iics.data.crops import CropSet, IntArray
from iics.errors import EvaluationError
from iics.evaluation.protocol import EvaluationLabels, explain_no_match, matching_pairs
from iics.evaluation.ranking import RankingResult, TopMatches, rank_features, top_matches
from iics.models.reid_model import ReidModel

Features = npt.NDArray[np.float32]

_BLOCK_QUERIES = 256


def evaluate(
    model: ReidModel, query: CropSet, gallery: CropSet, *, progress: Callable[[int], None] | None = None
) -> RankingResult:
    """Return how well `model` finds the query's people in the gallery; the result prints itself.

    Args:
        model: Any model; nothing in it changes.
        query: Crops with identities.
        gallery: Crops with identities, same camera names.
        progress: Called after each batch with the number of crops in it.

    Raises:
        DataError: If a crop cannot be read.
        EvaluationError: If identities are missing or no query can be scored.
    """
    check_scorable(query, gallery)
    return rank_crops(model.embed(query, progress=progress), model.embed(gallery, progress=progress), query, gallery)


def rank_crops(query_features: Features, gallery_features: Features, query: CropSet, gallery: CropSet) -> RankingResult:
    """Return the metrics of features that are computed already. Shapes (len(query), d) and (len(gallery), d)."""
    query_ids, gallery_ids = check_comparable(query, gallery)
    return rank_features(
        query_features,
        gallery_features,
        query_ids=query_ids,
        gallery_ids=gallery_ids,
        query_cameras=query.camera_ids,
        gallery_cameras=gallery.camera_ids,
    )


def find_top_matches(
    query_features: Features, gallery_features: Features, query: CropSet, gallery: CropSet, *, num_matches: int
) -> TopMatches:
    """Return each query's best matches among features that are computed already."""
    query_ids, gallery_ids = check_comparable(query, gallery)
    return top_matches(
        query_features,
        gallery_features,
        query_ids=query_ids,
        gallery_ids=gallery_ids,
        query_cameras=query.camera_ids,
        gallery_cameras=gallery.camera_ids,
        num_matches=num_matches,
    )


def check_scorable(query: CropSet, gallery: CropSet) -> None:
    """Refuse crops on which nothing can be measured, before any feature is computed.

    Raises:
        EvaluationError: If identities are missing or no query has a right answer, and why.
    """
    query_ids, gallery_ids = check_comparable(query, gallery)
    labels = EvaluationLabels(query_ids, gallery_ids, query.camera_ids, gallery.camera_ids)
    blocks = (slice(start, start + _BLOCK_QUERIES) for start in range(0, len(query), _BLOCK_QUERIES))
    if not any(matching_pairs(labels, block).any() for block in blocks):
        raise EvaluationError(explain_no_match(labels))


def check_comparable(query: CropSet, gallery: CropSet) -> tuple[IntArray, IntArray]:
    """Return the identities of both.

    Raises:
        EvaluationError: If one has none, or a camera's number means another camera in the other.
    """
    if query.identity_ids is None or gallery.identity_ids is None:
        missing = query if query.identity_ids is None else gallery
        raise EvaluationError(f"{missing.name} has no identities; mAP and CMC need them in query and gallery.")
    if query.camera_names != gallery.camera_names:
        raise EvaluationError(
            f"Query and gallery number their cameras differently: {', '.join(query.camera_names)} and "
            f"{', '.join(gallery.camera_names)}. Read both with one reader."
        )
    return query.identity_ids, gallery.identity_ids


def numbers(result: RankingResult) -> dict[str, float]:
    """Return the metrics of a result as fractions, by name."""
    ranks = {f"rank{k}": result.rank(k) for k in (1, 5, 10) if k <= len(result.cmc)}
    return {
        "mean_ap": result.mean_ap,
        **ranks,
        "mean_inp": result.mean_inp,
        "num_queries": result.num_queries,
        "num_unmatched": result.num_unmatched,
    }
