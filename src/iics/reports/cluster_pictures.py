"""A report's pictures of clusters: how many, how large, how cameras mix in them, how stable and how right they are."""

from __future__ import annotations

from collections.abc import Iterator

from iics.reports.picture import CLUSTERS, PERCENT, ReportFigure, figure_of_curves, note_of, number_at
from iics.reports.plot_cluster_sizes import cluster_sizes_figure
from iics.reports.reported_run import NumberOf, Record, ReportedRun, at, over_cameras

_LABELS = ("stage2", "pseudo_labels")
_AGREEMENT = {
    "adjusted_rand_index": "ARI",
    "normalized_mutual_information": "NMI",
    "pairwise_precision": "pairwise precision",
    "pairwise_recall": "pairwise recall",
}


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
