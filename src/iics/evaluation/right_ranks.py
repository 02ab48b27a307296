"""Ranks of the right answers (Eq. 1), by counting what lies before them: one pass over a row, nothing is sorted.

The order is by distance, equals by gallery index; -0.0 equals 0.0. A query has few right answers: they are put in
order, and every gallery crop that counts is added, by bisection, to the first right answer that it does not lie behind.
Time O(n_query n_gallery log(right answers)), memory O(right answers) beside the distances.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from iics.arrays import BoolArray, FloatArray, IntArray
from iics.crops import JUNK_IDENTITY
from iics.evaluation.labels import EvaluationLabels
from iics.evaluation.protocol import IGNORED, RIGHT, MatchingProtocol
from iics.kernels import REORDERED, kernel, torch_threads

Table = npt.NDArray[np.int8]

_PART = 2048  # gallery crops that are looked at together: they stay in the innermost cache
_FEW = 64  # right answers up to which counting for each is faster than bisecting for each crop


def num_right_answers(labels: EvaluationLabels, protocol: MatchingProtocol) -> IntArray:
    """Return how many right answers the gallery holds for each query. Shape (n_query,)."""
    return _num_right(_Judged.of(labels, protocol))


def right_answer_ranks(
    distance: FloatArray, labels: EvaluationLabels, protocol: MatchingProtocol
) -> tuple[IntArray, IntArray]:
    """Return the ranks of each query's right answers among the gallery crops that count.

    Args:
        distance: Smaller is closer; finite. Shape (n_query, n_gallery).
        labels: Of the same queries and gallery crops.
        protocol: Which crops count, and which are right.

    Returns:
        Ranks from 1, ascending for each query, one query after the other, of shape (right answers of all,); and where
        each query's start, of shape (n_query + 1,).
    """
    starts = np.concatenate([[0], np.cumsum(num_right_answers(labels, protocol))])
    with torch_threads():
        return _ranks(distance, _Judged.of(labels, protocol), starts), starts


def closest(
    distance: FloatArray, labels: EvaluationLabels, protocol: MatchingProtocol, *, k: int
) -> tuple[IntArray, BoolArray]:
    """Return the first k gallery crops that count, -1 where there are fewer, and which are right. Shapes (n_query, k).

    Args:
        distance: As for `right_answer_ranks`, and so are the labels.
        labels: See there.
        protocol: See there.
        k: How many. Time O(k) more for each crop that is among the first k so far.
    """
    with torch_threads():
        return _closest(distance, _Judged.of(labels, protocol), k)


class _Judged(NamedTuple):
    """What kernels judge by: the protocol's table and the labels, as arrays."""

    table: Table
    query_ids: IntArray
    query_cameras: IntArray
    own_crops: IntArray
    gallery_ids: IntArray
    gallery_cameras: IntArray

    @classmethod
    def of(cls, labels: EvaluationLabels, protocol: MatchingProtocol) -> _Judged:
        queries = labels.query_ids, labels.query_cameras, labels.own_crops
        return cls(protocol.table, *queries, labels.gallery_ids, labels.gallery_cameras)


# What a parallel loop calls is compiled without `parallel`: see `iics.similarity.reciprocal`.
@kernel()
def _verdict(judged: _Judged, q: int, g: int) -> int:
    """Return what a gallery crop is to a query: the protocol's table, but for junk and the query's own crop."""
    if g == judged.own_crops[q] or judged.gallery_ids[g] == JUNK_IDENTITY:
        return IGNORED
    is_own = judged.gallery_ids[g] == judged.query_ids[q]
    return int(judged.table[int(is_own), int(judged.gallery_cameras[g] == judged.query_cameras[q])])


@kernel()  # on one thread: quick, and threads would wait for each other longer than it takes
def _num_right(judged: _Judged) -> IntArray:
    num_right = np.zeros(len(judged.query_ids), np.int64)
    for q in range(len(judged.query_ids)):
        query_id = judged.query_ids[q]
        for g in range(len(judged.gallery_ids)):
            if judged.gallery_ids[g] == query_id:
                num_right[q] += _verdict(judged, q, g) == RIGHT
    return num_right


@kernel()
def _right_answers(distance: FloatArray, judged: _Judged, q: int, count: int) -> tuple[IntArray, FloatArray]:
    """Return one query's right answers, closest first, equals by index, and their distances."""
    answers = np.empty(count, np.int64)
    values = np.empty(count, np.float32)
    found, query_id = 0, judged.query_ids[q]
    for g in range(len(distance)):
        if judged.gallery_ids[g] == query_id and _verdict(judged, q, g) == RIGHT:
            answers[found], values[found] = g, distance[g]
            found += 1
    order = np.argsort(values, kind="mergesort")  # stable
    return answers[order], values[order]


