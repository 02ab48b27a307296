"""How well linked people agree with known identities: pairwise, B-cubed and, one to one, IDF1.

All count crops. Crops of no known identity take part in linking but not here. Pairs are counted by scikit-learn's
`pair_confusion_matrix`; B-cubed (Bagga and Baldwin, 1998) and IDF1 (Ristani et al., 2016) come from the same table of
how many crops each person and each identity share. docs/linking.md says which libraries were looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.metrics.cluster import contingency_matrix, pair_confusion_matrix

from iics.arrays import IntArray
from iics.crops import DISTRACTOR_IDENTITY
from iics.errors import PeopleError


@dataclass(frozen=True)
class Agreement:
    """Shares from 0 to 1.

    Attributes:
        num_crops: Crops of known identities.
        num_identities: Known identities.
        num_people: People that have such crops.
        pairwise_precision: Share of pairs of crops of one person that are of one identity; 1 without such a pair.
        pairwise_recall: Share of pairs of one identity that are of one person; 1 without such a pair.
        bcubed_precision: Of each crop, the share of its person's crops that are of its identity; the mean.
        bcubed_recall: Of each crop, the share of its identity's crops that are of its person; the mean.
        idf1: Share of crops that are right if each identity is one person and each person one identity, matched as
            well as can be.
    """

    num_crops: int
    num_identities: int
    num_people: int
    pairwise_precision: float
    pairwise_recall: float
    bcubed_precision: float
    bcubed_recall: float
    idf1: float

    @property
    def pairwise_f(self) -> float:
        """Harmonic mean of pairwise precision and recall."""
        return _harmonic(self.pairwise_precision, self.pairwise_recall)

    @property
    def bcubed_f(self) -> float:
        """Harmonic mean of B-cubed precision and recall."""
        return _harmonic(self.bcubed_precision, self.bcubed_recall)


def agreement(people: IntArray, identity_ids: IntArray) -> Agreement:
    """Return how well people agree with identities.

    Args:
        people: Person of each crop. Shape (n,).
        identity_ids: Known identity of each; -1 (unknown) and 0 (a distractor) do not count. Shape (n,).

    Raises:
        PeopleError: If no identity is known.
    """
    is_known = identity_ids > DISTRACTOR_IDENTITY
    if not is_known.any():
        raise PeopleError(
            "No crop of these people has a known identity, so nothing can be measured. Index crops with identities: a "
            "column identity, or file names that hold it."
        )
    people, identity_ids = people[is_known], identity_ids[is_known]
    pairs = pair_confusion_matrix(identity_ids, people).astype(np.float64)
    in_both, of_person, of_identity = pairs[1, 1], pairs[:, 1].sum(), pairs[1].sum()
    shared = contingency_matrix(identity_ids, people, sparse=True, dtype=np.int64).tocoo()
    by_identity, by_person = np.bincount(shared.row, shared.data), np.bincount(shared.col, shared.data)
    squares = shared.data.astype(np.float64) ** 2
    return Agreement(
        num_crops=len(people),
        num_identities=len(by_identity),
        num_people=len(by_person),
        pairwise_precision=float(in_both / of_person) if of_person else 1.0,
        pairwise_recall=float(in_both / of_identity) if of_identity else 1.0,
        bcubed_precision=float((squares / by_person[shared.col]).sum() / len(people)),
        bcubed_recall=float((squares / by_identity[shared.row]).sum() / len(people)),
        idf1=_matched(csr_matrix(shared)) / len(people),
    )


def _matched(shared: csr_matrix) -> int:
    """Return the most crops that a matching of identities (rows) with people (columns), one to one, has in common."""
    num_rows, num_columns = shared.shape
    rows, columns = shared.nonzero()
    num = num_rows + num_columns
    graph = csr_matrix((np.ones(len(rows)), (rows, num_rows + columns)), shape=(num, num))
    _, part = connected_components(
        graph, directed=False
    )  # a matching is one in each part; all at once is a dense table
    total = 0
    order = np.argsort(part[:num_rows], kind="stable")
    of_rows, starts = np.unique(part[:num_rows][order], return_index=True)
    for number, own in zip(of_rows, np.split(order, starts[1:]), strict=True):
        others = np.flatnonzero(part[num_rows:] == number)
        table = shared[own][:, others].toarray()
        one, other = linear_sum_assignment(table, maximize=True)
        total += int(table[one, other].sum())
    return total


def _harmonic(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
