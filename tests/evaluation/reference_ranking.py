"""The protocols and their numbers as plain loops: slow, and checked by reading."""

import math


def market1501(query_id, query_camera, gallery_id, gallery_camera):
    """Return None for what is ignored, otherwise whether the answer is right."""
    if gallery_id == -1 or (gallery_id == query_id and gallery_camera == query_camera):
        return None
    return gallery_id == query_id


def same_camera(query_id, query_camera, gallery_id, gallery_camera):
    if gallery_id == -1 or gallery_camera != query_camera:
        return None
    return gallery_id == query_id


def other_cameras(query_id, query_camera, gallery_id, gallery_camera):
    if gallery_id == -1 or gallery_camera == query_camera:
        return None
    return gallery_id == query_id


def right_ranks(distance, query_id, query_camera, gallery_ids, gallery_cameras, judge=market1501):
    """Return the ranks of one query's right answers, from 1."""
    order = sorted(range(len(gallery_ids)), key=lambda g: (distance[g], g))
    verdicts = [judge(query_id, query_camera, gallery_ids[g], gallery_cameras[g]) for g in order]
    ranking = [is_right for is_right in verdicts if is_right is not None]
    return [rank for rank, is_right in enumerate(ranking, start=1) if is_right]


def reference_ranking(distance, query_ids, gallery_ids, query_cameras, gallery_cameras, max_rank, judge=market1501):
    """Return mean AP, CMC list, mean INP and the AP of each query (NaN where it has no valid match)."""
    all_ap, all_inp, first_ranks = [], [], []
    for q in range(len(query_ids)):
        ranks = right_ranks(distance[q], query_ids[q], query_cameras[q], gallery_ids, gallery_cameras, judge)
        if not ranks:
            all_ap.append(math.nan)
            continue
        all_ap.append(sum((i + 1) / rank for i, rank in enumerate(ranks)) / len(ranks))
        all_inp.append(len(ranks) / ranks[-1])
        first_ranks.append(ranks[0])
    scored = [ap for ap in all_ap if not math.isnan(ap)]
    cmc = [sum(first <= k for first in first_ranks) / len(scored) for k in range(1, max_rank + 1)]
    return sum(scored) / len(scored), cmc, sum(all_inp) / len(scored), all_ap


def camera_pair(distance, query_ids, gallery_ids, query_cameras, gallery_cameras, query_camera, gallery_camera):
    """Return rank-1, mAP and number of queries scored of one camera's queries against one camera's gallery."""
    shown = [g for g in range(len(gallery_ids)) if gallery_cameras[g] == gallery_camera]
    firsts, precisions = [], []
    for q in range(len(query_ids)):
        if query_cameras[q] != query_camera:
            continue
        ranks = right_ranks(
            [distance[q][g] for g in shown],
            query_ids[q],
            query_camera,
            [gallery_ids[g] for g in shown],
            [gallery_camera] * len(shown),
        )
        if ranks:
            firsts.append(ranks[0] == 1)
            precisions.append(sum((i + 1) / rank for i, rank in enumerate(ranks)) / len(ranks))
    if not firsts:
        return math.nan, math.nan, 0
    return sum(firsts) / len(firsts), sum(precisions) / len(precisions), len(firsts)
