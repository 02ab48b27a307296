"""Query features x gallery -> nearest rows -> ranked matches: by cosine, re-ranked, or one of each tracklet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from iics.arrays import FloatArray
from iics.gallery.matches import Match, best_of_tracklets, ranked
from iics.gallery.schema import FEATURE_FIELD, ID_FIELD, MOST_MATCHES, STORED_FIELDS
from iics.gallery.stored_values import Row, known_values

if TYPE_CHECKING:
    from pymilvus import MilvusClient

    from iics.similarity.reranking import RerankingForm

RERANKED_CANDIDATES = 200
"""How many of the nearest crops are put into a new order; those after them keep theirs."""
_QUERIES_AT_ONCE = 32
_ROWS_AT_ONCE = 65536
"""A Milvus server sends 64 MB at most for one request; a row takes some hundred bytes, its path among them."""
_GROWTH = 4
Nearest = Callable[[FloatArray, int, bool], list[list[Row]]]
"""Queries, a number, and whether features are needed -> so many nearest rows of each, best first."""


def nearest_rows(
    client: MilvusClient,
    collection: str,
    features: FloatArray,
    *,
    expression: str,
    limit: int,
    with_features: bool,
    seconds: float,
) -> list[list[Row]]:
    """Return the rows nearest to each query by cosine, with it as `similarity`, best first, ties by place.

    Args:
        client: Of the database.
        collection: Its name there.
        features: L2-normalised. Shape (m, d).
        expression: Which crops count, in the database's language.
        limit: How many for each query, at most `iics.gallery.schema.MOST_MATCHES`.
        with_features: Whether rows hold their feature.
        seconds: How long to wait for an answer.
    """
    answers = client.search(
        collection,
        [row.tolist() for row in features],
        filter=expression,
        limit=limit,
        output_fields=[ID_FIELD, *STORED_FIELDS, *([FEATURE_FIELD] if with_features else [])],
        timeout=seconds,
    )
    found = [
        [{**known_values(hit["entity"]), ID_FIELD: hit[ID_FIELD], "similarity": float(hit["distance"])} for hit in hits]
        for hits in answers
    ]
    return [in_order(rows) for rows in found]


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Return rows by their similarity, best first, ties by place."""
    return sorted(rows, key=lambda row: (-row["similarity"], row["archive"], row["path"], row[ID_FIELD]))


def ranked_matches(
    nearest: Nearest,
    features: FloatArray,
    *,
    top: int,
    rerank: bool,
    group_by_tracklet: bool,
    rerank_form: RerankingForm = "paper",
) -> list[list[Match]]:
    """Return the best matches of each query, best first: fewer than `top` where fewer crops count.

    Similarities stay cosines where the nearest crops are put into the order of the k-reciprocal distance among
    themselves and the query. Other arguments are those of `Gallery.search`.
    """
    limit = max(top, RERANKED_CANDIDATES) if rerank else top
    num_at_once = max(1, min(_QUERIES_AT_ONCE, _ROWS_AT_ONCE // limit))
    found: list[list[Match]] = []
    for start in range(0, len(features), num_at_once):
        block = features[start : start + num_at_once]
        for query, rows in zip(block, _rows(nearest, block, limit, rerank=rerank), strict=True):
            if group_by_tracklet:
                rows = _with_enough_tracklets(nearest, query, rows, top=top, limit=limit, rerank=rerank)
            if rerank:
                rows = _reranked(query, rows, rerank_form)
            matches = [Match.from_row(row, similarity=_cosine(row)) for row in rows]
            found.append(ranked((best_of_tracklets(matches) if group_by_tracklet else matches)[:top]))
    return found


def _rows(nearest: Nearest, queries: FloatArray, limit: int, *, rerank: bool) -> list[list[Row]]:
    """Return the nearest rows; those to be re-ranked, the first, with their features."""
    if not rerank or limit <= RERANKED_CANDIDATES:
        return nearest(queries, limit, rerank)
    # Two searches: features make an answer large, and only the first rows need them.
    candidates, all_rows = nearest(queries, RERANKED_CANDIDATES, True), nearest(queries, limit, False)
    return [first + _others(rows, first) for first, rows in zip(candidates, all_rows, strict=True)]


def _others(rows: list[Row], first: list[Row]) -> list[Row]:
    ids = {row[ID_FIELD] for row in first}
    return [row for row in rows if row[ID_FIELD] not in ids]


def _with_enough_tracklets(
    nearest: Nearest, query: FloatArray, rows: list[Row], *, top: int, limit: int, rerank: bool
) -> list[Row]:
    """Return the nearest rows, more of them until `top` tracklets are among them or there are no more."""
    while len(rows) == limit < MOST_MATCHES and _num_tracklets(rows) < top:
        limit = min(limit * _GROWTH, MOST_MATCHES)
        (rows,) = _rows(nearest, query[None], limit, rerank=rerank)
    return rows


def _num_tracklets(rows: list[Row]) -> int:
    return len({row["crop_id"] if row["tracklet"] is None else row["tracklet"] for row in rows})


def _reranked(query: FloatArray, rows: list[Row], form: RerankingForm) -> list[Row]:
    """Return rows with the first `RERANKED_CANDIDATES` in order of their re-ranked distance from the query."""
    candidates, rest = rows[:RERANKED_CANDIDATES], rows[RERANKED_CANDIDATES:]
    if not candidates:
        return rows
    features = np.array([query, *(row[FEATURE_FIELD] for row in candidates)], dtype=np.float32)
    distance = _distances(features, [str(row["camera"]) for row in candidates], form)
    order = np.argsort(distance[0, 1:], kind="stable")
    return [candidates[place] for place in order] + rest


def _distances(features: FloatArray, cameras: list[str], form: RerankingForm) -> FloatArray:
    """Return re-ranked distances among the query, which is the first, and the candidates of some cameras."""
    from iics.similarity.camera_jaccard import reranked_by_camera
    from iics.similarity.reranking import k_reciprocal_distance, published_distance

    similarity = features @ features.T
    if form == "camera-jaccard":
        # Nobody knows the query's camera, so it counts as one of its own: all candidates are seen across cameras.
        return reranked_by_camera(similarity, np.array([-1, *np.unique(cameras, return_inverse=True)[1]]))
    distance_of = published_distance if form == "published" else k_reciprocal_distance
    return distance_of(1 - similarity)


def _cosine(row: Row) -> float:
    return min(1.0, max(-1.0, float(row["similarity"])))  # rounding leads a little beyond
