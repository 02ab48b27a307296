"""The clusters of a run, a page of them at a time, as HTML: sizes, cameras, typical and doubtful members."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from iics.arrays import FloatArray, IntArray
from iics.data_splits import DataSplits
from iics.errors import SettingsError
from iics.page.cluster_members import (
    Cluster,
    MemberDoubts,
    clusters_by_members,
    doubtful_members,
    largest_first,
    member_doubts,
    most_doubtful_first,
    typical_members,
)
from iics.page.match_view import template
from iics.page.run_clusters import RunClusters, clusters_of, read_cluster_table, rounds_of
from iics.page.thumbnails import crop_thumbnails

ClusterOrder = Literal["largest first", "most doubtful first"]
CLUSTERS_AT_ONCE = 10
MEMBERS_SHOWN = 8

_ORDERS: dict[ClusterOrder, Callable[[tuple[Cluster, ...]], tuple[Cluster, ...]]] = {
    "largest first": largest_first,
    "most doubtful first": most_doubtful_first,
}


class ClusterBrowser:
    """The clusters of a run.

    Attributes:
        rounds: Whose clusters can be browsed.
        last: The clusters of the last of them.

    Args:
        run: The run folder.
        data: What the run was trained on; None for crops in files of their own.

    Raises:
        RunFolderError: If the run holds no clusters, or a damaged table.
        DataError: If its crops are not in the data.
    """

    def __init__(self, run: Path, data: DataSplits | None) -> None:
        self._run, self._data = run, data
        self._features: FloatArray | None = None
        self.rounds = rounds_of(run)
        self.last = clusters_of(read_cluster_table(run, self.rounds[-1]), data)
        self._round = lru_cache(maxsize=4)(self._read_round)

    def take_features(self, features: FloatArray) -> None:
        """Take the features of the crops of `last`, L2-normalised; needed before anything is shown. Shape (n, d)."""
        self._features = features

    def num_pages(self, round_number: int) -> int:
        """Return how many pages the clusters of a round fill.

        Raises:
            RunFolderError: If the table of the round is damaged.
        """
        return math.ceil(len(self._round(round_number)[2]) / CLUSTERS_AT_ONCE)

    def html(self, round_number: int, order: str, page: int) -> str:
        """Return one page of clusters.

        Args:
            round_number: Of `rounds`.
            order: A `ClusterOrder`.
            page: From 1.

        Raises:
            SettingsError: If there is no such round, order or page.
            RunFolderError: If the table of the round is damaged.
        """
        if round_number not in self.rounds:
            raise SettingsError(f"The run holds clusters of rounds {self.rounds[0]} to {self.rounds[-1]}.")
        orders = [name for name in get_args(ClusterOrder) if name == order]
        if not orders:
            raise SettingsError(f"Clusters are sorted {' or '.join(get_args(ClusterOrder))}, got {order!r}.")
        run, doubts, clusters = self._round(round_number)
        if not clusters:
            raise SettingsError(f"Round {round_number} has no clusters: all cameras sat out.")
        if not 1 <= page <= self.num_pages(round_number):
            raise SettingsError(f"There are pages 1 to {self.num_pages(round_number)}, got {page}.")
        start = (page - 1) * CLUSTERS_AT_ONCE
        shown = _ORDERS[orders[0]](clusters)[start : start + CLUSTERS_AT_ONCE]
        pictures = _pictures(run, [_shown_members(cluster, doubts) for cluster in shown])
        return template("clusters.html").render(
            cards=[_card(cluster, run, doubts, pictures) for cluster in shown],
            num_clusters=len(clusters),
            num_singles=sum(len(cluster.members) == 1 for cluster in clusters),
            num_crops=len(run.labels),
            num_without=int((run.labels < 0).sum()),
            first=start + 1,
            last=start + len(shown),
        )

    def _read_round(self, round_number: int) -> tuple[RunClusters, MemberDoubts, tuple[Cluster, ...]]:
        is_last = round_number == self.rounds[-1]
        run = self.last if is_last else clusters_of(read_cluster_table(self._run, round_number), self._data)
        if self._features is None or len(self._features) != len(run.labels):
            raise SettingsError("The features of the run's crops are not there; start the page again.")
        doubts = member_doubts(self._features, run.labels)
        return run, doubts, clusters_by_members(run.labels, doubts)


def _shown_members(cluster: Cluster, doubts: MemberDoubts) -> tuple[IntArray, IntArray]:
    """Return the typical and the doubtful members that are shown: none twice."""
    count = min(MEMBERS_SHOWN, math.ceil(len(cluster.members) / 2))
    typical = typical_members(cluster, count)
    doubtful = doubtful_members(cluster, doubts, len(cluster.members))
    return typical, doubtful[~np.isin(doubtful, typical)][:MEMBERS_SHOWN]


def _pictures(run: RunClusters, shown: list[tuple[IntArray, IntArray]]) -> dict[int, str | None]:
    members = np.unique(np.concatenate([np.concatenate(pair) for pair in shown]))
    return dict(zip(members.tolist(), crop_thumbnails(run.crops.subset(members)), strict=True))


def _card(
    cluster: Cluster, run: RunClusters, doubts: MemberDoubts, pictures: dict[int, str | None]
) -> dict[str, object]:
    """Return what the template shows of a cluster."""
    cameras = Counter(run.crops.camera_names[camera] for camera in run.crops.camera_ids[cluster.members])
    typical, doubtful = _shown_members(cluster, doubts)

    def member(index: int) -> dict[str, object]:
        other = int(doubts.nearest_other[index])
        return {
            "picture": pictures[index],
            "camera": run.crops.camera_names[run.crops.camera_ids[index]],
            "file": run.crops.paths[index].name,
            "own": float(doubts.own_similarity[index]),
            "other": float(doubts.other_similarity[index]),
            "other_name": run.names[other] if other >= 0 else "",
            "is_doubtful": bool(doubts.doubt[index] > 0),
        }

    return {
        "name": run.names[cluster.label],
        "size": len(cluster.members),
        "cameras": sorted(cameras.items(), key=lambda pair: -pair[1]),
        "doubtful_share": cluster.doubtful_share,
        "typical": [member(index) for index in typical.tolist()],
        "doubtful": [member(index) for index in doubtful.tolist()],
    }
