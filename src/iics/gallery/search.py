"""Query features x gallery -> ranked matches: by cosine, re-ranked, or one of each tracklet."""

from __future__ import annotations

from typing import Any

import numpy as np

from iics.errors import GalleryError
from iics.gallery.filters import GalleryFilters
from iics.gallery.gallery import MOST_MATCHES, Features, Gallery
from iics.gallery.matches import Match, best_of_tracklets, ranked
from iics.gallery.schema import FEATURE_FIELD
from iics.similarity.reranking import k_reciprocal_distance

RERANKED_CANDIDATES = 200
"""How many of the nearest crops are put into a new order; those after them keep theirs."""
_QUERIES_AT_ONCE = 32
_GROWTH = 4


def search_gallery(
    gallery: Gallery,
    features: Features,
    *,
    filters: GalleryFilters,
    top: int,
    rerank: bool,
    group_by_tracklet: bool,
) -> list[list[Match]]:
    """Return the best matches of each query.

    Args:
        gallery: Where to look.
        features: Of the gallery's model, L2-normalised. Shape (m, dimension).
        filters: Crops that count.
        top: Matches for each query at most.
        rerank: Whether to order the nearest crops by the k-reciprocal distance among themselves and the query.
            Similarities stay cosines.
        group_by_tracklet: Whether only the best crop of each tracklet counts.

    Returns:
        A list for each query, best first; shorter than `top` where fewer crops count.

    Raises:
        GalleryError: If `top` is out of range, the features are of another length, or the database fails.
    """
    if not 1 <= top <= MOST_MATCHES:
        raise GalleryError(f"top must lie between 1 and {MOST_MATCHES}, got {top}.")
    if features.ndim != 2 or features.shape[1] != gallery.dimension:
        raise GalleryError(f"Queries need features of shape (m, {gallery.dimension}), got {features.shape}.")
    first = max(top, RERANKED_CANDIDATES) if rerank else top
    found: list[list[Match]] = []
    for start in range(0, len(features), _QUERIES_AT_ONCE):
        block = features[start : start + _QUERIES_AT_ONCE]
        answers = gallery.nearest(block, filters=filters, limit=first, with_features=rerank)
        for query, rows in zip(block, answers, strict=True):
            if group_by_tracklet:
                rows = _with_enough_tracklets(gallery, query, rows, filters=filters, top=top, limit=first)
            if rerank:
                rows = _reranked(query, rows)
            matches = [Match.from_row(row, similarity=_cosine(row)) for row in rows]
            found.append(ranked((best_of_tracklets(matches) if group_by_tracklet else matches)[:top]))
    return found


def _with_enough_tracklets(
    gallery: Gallery, query: Features, rows: list[dict[str, Any]], *, filters: GalleryFilters, top: int, limit: int
) -> list[dict[str, Any]]:
    """Return the nearest rows, more of them until `top` tracklets are among them or there are no more."""
    with_features = bool(rows) and FEATURE_FIELD in rows[0]
    while len(rows) == limit < MOST_MATCHES and _num_tracklets(rows) < top:
        limit = min(limit * _GROWTH, MOST_MATCHES)
        (rows,) = gallery.nearest(query[None], filters=filters, limit=limit, with_features=with_features)
    return rows


def _num_tracklets(rows: list[dict[str, Any]]) -> int:
    return len({row["crop_id"] if row["tracklet"] is None else row["tracklet"] for row in rows})


def _reranked(query: Features, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with the first `RERANKED_CANDIDATES` in order of their k-reciprocal distance from the query."""
    candidates, rest = rows[:RERANKED_CANDIDATES], rows[RERANKED_CANDIDATES:]
    if not candidates:
        return rows
    features = np.array([query, *(row[FEATURE_FIELD] for row in candidates)], dtype=np.float32)
    distance = k_reciprocal_distance(1 - features @ features.T)
    order = np.argsort(distance[0, 1:], kind="stable")
    return [candidates[place] for place in order] + rest


def _cosine(row: dict[str, Any]) -> float:
    return min(1.0, max(-1.0, float(row["similarity"])))  # rounding leads a little beyond
