"""Which crops of a run its report shows: typical and doubtful clusters, good and middling matches. Features -> rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from iics.arrays import FloatArray, IntArray
from iics.evaluation.across_cameras import Matches
from iics.reports.crop_sheets import Cell, SheetRow

NUM_ROWS = 4
"""Clusters, or matches, of each kind."""
MOST_IN_ROW = 8
NUM_MATCHES = 3
_MOST_CLUSTERS, _MOST_OF_CLUSTER = 60, 12


def drawn_clusters(labels: IntArray, generator: np.random.Generator) -> IntArray:
    """Return crops of up to 60 clusters of two crops or more, at most 12 of each, drawn at random; in order.

    Args:
        labels: Cluster of each crop, -1 for none. Shape (n,).
        generator: Source of the draw.
    """
    names, sizes = np.unique(labels[labels >= 0], return_counts=True)
    large = names[sizes > 1]
    chosen = generator.choice(large, min(_MOST_CLUSTERS, len(large)), replace=False)
    members = [np.flatnonzero(labels == name) for name in chosen]
    drawn = [generator.choice(own, min(_MOST_OF_CLUSTER, len(own)), replace=False) for own in members]
    return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *drawn]))


def cluster_rows(features: FloatArray, drawn: IntArray, labels: IntArray, camera_ids: IntArray) -> list[SheetRow]:
    """Return rows of typical clusters, then of doubtful ones.

    Doubtful are those whose crops are least similar to each other, typical those in the middle.

    Args:
        features: Of the drawn crops, L2-normalised. Shape (m, d).
        drawn: Which crops they are of, from `drawn_clusters`. Shape (m,).
        labels: Cluster of every crop of the run. Shape (n,).
        camera_ids: Camera of every crop of the run. Shape (n,).

    Returns:
        Rows whose cells point into all crops of the run; none if there are no clusters.
    """
    names = np.unique(labels[drawn])
    if not len(names):
        return []
    similarity = np.array([_mean_similarity(features[labels[drawn] == name]) for name in names])
    order = np.argsort(similarity, kind="stable")
    num_doubtful = min(NUM_ROWS, len(order) // 2)
    doubtful = order[:num_doubtful]
    middle = max(num_doubtful, len(order) // 2 - NUM_ROWS // 2)
    typical = order[middle : middle + NUM_ROWS]

    def row(at: int) -> SheetRow:
        name = names[at]
        members, cameras = labels == name, np.unique(camera_ids[labels == name])
        own = np.flatnonzero(labels[drawn] == name)
        to_mean = _normalised(features[own].sum(axis=0)) @ features[own].T
        shown = own[np.argsort(-to_mean, kind="stable")]
        values = dict(zip(own.tolist(), to_mean.tolist(), strict=True))
        # The first and the last: what lies at the edge of a cluster shows whether it is one person.
        kept = [*shown[: MOST_IN_ROW // 2], *shown[MOST_IN_ROW // 2 :][-(MOST_IN_ROW // 2) :]]
        count = f"{members.sum()} crops of {len(cameras)} camera{'' if len(cameras) == 1 else 's'}"
        title = f"cluster {name}: {count}, mean similarity of its pairs {similarity[at]:.2f}"
        return SheetRow(title, tuple(Cell(int(drawn[one]), values[int(one)]) for one in kept))

    rows = [SheetRow("Typical clusters"), *map(row, typical)]
    if num_doubtful:
        rows += [SheetRow("Doubtful clusters: their crops are least alike"), *map(row, doubtful)]
    return rows


def match_rows(after: Matches, before: Matches | None) -> list[SheetRow]:
    """Return rows of the best matches across cameras, then of the middling ones.

    Args:
        after: Matches by the trained model; at least `NUM_MATCHES` a crop, -1 where there are fewer.
        before: Those by the model that training started from, for the same crops; None if there is none.
    """
    best = after.similarities[:, 0]
    order = np.argsort(-best, kind="stable")
    order = order[~np.isnan(best[order])]
    if not len(order):
        return []
    rows = [SheetRow("Best matches, in other cameras" + ("" if before is None else "; right: before training"))]
    shown: set[int] = set()
    rows += [_match_row(crop, after, before) for crop in _first_unseen(order, after, shown)]
    rows.append(SheetRow("Middling matches: half of all crops have a more similar one"))
    return rows + [_match_row(crop, after, before) for crop in _first_unseen(order[len(order) // 2 :], after, shown)]


def _first_unseen(order: IntArray, matches: Matches, shown: set[int]) -> Iterator[int]:
    """Yield the first crops that were not shown yet, also not as a match; they are shown then."""
    found = 0
    for crop in order.tolist():
        if found == NUM_ROWS:
            return
        if crop not in shown:
            shown.update((crop, *matches.indices[crop].tolist()))
            found += 1
            yield crop


def _match_row(crop: int, after: Matches, before: Matches | None) -> SheetRow:
    groups: Sequence[Matches] = [after] if before is None else [after, before]
    cells = [Cell(crop, is_asked=True)]
    for matches in groups:
        found = zip(matches.indices[crop, :NUM_MATCHES], matches.similarities[crop, :NUM_MATCHES], strict=True)
        cells += [
            Cell(int(index), float(similarity), starts_group=at == 0)
            for at, (index, similarity) in enumerate(found)
            if index >= 0
        ]
    return SheetRow("", tuple(cells))


def _mean_similarity(features: FloatArray) -> float:
    """Return the mean cosine of all pairs of at least two crops."""
    count, total = len(features), features.sum(axis=0, dtype=np.float64)
    squares = float((features.astype(np.float64) ** 2).sum())
    return (float(total @ total) - squares) / (count * (count - 1))


def _normalised(vector: FloatArray) -> FloatArray:
    norm = np.linalg.norm(vector)
    unit: FloatArray = vector / norm if norm > 0 else vector
    return unit
