"""Which pictures a run's report holds, with a sentence that says how to read each. What a run lacks is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from iics.experiments.figures_clusters import cluster_sizes_figure
from iics.experiments.figures_matrix import alpha_figure, camera_pairs_figure
from iics.experiments.figures_rounds import Curve, curves_figure
from iics.experiments.figures_similarity import SimilarityPanel, filled_range, similarity_figure
from iics.experiments.report_run import NumberOf, Record, ReportedRun, at, over_cameras
from iics.similarity.pair_histograms import KINDS_BY_CAMERA, KINDS_BY_IDENTITY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PERCENT = 100
ACCURACY, CLUSTERS, PAIRS, TRAINING = "Accuracy", "Clusters", "Similarity of pairs", "Training"
_AGREEMENT = {
    "adjusted_rand_index": "ARI",
    "normalized_mutual_information": "NMI",
    "pairwise_precision": "pairwise precision",
    "pairwise_recall": "pairwise recall",
}


@dataclass(frozen=True, eq=False)
class ReportFigure:
    """A picture of a report.

    Attributes:
        section: Heading it stands under.
        figure: The picture.
        caption: How to read it; empty below another picture of the kind.
    """

    section: str
    figure: Figure
    caption: str


def run_figures(run: ReportedRun) -> list[ReportFigure]:
    """Return the pictures of a run, section by section."""
    return [*_accuracy(run), *_clusters(run), *_pairs(run), *_training(run)]


def _accuracy(run: ReportedRun) -> Iterator[ReportFigure]:
    keys = {"mean_ap": "mAP", "rank1": "rank-1", "rank5": "rank-5", "rank10": "rank-10"}
    curves = [run.curve(name, _number("evaluation", key), scale=PERCENT) for key, name in keys.items()]
    if any(curve.values for curve in curves):
        measured = [record for record in run.records if at(record, "evaluation", "num_queries")]
        queries = f"{at(measured[-1], 'evaluation', 'num_queries')} queries, " if measured else ""
        yield ReportFigure(
            ACCURACY,
            curves_figure(curves, title="Accuracy by round", note=queries + _note(run), unit="%"),
            "Rank-1: share of queries whose first answer is right. mAP: also counts how high the other right answers "
            "stand. Round 0 is before training.",
        )
    if run.camera_pairs is not None:
        pairs = run.camera_pairs
        for matrix, name in ((pairs.rank1, "Rank-1"), (pairs.mean_ap, "mAP")):
            title = f"{name} by pair of cameras"
            yield ReportFigure(
                ACCURACY,
                camera_pairs_figure(matrix, cameras=pairs.cameras, title=title, note=_note(run)),
                "Each row is a camera of the query, each column the only camera searched. Dark fields are pairs of "
                "cameras between which people are lost.",
            )


def _clusters(run: ReportedRun) -> Iterator[ReportFigure]:
    labels = ("stage2", "pseudo_labels")
    counts = [
        run.curve("all cameras", _number(*labels, "num_clusters")),
        run.curve("all cameras, of one crop", _number(*labels, "num_singletons")),
        run.curve("within a camera, mean", lambda record: over_cameras(record, "num_clusters")),
        run.curve("within a camera, of one crop", lambda record: over_cameras(record, "num_singletons")),
    ]
    yield from _curves(
        run,
        CLUSTERS,
        counts,
        "Clusters by round",
        "clusters",
        "Each cluster stands for a person. Their number should settle near that of the people; clusters of one "
        "crop teach little.",
    )
    sized = [record for record in run.trained if at(record, *labels, "size_counts")]
    if sized:
        shown = [sized[0], sized[-1]] if len(sized) > 1 else sized
        moments = {f"round {record['round']}": at(record, *labels, "size_counts") for record in shown}
        yield ReportFigure(
            CLUSTERS,
            cluster_sizes_figure(moments, title="Sizes of clusters over all cameras", note=_note(run)),
            "A few very large clusters mean that people were thrown together, a tall first bar that crops "
            "were left alone.",
        )
    mixing = [
        run.curve("mix of cameras in a cluster", _number(*labels, "camera_entropy_normalized"), scale=PERCENT),
        run.curve("clusters of two cameras or more", _share_across, scale=PERCENT),
        run.curve("crops in the largest cluster", _number(*labels, "largest_share"), scale=PERCENT),
    ]
    yield from _curves(
        run,
        CLUSTERS,
        mixing,
        "Cameras within clusters",
        "%",
        "The mix is the entropy of the cameras in a cluster, in % of the most there could be. Near 0, clusters follow "
        "cameras and not people.",
    )
    stability = [
        run.curve("all cameras", _number("stage2", "stability", "adjusted_rand_index")),
        run.curve("within a camera, mean", _number("stage1", "stability", "adjusted_rand_index")),
    ]
    yield from _curves(
        run,
        CLUSTERS,
        stability,
        "Stability of clusters",
        "ARI with the round before",
        "Agreement of a round's clusters with those of the round before: 1 the same, 0 unrelated. It should rise. "
        "Needs no identities.",
    )
    for title, numbers in (
        ("Agreement with identities, all cameras", {key: _number(*labels, key) for key in _AGREEMENT}),
        ("Agreement with identities, within a camera", {key: _over_cameras(key) for key in _AGREEMENT}),
    ):
        curves = [run.curve(_AGREEMENT[key], number_of) for key, number_of in numbers.items()]
        yield from _curves(
            run,
            CLUSTERS,
            curves,
            title,
            "",
            "Precision: of the pairs in one cluster, how many are one person. Recall: of the pairs of one person, how "
            "many are in one cluster. Only measured; nothing is learned from identities.",
        )


def _pairs(run: ReportedRun) -> Iterator[ReportFigure]:
    """Yield Fig. 3 of this run: by camera for everybody, by identity too where there are identities."""
    for kinds, caption in (
        (
            KINDS_BY_CAMERA,
            "Pairs of crops by whether one camera took both. What lies between the curves is mostly the camera's "
            "doing, for few pairs are of one person: the closer they are, the less a camera shows in the features.",
        ),
        (
            KINDS_BY_IDENTITY,
            "The same pairs by identity (Fig. 3 of the paper). Training should move the pairs of one person to the "
            "right of all others, also across cameras.",
        ),
    ):
        panels = [
            (SimilarityPanel.from_record(similarity, moment, kinds), similarity["num_sampled"])
            for moment, similarity in _moments(run)
            if all(kind in similarity["pairs"] for kind in kinds)
        ]
        limits = filled_range([panel for panel, _ in panels])
        for at_panel, (panel, num_sampled) in enumerate(panels):
            note = f"{num_sampled} crops against all; {_note(run)}"
            figure = similarity_figure([panel], title=f"Pairs, {panel.title}", note=note, limits=limits)
            yield ReportFigure(PAIRS, figure, "" if at_panel else caption)


def _moments(run: ReportedRun) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield up to three moments that were recorded, and their similarities: first, after stage 1, last."""
    records = [record for record in run.trained if _similarity(record)]
    if records:
        first, last = records[0], records[-1]
        moments = [(first, "stage1"), (first, "stage2"), (last, "stage1"), (last, "stage2")]
        when = {"stage1": "before stage 1", "stage2": "before stage 2"}
        found = {
            f"{when[stage]} of round {record['round']}": at(record, stage, "similarity") for record, stage in moments
        }
        shown = [(name, similarity) for name, similarity in found.items() if similarity is not None]
        yield from [*shown[:2], *shown[2:][-1:]]


