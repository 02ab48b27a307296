"""What the labels of a run get wrong, where identities are known: people joined, people torn apart. Labels -> rows."""

from __future__ import annotations

import numpy as np

from iics.arrays import BoolArray, IntArray
from iics.reports.crop_choice import MOST_IN_ROW, NUM_ROWS
from iics.reports.crop_sheets import Cell, SheetRow

_SAME = 2
"""Crops shown of each person in a cluster, or of each cluster of a person, at most; more where few share the row."""


def mistake_rows(labels: IntArray, identity_ids: IntArray, camera_ids: IntArray) -> list[SheetRow]:
    """Return rows of clusters that hold several people, then of people that several clusters hold.

    The worst come first: those with the most pairs of crops that are wrongly joined, or wrongly apart.

    Args:
        labels: Cluster of each crop, -1 for none. Shape (n,).
        identity_ids: Who is on each crop; below 0 not known, or nobody. Shape (n,).
        camera_ids: Camera of each crop. Shape (n,).

    Returns:
        Rows whose cells point into all crops; none if nothing is wrong.
    """
    counted = (labels >= 0) & (identity_ids >= 0)
    joined = _worst(labels, identity_ids, counted)
    apart = _worst(identity_ids, labels, counted)
    rows = [SheetRow("Clusters that hold several people")] if joined else []
    for cluster in joined:
        own = counted & (labels == cluster)
        title = f"cluster {cluster}: {own.sum()} crops of {_parts(identity_ids[own], 'people', 'crops')}"
        rows.append(SheetRow(title, _cells(own, identity_ids, camera_ids)))
    rows += [SheetRow("People whom several clusters hold")] if apart else []
    for identity in apart:
        of_identity = identity_ids == identity
        own = counted & of_identity
        without = int((of_identity & ~counted).sum())
        title = f"identity {identity}: {of_identity.sum()} crops in {_parts(labels[own], 'clusters', 'crops')}"
        title += f"; {without} without a label" if without else ""
        rows.append(SheetRow(title, _cells(own, labels, camera_ids)))
    return rows


def _worst(groups: IntArray, parts: IntArray, counted: BoolArray) -> list[int]:
    """Return the groups with the most pairs of crops of two parts, at most `NUM_ROWS`; the most first."""
    names, group = np.unique(groups[counted], return_inverse=True)
    pairs, counts = np.unique(np.stack([group, parts[counted]]), axis=1, return_counts=True)
    sizes = np.bincount(group, minlength=len(names))
    own = np.zeros(len(names), dtype=np.int64)
    np.add.at(own, pairs[0], counts**2)
    wrong = (sizes**2 - own) // 2
    order = np.argsort(-wrong, kind="stable")[:NUM_ROWS]
    return [int(names[at]) for at in order if wrong[at]]


def _parts(parts: IntArray, what: str, unit: str) -> str:
    sizes = np.sort(np.unique(parts, return_counts=True)[1])[::-1]
    shown = ", ".join(map(str, sizes[:MOST_IN_ROW])) + (", ..." if len(sizes) > MOST_IN_ROW else "")
    return f"{len(sizes)} {what} ({shown} {unit})"


def _cells(own: BoolArray, parts: IntArray, camera_ids: IntArray) -> tuple[Cell, ...]:
    """Return crops of the largest parts of a row, part after part; of different cameras where there are."""
    names, sizes = np.unique(parts[own], return_counts=True)
    largest = names[np.argsort(-sizes, kind="stable")][: MOST_IN_ROW // _SAME]
    share = MOST_IN_ROW // len(largest)
    cells: list[Cell] = []
    for name in largest:
        members = np.flatnonzero(own & (parts == name))
        _, first = np.unique(camera_ids[members], return_index=True)
        others = np.setdiff1d(np.arange(len(members)), first)
        shown = members[np.concatenate([np.sort(first), others])][:share]
        cells += [Cell(int(crop), starts_group=at == 0 and bool(cells)) for at, crop in enumerate(shown)]
    return tuple(cells)
