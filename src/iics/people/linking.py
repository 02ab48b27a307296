"""Links sightings into people: average linkage of groups that must stay together, never of those that are apart.

Sightings, a rule, what is known of some pairs -> groups, how sure each sighting's is, and the links that were not made
but may be right. Nothing is written, and the same input gives the same groups.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from iics.arrays import DoubleArray, IntArray
from iics.clustering.apart import Apart
from iics.clustering.cuts import number_by_first_appearance
from iics.people.likeness import Likeness, likeness_of
from iics.people.link_rule import LinkRule
from iics.people.linked import Doubt, Linked
from iics.people.merging import Candidates, Merged, candidates, merge
from iics.people.sightings import Sightings
from iics.people.times_apart import at_one_time, too_far
from iics.people.travel_times import TravelTimes

LEAST_DOUBTED = 0.2
"""Certainty from which a link that is not made is listed."""


def link(
    sightings: Sightings,
    *,
    rule: LinkRule,
    initial: IntArray | None = None,
    same: IntArray | None = None,
    apart: Apart | None = None,
    travel: TravelTimes | None = None,
) -> Linked:
    """Return which sightings are one person; O(k^2 d) time, memory for 50 pairs of each and twice the features.

    What must stay together wins over times: a tracklet of another's time that a correction joined to it stays joined.

    Args:
        sightings: k of them: all, or the new ones with their neighbours and all members of these one's identities.
        rule: When groups are one person.
        initial: Group of each that stays together, e.g. its identity's number; -1 for a new one. None if all are new.
            Shape (k,).
        same: Pairs that are one person, by corrections; may join groups. Shape (m, 2).
        apart: Pairs that are two people, by corrections; the caller has taken out what contradicts `same` and has given
            groups that a correction splits as separate ones.
        travel: Travel times between cameras; None takes no account of them.
    """
    if len(sightings) == 0:
        return Linked(np.empty(0, np.int64), np.empty(0), ())
    likeness = likeness_of(sightings, rule.background, is_plain=rule.is_plain)
    together = _together(len(sightings), initial, same)
    kept_apart = [apart or Apart.none(), at_one_time(sightings)]
    if travel is not None:
        kept_apart.append(too_far(sightings, travel))
    pairs = np.concatenate([np.stack([together[each.first], together[each.second]], axis=1) for each in kept_apart])
    found = candidates(likeness, floor=rule.doubted_from(LEAST_DOUBTED))
    merged = merge(likeness, together, found, pairs[pairs[:, 0] != pairs[:, 1]], threshold=rule.threshold)
    return Linked(
        number_by_first_appearance(merged.labels),
        _certainty(likeness, merged, rule),
        _doubts(found, merged, rule),
    )


def _together(num: int, initial: IntArray | None, same: IntArray | None) -> IntArray:
    """Return the group that each is in for sure, 0..g-1. Shape (num,)."""
    first, second = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    if initial is not None:
        old = np.flatnonzero(initial >= 0)
        _, place, of_old = np.unique(initial[old], return_index=True, return_inverse=True)
        first.append(old)
        second.append(old[place][of_old])
    if same is not None and len(same):
        first.append(same[:, 0])
        second.append(same[:, 1])
    one, other = np.concatenate(first), np.concatenate(second)
    graph = coo_matrix((np.ones(len(one)), (one, other)), shape=(num, num))
    labels: IntArray = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def _certainty(likeness: Likeness, merged: Merged, rule: LinkRule) -> DoubleArray:
    """Return how sure it is that each is of its group, by its mean likeness to the others of it; 1 where it is alone."""
    sizes = merged.sums.sizes[merged.labels].astype(np.float64)
    certainty = rule.certainty(likeness.to_others(merged.labels, merged.sums))
    return np.where(sizes > 1, certainty, 1.0)


def _doubts(found: Candidates, merged: Merged, rule: LinkRule) -> tuple[Doubt, ...]:
    """Return the pairs of groups that are nearly alike enough, each by its most alike pair of sightings."""
    certainty = rule.certainty(merged.likeness)
    chosen = np.flatnonzero(certainty >= LEAST_DOUBTED)
    if len(chosen) == 0:
        return ()
    num = len(merged.sums.sizes)
    one, other = merged.labels[found.first], merged.labels[found.second]
    codes = np.minimum(one, other) * num + np.maximum(one, other)
    order = np.lexsort((-found.likeness, codes))
    wanted = merged.first[chosen] * num + merged.second[chosen]
    nearest = order[np.searchsorted(codes[order], wanted)]
    doubts = [
        Doubt(int(found.first[pair]), int(found.second[pair]), float(certainty[group]))
        for pair, group in zip(nearest, chosen, strict=True)
    ]
    return tuple(sorted(doubts, key=lambda doubt: -doubt.certainty))
