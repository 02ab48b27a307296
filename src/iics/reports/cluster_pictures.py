"""A report's pictures of clusters: number, sizes, camera mix, stability, agreement with identities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from iics.arrays import IntArray
from iics.reports.picture import CLUSTERS, PERCENT, ReportFigure, figures_of_curves, note_of
from iics.reports.plot_style import BLUE, ORANGE, legend_above, new_figure, style
from iics.reports.told_run import Clustering, NumberOf, ToldRun
from iics.runs.record import RoundRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOOKS = ((BLUE, ""), (ORANGE, "//"))
_AGREEMENT = {
    "adjusted_rand_index": "ARI",
    "normalized_mutual_information": "NMI",
    "pairwise_precision": "pairwise precision",
    "pairwise_recall": "pairwise recall",
}


def size_groups(size_counts: Sequence[Sequence[int]], num_groups: int) -> IntArray:
    """Return how many clusters fall into each group of sizes: 1, 2, 3-4, 5-8, ..., doubling. Shape (num_groups,).

    Args:
        size_counts: Pairs (size, clusters of that size), sizes from 1.
        num_groups: As many as the largest size needs.
    """
    pairs = np.array(size_counts, dtype=np.int64).reshape(-1, 2)
    groups = np.ceil(np.log2(pairs[:, 0])).astype(np.int64)
    counts: IntArray = np.bincount(groups, weights=pairs[:, 1], minlength=num_groups).astype(np.int64)
    return counts


def cluster_sizes_figure(moments: Mapping[str, Sequence[Sequence[int]]], *, title: str, note: str) -> Figure:
    """Draw bars: how many clusters there are of each group of sizes.

    Args:
        moments: One or two: name, e.g. "round 1", and pairs (size, clusters of that size).
        title: What is shown.
        note: Data, how many, seed.
    """
    largest = max(size for pairs in moments.values() for size, _ in pairs)
    num_groups = int(np.ceil(np.log2(largest))) + 1
    width = 0.8 / len(moments)
    with style():
        figure, (ax,) = new_figure(title, note)
        for at, ((name, pairs), (colour, hatch)) in enumerate(zip(moments.items(), _LOOKS, strict=False)):
            places = np.arange(num_groups) + (at - (len(moments) - 1) / 2) * width
            ax.bar(
                places, size_groups(pairs, num_groups), width, color=colour, hatch=hatch, edgecolor="white", label=name
            )
        names = ["1", "2", *(f"{2 ** (group - 1) + 1}-{2**group}" for group in range(2, num_groups))]
        ax.set_xticks(range(num_groups), names[:num_groups], rotation=30 if num_groups > 7 else 0)
        ax.grid(visible=False, axis="x")
        ax.set_xlabel("crops in a cluster")
        ax.set_ylabel("clusters")
        if len(moments) > 1:
            legend_above(ax)
    return figure


def cluster_figures(run: ToldRun) -> Iterator[ReportFigure]:
    """Yield the pictures of clusters; those of agreement with identities only where there are identities."""
    clusterings = sorted(run.clusterings, key=lambda one: one.in_cameras)  # over all cameras first
    yield from _numbers(run, clusterings)
    for one in run.over_all_cameras:
        yield from _sizes(run, one)
    yield from _mixing(run)
    yield from _stability(run, clusterings)
    for one in clusterings:
        yield from _agreement(run, one)


def _numbers(run: ToldRun, clusterings: list[Clustering]) -> Iterator[ReportFigure]:
    counts = [
        run.curve(name, one.number(key))
        for one in clusterings
        for name, key in ((_mean(one), "num_clusters"), (f"{one.where}, of one crop", "num_singletons"))
    ]
    caption = (
        "Each cluster stands for a person. Their number should settle near that of the people; clusters of one crop "
        "teach little."
    )
    yield from figures_of_curves(run, CLUSTERS, counts, title="Clusters by round", unit="clusters", caption=caption)


def _sizes(run: ToldRun, one: Clustering) -> Iterator[ReportFigure]:
    found = {record.number: one.clusters(record) for record in run.trained}
    sized = [(f"round {number}", of.size_counts) for number, of in found.items() if of is not None and of.size_counts]
    if sized:
        moments = dict([sized[0], sized[-1]])
        title = f"Sizes of clusters over {one.where}"
        yield ReportFigure(
            CLUSTERS,
            cluster_sizes_figure(moments, title=title, note=note_of(run)),
            "A few very large clusters mean that people were thrown together, a tall first bar that crops were left "
            "alone.",
        )


def _mixing(run: ToldRun) -> Iterator[ReportFigure]:
    mixing = [
        run.curve(name + one.suffix, number_of, scale=PERCENT)
        for one in run.over_all_cameras
        for name, number_of in (
            ("camera mix", one.number("camera_entropy_normalized")),
            ("clusters that span cameras", _share_across(one)),
            ("crops in the largest cluster", one.number("largest_share")),
            ("crops with a cluster", one.number("labelled_share")),
        )
    ]
    caption = (
        "Of the training clusters. Camera mix: entropy of the cameras in a cluster, in % of the most there could be; "
        "near 0, clusters follow cameras and not people. Clusters that span cameras: of those with two crops or more. "
        f"They were made by {run.training_similarity}; iics evaluate tells of cosine clusters, whose numbers differ."
    )
    title = "Cameras within clusters"
    if run.num_cameras == 1:
        title, caption = "Crops within clusters", f"Of the training clusters, made by {run.training_similarity}."
    yield from figures_of_curves(run, CLUSTERS, mixing, title=title, unit="%", caption=caption)


def _stability(run: ToldRun, clusterings: list[Clustering]) -> Iterator[ReportFigure]:
    stability = [run.curve(_mean(one), one.stability) for one in clusterings]
    unit = "ARI with the round before"
    caption = (
        "Agreement of a round's clusters with those of the round before: 1 the same, 0 unrelated. It should rise. "
        "Needs no identities."
    )
    yield from figures_of_curves(run, CLUSTERS, stability, title="Stability of clusters", unit=unit, caption=caption)


def _agreement(run: ToldRun, one: Clustering) -> Iterator[ReportFigure]:
    curves = [run.curve(name, one.number(key)) for key, name in _AGREEMENT.items()]
    title = f"Agreement with identities, {one.where}"
    caption = (
        "Precision: of the pairs in one cluster, how many are one person. Recall: of the pairs of one person, how many "
        "are in one cluster. Only measured; nothing is learned from identities."
    )
    yield from figures_of_curves(run, CLUSTERS, curves, title=title, unit="", caption=caption)


def _mean(one: Clustering) -> str:
    return f"{one.where}, mean" if one.in_cameras else one.where


def _share_across(one: Clustering) -> NumberOf:
    def share(record: RoundRecord) -> float | None:
        found = one.clusters(record)
        if found is None or found.num_across_cameras is None or one.is_one_camera:
            return None
        num_larger = (found.num_clusters or 0) - (found.num_singletons or 0)  # one crop alone spans nothing
        return found.num_across_cameras / num_larger if num_larger > 0 else None

    return share
