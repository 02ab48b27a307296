"""Ranking (Eq. 1) -> CMC, mAP and mINP: features or distances of query and gallery to numbers, Market-1501 protocol.

Average precision is the plain mean of the precision at each right answer (no trapezoid). mINP is the mean over
queries of (right answers) / (rank of the last one) (Ye et al., "Deep Learning for Person Re-identification: A
Survey and Outlook", TPAMI 2021). Equal distances rank by gallery index. Queries go through in blocks, so that the
work space stays below `WORK_SPACE_BYTES` (or what three queries need, if that is more) beside the arrays passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from iics.errors import EvaluationError
from iics.evaluation.protocol import EvaluationLabels, explain_no_match, ignored_pairs, matching_pairs

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

WORK_SPACE_BYTES = 256 * 1024**2
_BYTES_PER_PAIR = 32  # the distance three times over, the 8-byte key and its source, four masks


@dataclass(frozen=True, eq=False)
class RankingResult:
    """How well the gallery was ranked; fractions in [0, 1].

    Attributes:
        mean_ap: Mean of `average_precision` over the queries scored.
        cmc: Share of queries with a right answer among the first k; index 0 is rank-1. Shape (max_rank,).
        mean_inp: Mean inverse negative penalty: what the hardest right answer costs.
        average_precision: One value per query, NaN where it has no valid match. Shape (n_query,).
        num_queries: All queries, scored or not.
        num_unmatched: Queries without a valid match, which are not scored.
    """

    mean_ap: float
    cmc: DoubleArray
    mean_inp: float
    average_precision: DoubleArray
    num_queries: int
    num_unmatched: int

    @property
    def num_scored(self) -> int:
        """Queries that have a valid match; all means are taken over these."""
        return self.num_queries - self.num_unmatched

    def rank(self, k: int) -> float:
        """Return the share of scored queries with a right answer among the first k."""
        if not 1 <= k <= len(self.cmc):
            raise EvaluationError(f"Rank {k} is not kept, only 1 to {len(self.cmc)}; evaluate with a larger max_rank.")
        return float(self.cmc[k - 1])

    def __str__(self) -> str:
        rows = [("mAP", self.mean_ap)]
        rows += [(f"rank-{k}", self.rank(k)) for k in (1, 5, 10) if k <= len(self.cmc)]
        rows += [("mINP", self.mean_inp)]
        lines = [f"{name:<16}{100 * value:7.2f} %" for name, value in rows]
        lines += [f"{'queries scored':<16}{self.num_scored:7d}", f"{'without match':<16}{self.num_unmatched:7d}"]
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class TopMatches:
    """The first k gallery crops of each query, ignored ones left out.

    Attributes:
        indices: Index into the gallery, best first; -1 where fewer than k crops count. Shape (n_query, k).
        similarities: Cosine with the query; NaN where the index is -1. Shape (n_query, k).
        is_correct: Whether it is a right answer. Shape (n_query, k).
    """

    indices: IntArray
    similarities: FloatArray
    is_correct: npt.NDArray[np.bool_]


def rank_features(
    query_features: FloatArray,
    gallery_features: FloatArray,
    *,
    query_ids: IntArray,
    gallery_ids: IntArray,
    query_cameras: IntArray,
    gallery_cameras: IntArray,
    max_rank: int = 50,
) -> RankingResult:
    """Rank the gallery by cosine for each query and score the ranking.

    Args:
        query_features: L2-normalised rows. Shape (n_query, d).
        gallery_features: L2-normalised rows. Shape (n_gallery, d).
        query_ids: Identity of each query, above 0. Shape (n_query,).
        gallery_ids: Identity of each gallery crop; -1 is junk, 0 a distractor. Shape (n_gallery,).
        query_cameras: Camera of each query. Shape (n_query,).
        gallery_cameras: Camera of each gallery crop. Shape (n_gallery,).
        max_rank: How many ranks of the CMC to keep; may exceed the gallery.

    Raises:
        EvaluationError: If the arrays do not belong together, rows are not normalised, or no query can be scored.
    """
    labels = EvaluationLabels(query_ids, gallery_ids, query_cameras, gallery_cameras)
    queries, gallery = _checked_features(query_features, gallery_features, labels)
    return _score(lambda block: _negated_cosine(queries[block], gallery), labels, max_rank)


def rank_distances(
    distance: FloatArray,
    *,
    query_ids: IntArray,
    gallery_ids: IntArray,
    query_cameras: IntArray,
    gallery_cameras: IntArray,
    max_rank: int = 50,
) -> RankingResult:
    """Rank the gallery by a given distance, e.g. a re-ranked one, and score the ranking.

    Args:
        distance: Smaller is closer; compared as float32. Shape (n_query, n_gallery).
        query_ids: As in `rank_features`, and so are the other arguments.
        gallery_ids: See there.
        query_cameras: See there.
        gallery_cameras: See there.
        max_rank: See there.

    Raises:
        EvaluationError: If the arrays do not belong together, a distance is not finite, or no query can be scored.
    """
    labels = EvaluationLabels(query_ids, gallery_ids, query_cameras, gallery_cameras)
    expected = (len(labels.query_ids), len(labels.gallery_ids))
    if np.shape(distance) != expected:
        raise EvaluationError(f"distance has shape {np.shape(distance)}, but the labels need {expected}.")

    def distance_of(block: slice) -> FloatArray:
        rows = np.asarray(distance[block], dtype=np.float32)
        num_bad = rows.size - int(np.isfinite(rows).sum())
        if num_bad:
            raise EvaluationError(
                f"{num_bad} distances of queries {block.start} to {block.stop - 1} are NaN or infinite; "
                "the ranking needs finite numbers."
            )
        return rows

    return _score(distance_of, labels, max_rank)


def top_matches(
    query_features: FloatArray,
    gallery_features: FloatArray,
    *,
    query_ids: IntArray,
    gallery_ids: IntArray,
    query_cameras: IntArray,
    gallery_cameras: IntArray,
    num_matches: int = 10,
) -> TopMatches:
    """Return what each query finds first, under the same protocol and order as `rank_features`.

    Args:
        query_features: As in `rank_features`, and so are the labels.
        gallery_features: See there.
        query_ids: See there.
        gallery_ids: See there.
        query_cameras: See there.
        gallery_cameras: See there.
        num_matches: How many gallery crops per query.

    Raises:
        EvaluationError: If the arrays do not belong together or rows are not normalised.
    """
    if num_matches < 1:
        raise EvaluationError(f"num_matches must be at least 1, got {num_matches}.")
    labels = EvaluationLabels(query_ids, gallery_ids, query_cameras, gallery_cameras)
    queries, gallery = _checked_features(query_features, gallery_features, labels)
    shape = (len(queries), num_matches)
    indices = np.full(shape, -1, dtype=np.int64)
    similarities = np.full(shape, np.nan, dtype=np.float32)
    is_correct = np.zeros(shape, dtype=np.bool_)
    for block in _query_blocks(len(queries), len(gallery)):
        negated = _negated_cosine(queries[block], gallery)
        is_ignored = ignored_pairs(labels, block)
        order = _ranked_gallery(negated, is_ignored)[:, :num_matches]
        counts = ~np.take_along_axis(is_ignored, order, axis=1)
        kept = order.shape[1]
        indices[block, :kept] = np.where(counts, order, -1)
        similarities[block, :kept] = np.where(counts, -np.take_along_axis(negated, order, axis=1), np.nan)
        is_correct[block, :kept] = np.take_along_axis(matching_pairs(labels, block), order, axis=1)
    return TopMatches(indices, similarities, is_correct)


def _score(distance_of: Callable[[slice], FloatArray], labels: EvaluationLabels, max_rank: int) -> RankingResult:
    if max_rank < 1:
        raise EvaluationError(f"max_rank must be at least 1, got {max_rank}.")
    num_queries, num_gallery = len(labels.query_ids), len(labels.gallery_ids)
    average_precision = np.full(num_queries, np.nan)
    inverse_penalty = np.full(num_queries, np.nan)
    first_ranks = np.zeros(0, dtype=np.int64)
    for block in _query_blocks(num_queries, num_gallery):
        order = _ranked_gallery(distance_of(block), ignored_pairs(labels, block))
        # Row by row, best first: which query of the block, and the rank (from 0) of each of its right answers.
        rows, ranks = np.nonzero(np.take_along_axis(matching_pairs(labels, block), order, axis=1))
        scored, first, num_right = np.unique(rows, return_index=True, return_counts=True)
        if len(scored) == 0:
            continue
        right_so_far = np.arange(len(rows)) - np.repeat(first, num_right) + 1
        precision = right_so_far / (ranks + 1)
        average_precision[block.start + scored] = np.add.reduceat(precision, first) / num_right
        inverse_penalty[block.start + scored] = precision[first + num_right - 1]  # at the last one: all / its rank
        first_ranks = np.append(first_ranks, ranks[first])
    if len(first_ranks) == 0:
        raise EvaluationError(explain_no_match(labels))
    found_at = np.bincount(first_ranks[first_ranks < max_rank], minlength=max_rank)
    return RankingResult(
        mean_ap=float(np.nanmean(average_precision)),
        cmc=np.cumsum(found_at) / len(first_ranks),
        mean_inp=float(np.nanmean(inverse_penalty)),
        average_precision=average_precision,
        num_queries=num_queries,
        num_unmatched=num_queries - len(first_ranks),
    )


def _query_blocks(num_queries: int, num_gallery: int) -> Iterator[slice]:
    """Cut the queries into blocks of between `rows` and 2 * rows - 1.

    Never a lone query after others: BLAS multiplies a single row in another order of additions, and the last bit of
    its cosines, hence its ties, would depend on the size of the blocks.
    """
    rows = max(2, WORK_SPACE_BYTES // (2 * _BYTES_PER_PAIR * num_gallery))
    bounds = np.linspace(0, num_queries, max(1, num_queries // rows) + 1).astype(int)
    for start, stop in pairwise(bounds):
        yield slice(int(start), int(stop))


def _negated_cosine(queries: FloatArray, gallery: FloatArray) -> FloatArray:
    """Return what orders as 1 - cosine does, without the ties that rounding 1 - cosine would add."""
    return -(queries @ gallery.T)


def _ranked_gallery(distance: FloatArray, is_ignored: npt.NDArray[np.bool_]) -> IntArray:
    """Return each row's gallery indices, closest first, equals by index, ignored ones last.

    A stable argsort by sorting one integer per pair, the distance's bits above the index: 2.5 times faster than
    `np.argsort(kind="stable")`, for which numpy has no vectorised code.
    """
    shown = np.where(is_ignored, np.float32(np.inf), distance + np.float32(0))  # + 0 makes -0.0 equal 0.0
    bits = shown.view(np.int32)
    bits ^= (bits >> 31) & np.int32(0x7FFFFFFF)  # negative floats count backwards: now integers order as floats do
    keys = bits.astype(np.int64)
    keys <<= 32
    keys |= np.arange(distance.shape[1])
    keys.sort(axis=1)
    keys &= 0xFFFFFFFF
    return keys


def _checked_features(
    query_features: FloatArray, gallery_features: FloatArray, labels: EvaluationLabels
) -> tuple[FloatArray, FloatArray]:
    queries = _normalised_rows("query", query_features, len(labels.query_ids))
    gallery = _normalised_rows("gallery", gallery_features, len(labels.gallery_ids))
    if queries.shape[1] != gallery.shape[1]:
        raise EvaluationError(
            f"Query features have {queries.shape[1]} dimensions, gallery features {gallery.shape[1]}; "
            "extract both with the same model."
        )
    return queries, gallery


def _normalised_rows(side: str, features: FloatArray, num_crops: int) -> FloatArray:
    rows = np.asarray(features, dtype=np.float32)
    if rows.ndim != 2 or len(rows) != num_crops:
        raise EvaluationError(f"{side} features have shape {rows.shape}, but there are {num_crops} {side} identities.")
    norms = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    num_bad = len(norms) - int(np.isfinite(norms).sum())
    if num_bad:
        raise EvaluationError(f"{num_bad} of {num_crops} {side} features hold NaN or infinity; check the model.")
    worst = int(np.argmax(np.abs(norms - 1)))
    if abs(norms[worst] - 1) > 0.01:  # half precision stays within 0.001
        raise EvaluationError(
            f"{side} feature {worst} has length {norms[worst]:.4g}; rows must be L2-normalised to length 1."
        )
    return rows
