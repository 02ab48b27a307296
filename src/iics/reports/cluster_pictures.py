"""A report's pictures of clusters: how many, how large, how cameras mix in them, how stable and how right they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from iics.arrays import IntArray
from iics.reports.picture import CLUSTERS, PERCENT, ReportFigure, figure_of_curves, note_of, number_at
from iics.reports.plot_style import BLUE, ORANGE, legend_above, new_figure, style
from iics.reports.reported_run import NumberOf, Record, ReportedRun, at, over_cameras

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOOKS = ((BLUE, ""), (ORANGE, "//"))
_LABELS = ("stage2", "pseudo_labels")
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


def cluster_figures(run: ReportedRun) -> Iterator[ReportFigure]:
    """Yield the pictures of clusters; those of agreement with identities only where there are identities."""
    yield from _numbers(run)
    yield from _sizes(run)
    yield from _mixing(run)
    yield from _stability(run)
    yield from _agreement(run)


def _numbers(run: ReportedRun) -> Iterator[ReportFigure]:
    counts = [
        run.curve("all cameras", number_at(*_LABELS, "num_clusters")),
        run.curve("all cameras, of one crop", number_at(*_LABELS, "num_singletons")),
        run.curve("within a camera, mean", _over_cameras("num_clusters")),
        run.curve("within a camera, of one crop", _over_cameras("num_singletons")),
    ]
    caption = (
        "Each cluster stands for a person. Their number should settle near that of the people; clusters of one crop "
        "teach little."
    )
    yield from figure_of_curves(run, CLUSTERS, counts, title="Clusters by round", unit="clusters", caption=caption)


def _sizes(run: ReportedRun) -> Iterator[ReportFigure]:
    sized = [record for record in run.trained if at(record, *_LABELS, "size_counts")]
    if sized:
        shown = [sized[0], sized[-1]] if len(sized) > 1 else sized
        moments = {f"round {record['round']}": at(record, *_LABELS, "size_counts") for record in shown}
        yield ReportFigure(
            CLUSTERS,
            cluster_sizes_figure(moments, title="Sizes of clusters over all cameras", note=note_of(run)),
            "A few very large clusters mean that people were thrown together, a tall first bar that crops were left "
            "alone.",
        )


def _mixing(run: ReportedRun) -> Iterator[ReportFigure]:
    mixing = [
        run.curve("mix of cameras in a cluster", number_at(*_LABELS, "camera_entropy_normalized"), scale=PERCENT),
        run.curve("clusters of two cameras or more", _share_across, scale=PERCENT),
        run.curve("crops in the largest cluster", number_at(*_LABELS, "largest_share"), scale=PERCENT),
    ]
    caption = (
        "The mix is the entropy of the cameras in a cluster, in % of the most there could be. Near 0, clusters follow "
        "cameras and not people."
    )
    yield from figure_of_curves(run, CLUSTERS, mixing, title="Cameras within clusters", unit="%", caption=caption)


def _stability(run: ReportedRun) -> Iterator[ReportFigure]:
    stability = [
        run.curve("all cameras", number_at("stage2", "stability", "adjusted_rand_index")),
        run.curve("within a camera, mean", number_at("stage1", "stability", "adjusted_rand_index")),
    ]
    unit = "ARI with the round before"
    caption = (
        "Agreement of a round's clusters with those of the round before: 1 the same, 0 unrelated. It should rise. "
        "Needs no identities."
    )
    yield from figure_of_curves(run, CLUSTERS, stability, title="Stability of clusters", unit=unit, caption=caption)


def _agreement(run: ReportedRun) -> Iterator[ReportFigure]:
    caption = (
        "Precision: of the pairs in one cluster, how many are one person. Recall: of the pairs of one person, how many "
        "are in one cluster. Only measured; nothing is learned from identities."
    )
    for where, numbers in (
        ("all cameras", {key: number_at(*_LABELS, key) for key in _AGREEMENT}),
        ("within a camera", {key: _over_cameras(key) for key in _AGREEMENT}),
    ):
        curves = [run.curve(_AGREEMENT[key], number_of) for key, number_of in numbers.items()]
        title = f"Agreement with identities, {where}"
        yield from figure_of_curves(run, CLUSTERS, curves, title=title, unit="", caption=caption)


def _over_cameras(key: str) -> NumberOf:
    return lambda record: over_cameras(record, key)


def _share_across(record: Record) -> float | None:
    across = at(record, *_LABELS, "num_across_cameras")
    return None if across is None else across / at(record, *_LABELS, "num_clusters")
