"""Ranks of the right answers (Eq. 1), by counting the crops before them: one pass over a row, without sorting it.

The order is by distance, ties by gallery index; -0.0 equals 0.0. A query has few right answers, which are sorted.
Every gallery crop that counts is then added, by bisection, to the count of the first right answer that comes after
it. Time O(n_query n_gallery log(right answers)), memory O(right answers) besides the distances.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from iics.arrays import BoolArray, FloatArray, IntArray
from iics.crops import JUNK_IDENTITY
from iics.evaluation.labels import EvaluationLabels
from iics.evaluation.protocol import IGNORED, RIGHT, MatchingProtocol
from iics.kernels import REORDERED, kernel, on_each_thread

Table = npt.NDArray[np.int8]

_PART = 2048  # gallery crops that are looked at together: they stay in the innermost cache
_FEW = 64  # right answers up to which counting for each is faster than bisecting for each crop


def num_right_answers(labels: EvaluationLabels, protocol: MatchingProtocol) -> IntArray:
    """Return how many right answers the gallery holds for each query. Shape (n_query,)."""
    return _num_right(protocol.table, *_arrays(labels))


def right_answer_ranks(
    distance: FloatArray, labels: EvaluationLabels, protocol: MatchingProtocol
) -> tuple[IntArray, IntArray]:
    """Return the ranks of each query's right answers among the gallery crops that count.

    Args:
        distance: Smaller is closer; finite. Shape (n_query, n_gallery).
        labels: Of the same queries and gallery crops.
        protocol: Which crops count, and which are right.

    Returns:
        Ranks from 1, ascending for each query, one query after the other, of shape (right answers of all,); and the
        place where each query's ranks start, of shape (n_query + 1,).
    """
    count = num_right_answers(labels, protocol)
    starts = np.concatenate([[0], np.cumsum(count)])
    answers, values = np.empty(starts[-1], np.int64), np.empty(starts[-1], np.float32)
    on_each_thread(_right_answers, distance, protocol.table, *_arrays(labels), starts, answers, values)
    order = np.lexsort((answers, values, np.repeat(np.arange(len(count)), count)))
    ranks = np.zeros(starts[-1], np.int64)
    arrays = distance, protocol.table, *_arrays(labels), starts, answers[order], values[order], ranks
    on_each_thread(_ranks, *arrays)
    return ranks, starts


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
    found = np.full((len(distance), k), -1, np.int64)
    is_right = np.zeros((len(distance), k), np.bool_)
    on_each_thread(_closest, distance, protocol.table, *_arrays(labels), found, is_right)
    return found, is_right


def _arrays(labels: EvaluationLabels) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray]:
    return labels.query_ids, labels.query_cameras, labels.own_crops, labels.gallery_ids, labels.gallery_cameras


@kernel()
def _verdict(
    table: Table, query_id: int, query_camera: int, own_crop: int, g: int, ids: IntArray, cameras: IntArray
) -> int:
    """Return what gallery crop g is to a query: the protocol's table, but for junk and the query's own crop."""
    if g == own_crop or ids[g] == JUNK_IDENTITY:
        return IGNORED
    return int(table[int(ids[g] == query_id), int(cameras[g] == query_camera)])


@kernel()  # on one thread: quick, and threads would wait for each other longer than it takes
def _num_right(
    table: Table,
    query_ids: IntArray,
    query_cameras: IntArray,
    own_crops: IntArray,
    gallery_ids: IntArray,
    gallery_cameras: IntArray,
) -> IntArray:
    num_right = np.zeros(len(query_ids), np.int64)
    for q in range(len(query_ids)):
        for g in range(len(gallery_ids)):
            if gallery_ids[g] == query_ids[q]:
                verdict = _verdict(table, query_ids[q], query_cameras[q], own_crops[q], g, gallery_ids, gallery_cameras)
                num_right[q] += verdict == RIGHT
    return num_right


@kernel()
def _right_answers(
    distance: FloatArray,
    table: Table,
    query_ids: IntArray,
    query_cameras: IntArray,
    own_crops: IntArray,
    gallery_ids: IntArray,
    gallery_cameras: IntArray,
    starts: IntArray,
    answers: IntArray,
    values: FloatArray,
    thread: int,
    num_threads: int,
) -> None:
    """Write each query's right answers, in the order of the gallery, and their distances."""
    for q in range(thread, len(query_ids), num_threads):
        place = starts[q]
        for g in range(len(gallery_ids)):
            if gallery_ids[g] == query_ids[q]:
                verdict = _verdict(table, query_ids[q], query_cameras[q], own_crops[q], g, gallery_ids, gallery_cameras)
                if verdict == RIGHT:
                    answers[place], values[place] = g, distance[q, g]
                    place += 1


