"""The Market-1501 protocol and its three numbers as plain loops: slow, and checked by reading."""

import math


def reference_ranking(distance, query_ids, gallery_ids, query_cameras, gallery_cameras, max_rank):
    """Return mean AP, CMC list, mean INP and the AP of each query (NaN where it has no valid match)."""
    all_ap, all_inp, first_ranks = [], [], []
    for q in range(len(query_ids)):
        ranking = []
        for g in sorted(range(len(gallery_ids)), key=lambda g: (distance[q][g], g)):
            if gallery_ids[g] == -1:
                continue
            if gallery_ids[g] == query_ids[q] and gallery_cameras[g] == query_cameras[q]:
                continue
            ranking.append(gallery_ids[g] == query_ids[q])
        right_ranks = [rank for rank, is_right in enumerate(ranking, start=1) if is_right]
        if not right_ranks:
            all_ap.append(math.nan)
            continue
        all_ap.append(sum((i + 1) / rank for i, rank in enumerate(right_ranks)) / len(right_ranks))
        all_inp.append(len(right_ranks) / right_ranks[-1])
        first_ranks.append(right_ranks[0])
    scored = [ap for ap in all_ap if not math.isnan(ap)]
    cmc = [sum(first <= k for first in first_ranks) / len(scored) for k in range(1, max_rank + 1)]
    return sum(scored) / len(scored), cmc, sum(all_inp) / len(scored), all_ap