@kernel()
def _show(distance: FloatArray, judged: _Judged, q: int, start: int, shown: FloatArray) -> None:
    """Copy distances to a part of the gallery, from `start` on; infinite where the protocol ignores the crop."""
    table, query_id, query_camera = judged.table, judged.query_ids[q], judged.query_cameras[q]
    ids, cameras = judged.gallery_ids[start : start + len(shown)], judged.gallery_cameras[start : start + len(shown)]
    counts_own_here, counts_own_there = table[1, 1] != IGNORED, table[1, 0] != IGNORED
    counts_other_here, counts_other_there = table[0, 1] != IGNORED, table[0, 0] != IGNORED
    for g in range(len(shown)):
        is_here = cameras[g] == query_camera
        counts_own = counts_own_here if is_here else counts_own_there
        counts_other = counts_other_here if is_here else counts_other_there
        counts = (counts_own if ids[g] == query_id else counts_other) & (ids[g] != JUNK_IDENTITY)
        shown[g] = distance[g] if counts else np.float32(np.inf)


@kernel(fastmath=REORDERED)
def _num_up_to(shown: FloatArray, value: float) -> int:
    count = np.float32(0)  # counted many at a time, which numba does not do with integers; exact below 2^24
    for g in range(len(shown)):
        count += np.float32(1) if shown[g] <= value else np.float32(0)
    return int(count)


@kernel(fastmath=REORDERED)
def _num_below(shown: FloatArray, value: float) -> int:
    count = np.float32(0)
    for g in range(len(shown)):
        count += np.float32(1) if shown[g] < value else np.float32(0)
    return int(count)


@kernel()
def _count_before(shown: FloatArray, start: int, answers: IntArray, values: FloatArray, ranks: IntArray) -> None:
    """Add to each answer's rank what a part of the gallery, from `start` on, holds before it."""
    for i in range(len(answers)):
        own_place = min(max(answers[i] - start, 0), len(shown))
        ranks[i] += _num_up_to(shown[:own_place], values[i])
        ranks[i] += _num_below(shown[own_place:], values[i])


@kernel()
def _bisect(shown: FloatArray, start: int, answers: IntArray, values: FloatArray, behind: IntArray) -> None:
    """Add each crop of a part of the gallery to the count of the first answer that does not lie before it."""
    for g in range(len(shown)):
        low, high = 0, len(values)
        while low < high:
            middle = (low + high) // 2
            if values[middle] < shown[g] or (values[middle] == shown[g] and answers[middle] < start + g):
                low = middle + 1
            else:
                high = middle
        if low < len(values) and answers[low] != start + g:
            behind[low] += 1


@kernel()
def _rank_row(distance: FloatArray, judged: _Judged, q: int, ranks: IntArray) -> None:
    """Write the ranks of one query's right answers, as many as `ranks` has room for."""
    num_right, own_crop = len(ranks), judged.own_crops[q]
    answers, values = _right_answers(distance, judged, q, num_right)
    ranks[:] = 0
    shown = np.empty(_PART, np.float32)
    for start in range(0, len(distance), _PART):
        stop = min(start + _PART, len(distance))
        part = shown[: stop - start]
        _show(distance[start:stop], judged, q, start, part)
        if start <= own_crop < stop:
            part[own_crop - start] = np.inf
        if num_right <= _FEW:
            _count_before(part, start, answers, values, ranks)
        else:
            _bisect(part, start, answers, values, ranks)
    before = 0
    for i in range(num_right):
        if num_right > _FEW:
            before += ranks[i] + (i > 0)
            ranks[i] = before
        ranks[i] += 1


@kernel(parallel=True)
def _ranks(distance: FloatArray, judged: _Judged, starts: IntArray) -> IntArray:
    ranks = np.empty(starts[-1], np.int64)
    for q in numba.prange(len(judged.query_ids)):
        if starts[q] < starts[q + 1]:
            _rank_row(distance[q], judged, q, ranks[starts[q] : starts[q + 1]])
    return ranks


@kernel(parallel=True)
def _closest(distance: FloatArray, judged: _Judged, k: int) -> tuple[IntArray, BoolArray]:
    found = np.full((len(judged.query_ids), k), -1, np.int64)
    is_right = np.zeros((len(judged.query_ids), k), np.bool_)
    for q in numba.prange(len(judged.query_ids)):
        values = np.full(k, np.inf, np.float32)
        row = distance[q]
        for g in range(len(row)):
            d = row[g]
            if d >= values[k - 1]:  # on a tie the smaller index came first and stays
                continue
            verdict = _verdict(judged, q, g)
            if verdict == IGNORED:
                continue
            place = k - 1
            while place > 0 and values[place - 1] > d:
                values[place] = values[place - 1]
                found[q, place], is_right[q, place] = found[q, place - 1], is_right[q, place - 1]
                place -= 1
            values[place] = d
            found[q, place], is_right[q, place] = g, verdict == RIGHT
    return found, is_right