@kernel()
def _show(
    distance: FloatArray,
    table: Table,
    query_id: int,
    query_camera: int,
    ids: IntArray,
    cameras: IntArray,
    shown: FloatArray,
) -> None:
    """Copy distances, infinite where the protocol ignores the crop. The arrays are parts of the gallery."""
    counts_own_here, counts_own_there = table[1, 1] != IGNORED, table[1, 0] != IGNORED
    counts_other_here, counts_other_there = table[0, 1] != IGNORED, table[0, 0] != IGNORED
    for g in range(len(distance)):
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
def _rank_row(
    distance: FloatArray,
    table: Table,
    query_id: int,
    query_camera: int,
    own_crop: int,
    gallery_ids: IntArray,
    gallery_cameras: IntArray,
    answers: IntArray,
    values: FloatArray,
    ranks: IntArray,
) -> None:
    """Write the ranks of one query's right answers, which are closest first, equals by index; they were zeros."""
    num_right = len(ranks)
    shown = np.empty(_PART, np.float32)
    for start in range(0, len(distance), _PART):
        stop = min(start + _PART, len(distance))
        part = shown[: stop - start]
        _show(
            distance[start:stop],
            table,
            query_id,
            query_camera,
            gallery_ids[start:stop],
            gallery_cameras[start:stop],
            part,
        )
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


@kernel()
def _ranks(
    distance: FloatArray,
    table: Table,
    query_ids: IntArray,
    query_cameras: IntArray,
    own_crops: IntArray,
    gallery_ids: IntArray,
    gallery_cameras: IntArray,
    starts: IntArray,
    answers: IntArray,
    values: FloatArray,
    ranks: IntArray,
    thread: int,
    num_threads: int,
) -> None:
    for q in range(thread, len(query_ids), num_threads):
        if starts[q] < starts[q + 1]:
            own = slice(starts[q], starts[q + 1])
            _rank_row(
                distance[q],
                table,
                query_ids[q],
                query_cameras[q],
                own_crops[q],
                gallery_ids,
                gallery_cameras,
                answers[own],
                values[own],
                ranks[own],
            )


@kernel()
def _closest(
    distance: FloatArray,
    table: Table,
    query_ids: IntArray,
    query_cameras: IntArray,
    own_crops: IntArray,
    gallery_ids: IntArray,
    gallery_cameras: IntArray,
    found: IntArray,
    is_right: BoolArray,
    thread: int,
    num_threads: int,
) -> None:
    k = found.shape[1]
    for q in range(thread, len(query_ids), num_threads):
        values = np.full(k, np.inf, np.float32)
        for g in range(len(gallery_ids)):
            d = distance[q, g]
            if d >= values[k - 1]:  # on a tie the smaller index came first and stays
                continue
            verdict = _verdict(table, query_ids[q], query_cameras[q], own_crops[q], g, gallery_ids, gallery_cameras)
            if verdict == IGNORED:
                continue
            place = k - 1
            while place > 0 and values[place - 1] > d:
                values[place] = values[place - 1]
                found[q, place], is_right[q, place] = found[q, place - 1], is_right[q, place - 1]
                place -= 1
            values[place] = d
            found[q, place], is_right[q, place] = g, verdict == RIGHT
