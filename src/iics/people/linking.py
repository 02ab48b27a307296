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

CERTAIN_OF_PARTS = 0.75
"""Certainty from which the parts of an identity stay together."""
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

    A link that a few sightings spoke for may be wrong when more are known. So sightings are linked as if all were new.
    The parts of an identity that this finds are joined again where it is still certain enough that they are one; with
    these together all are linked once more. So an identity is split only where that is in doubt. Never splitting costs
    ten portions 7 to 10 points of F; splitting freely gives two to three times as many sightings another number
    (docs/experiments.md).

    Corrections win over times: two tracklets of one time that a correction joined stay joined.

    Args:
        sightings: k of them: all, or the new ones with their neighbours and all members of these ones' identities.
        rule: When groups are one person.
        initial: Identity of each; -1 for a new one. None if all are new. Shape (k,).
        same: Pairs that are one person, by corrections: they stay together. Shape (m, 2).
        apart: Pairs that are two people, by corrections; the caller has taken out what contradicts `same`.
        travel: Travel times between cameras; None takes no account of them.
    """
    if len(sightings) == 0:
        return Linked(np.empty(0, np.int64), np.empty(0), ())
    likeness = likeness_of(sightings, rule.background, is_plain=rule.is_plain, nearest=rule.nearest)
    found = candidates(likeness, floor=rule.doubted_from(LEAST_DOUBTED))
    kept_apart = [apart or Apart.none(), at_one_time(sightings)]
    if travel is not None:
        kept_apart.append(too_far(sightings, travel))
    pairs_apart = np.concatenate([np.stack([each.first, each.second], axis=1) for each in kept_apart])

    def merged_from(groups: IntArray, pairs: IntArray, threshold: float) -> Merged:
        not_joined = groups[pairs_apart]
        not_joined = not_joined[not_joined[:, 0] != not_joined[:, 1]]
        return merge(likeness, groups, pairs, not_joined, threshold=threshold)

    together = _together(len(sightings), same)
    merged = merged_from(together, found.between(together), rule.threshold)
    if initial is not None and (initial >= 0).any():
        parts = _parts(initial, merged.labels, together)
        whole = merged_from(parts, _of_one_identity(initial, parts), rule.doubted_from(CERTAIN_OF_PARTS)).labels
        merged = merged_from(whole, found.between(whole), rule.threshold)
    return Linked(
        number_by_first_appearance(merged.labels),
        _certainty(likeness, merged, rule),
        _doubts(found, merged, rule),
    )


def _together(num: int, same: IntArray | None) -> IntArray:
    """Return the group that each is in by corrections, 0..g-1. Shape (num,)."""
    pairs = np.empty((0, 2), np.int64) if same is None else same
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(num, num))
    labels: IntArray = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def _parts(initial: IntArray, labels: IntArray, together: IntArray) -> IntArray:
    """Return the part of each, 0..p-1: sightings of one identity that were linked; what is together; or it alone.

    Args:
        initial: Identity of each; -1 for a new one. Shape (k,).
        labels: What was linked. Shape (k,).
        together: Groups that corrections join. Shape (k,).
    """
    old = np.flatnonzero(initial >= 0)
    of_old = np.unique(np.stack([initial[old], labels[old]]), axis=1, return_inverse=True)[1].reshape(-1)
    _, place = np.unique(of_old, return_index=True)
    linked = np.stack([old, old[place][of_old]], axis=1)
    _, first = np.unique(together, return_index=True)
    joined = np.stack([np.arange(len(initial)), first[together]], axis=1)
    return _together(len(initial), np.concatenate([linked, joined]))


def _of_one_identity(initial: IntArray, parts: IntArray) -> IntArray:
    """Return all pairs of parts that have sightings of one identity. Shape (m, 2)."""
    found = [np.empty((0, 2), np.int64)]
    old = np.flatnonzero(initial >= 0)
    held = np.unique(np.stack([initial[old], parts[old]], axis=1), axis=0)
    several = np.flatnonzero(np.bincount(held[:, 0]) > 1)
    for identity in several:
        own = held[held[:, 0] == identity, 1]
        one, other = np.triu_indices(len(own), 1)
        found.append(np.stack([own[one], own[other]], axis=1))
    return np.concatenate(found)


def _certainty(likeness: Likeness, merged: Merged, rule: LinkRule) -> DoubleArray:
    """Return how sure it is that each is of its group, by its likeness to the others of it; 1 where it is alone."""
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
