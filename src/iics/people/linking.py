"""Links sightings into people: average linkage of groups that must stay together, never of those that are apart."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from iics.arrays import IntArray
from iics.clustering.apart import Apart
from iics.clustering.average_linkage import AllPairs
from iics.clustering.cuts import cut_distance, number_by_first_appearance
from iics.clustering.known import Known
from iics.people.link_rule import LinkRule
from iics.people.linked import Linked
from iics.people.sightings import Sightings
from iics.people.travel_times import TravelTimes


def link(
    sightings: Sightings,
    *,
    rule: LinkRule,
    initial: IntArray | None = None,
    same: IntArray | None = None,
    apart: Apart | None = None,
    travel: TravelTimes | None = None,  # noqa: ARG001
) -> Linked:
    """Return which sightings are one person.

    Args:
        sightings: k of them: all, or the new ones with their neighbours and all members of these one's identities.
        rule: When groups are one person.
        initial: Group of each that stays together, e.g. its identity's number; -1 for a new one. None if all are new.
            Shape (k,).
        same: Pairs that are one person, by corrections; may join groups. Shape (m, 2).
        apart: Pairs that are two people, by corrections; the caller has taken out what contradicts `same` and has given
            groups that a correction splits as separate ones.
        travel: Travel times between cameras; None takes no account of times.
    """
    apart = apart or Apart.none()
    together = _together(len(sightings), initial, same)
    matrix = (1 - sightings.features @ sightings.features.T).astype(np.float32)
    matrix = np.ascontiguousarray(np.minimum(matrix, matrix.T))
    np.fill_diagonal(matrix, 0)
    matrix[together[:, None] == together[None, :]] = 0
    linkage = AllPairs(matrix, Known(apart)).linkage()
    labels = number_by_first_appearance(cut_distance(linkage, 1 - rule.threshold))
    return Linked(labels, np.ones(len(labels)), ())


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