def _similarity(record: Record) -> bool:
    return any(at(record, stage, "similarity") is not None for stage in ("stage1", "stage2"))


def _training(run: ReportedRun) -> Iterator[ReportFigure]:
    losses = [
        run.curve("stage 1, for each camera", _loss_by_camera),
        run.curve("stage 2", _number("stage2", "loss")),
        run.curve("stage 2, triplet", _number("stage2", "triplet")),
        run.curve("supervised", _number("supervised", "loss")),
    ]
    yield from _curves(
        run,
        TRAINING,
        losses,
        "Loss by round",
        "loss",
        "Mean over the steps of a round. It should fall, though more clusters raise it: heads are new in every stage.",
    )
    taken = [
        run.curve("stage 2", _number("stage2", "accuracy"), scale=PERCENT),
        run.curve("supervised", _number("supervised", "accuracy"), scale=PERCENT),
    ]
    yield from _curves(
        run,
        TRAINING,
        taken,
        "Crops taken for their own label",
        "%",
        "While training, with crops augmented. Near 100 % there is nothing left to learn from these labels.",
    )
    with_alpha = [record for record in run.records if record.get("alpha")]
    if with_alpha:
        blocks = list(with_alpha[-1]["alpha"])
        alpha = np.array([[at(record, "alpha", block) for record in with_alpha] for block in blocks], dtype=np.float64)
        rounds = [int(record["round"]) for record in with_alpha]
        yield ReportFigure(
            TRAINING,
            alpha_figure(alpha, blocks=blocks, rounds=rounds, note=_note(run)),
            "How each block normalises (Eq. 12), from input (top) to output: bright by the statistics of its batch, "
            "dark by those of each crop. All start at 0.5.",
        )


def _curves(
    run: ReportedRun, section: str, curves: Sequence[Curve], title: str, unit: str, caption: str
) -> Iterator[ReportFigure]:
    """Yield the figure of those curves that have values, if any has."""
    kept = [curve for curve in curves if curve.values]
    if kept:
        yield ReportFigure(section, curves_figure(kept, title=title, note=_note(run), unit=unit), caption)


def _number(*path: str) -> NumberOf:
    def number_of(record: Record) -> float | None:
        value: float | None = at(record, *path)
        return value

    return number_of


def _over_cameras(key: str) -> NumberOf:
    return lambda record: over_cameras(record, key)


def _share_across(record: Record) -> float | None:
    across = at(record, "stage2", "pseudo_labels", "num_across_cameras")
    return None if across is None else across / at(record, "stage2", "pseudo_labels", "num_clusters")


def _loss_by_camera(record: Record) -> float | None:
    """Return the loss of stage 1, a sum over cameras, for one camera."""
    loss, cameras = at(record, "stage1", "loss"), at(record, "stage1", "pseudo_labels")
    return None if loss is None or not cameras else loss / len(cameras)


def _note(run: ReportedRun) -> str:
    return (
        f"{run.data.get('name', 'unknown data')}, {run.data.get('num_crops', '?')} crops trained on, "
        f"seed {run.settings.get('seed', '?')}."
    )
