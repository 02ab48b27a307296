"""Which pictures a run's report holds, with a sentence that says how to read each. What a run lacks is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from iics.reports.cluster_pictures import cluster_figures
from iics.reports.picture import (
    ACCURACY,
    PAIRS,
    PERCENT,
    TRAINING,
    ReportFigure,
    alpha_figure,
    camera_pairs_figure,
    figure_of_curves,
    note_of,
    number_at,
)
from iics.reports.plot_curves import curves_figure
from iics.reports.plot_similarities import SimilarityPanel, filled_range, similarity_figure
from iics.reports.reported_run import Record, ReportedRun, at, number
from iics.similarity.pair_histograms import KINDS_BY_CAMERA, KINDS_BY_IDENTITY


def run_figures(run: ReportedRun) -> list[ReportFigure]:
    """Return the pictures of a run, section by section."""
    return [*_accuracy(run), *cluster_figures(run), *_pairs(run), *_training(run)]


def _accuracy(run: ReportedRun) -> Iterator[ReportFigure]:
    keys = {"mean_ap": "mAP", "rank1": "rank-1", "rank5": "rank-5", "rank10": "rank-10"}
    curves = [run.curve(name, number_at("evaluation", key), scale=PERCENT) for key, name in keys.items()]
    curves = [curve for curve in curves if curve.values]
    if curves:
        counts = [number(record, "evaluation", "num_queries") for record in run.records]
        counted = [count for count in counts if count]
        queries = f"{counted[-1]:.0f} queries, " if counted else ""
        yield ReportFigure(
            ACCURACY,
            curves_figure(curves, title="Accuracy by round", note=queries + note_of(run), unit="%"),
            "Rank-1: share of queries whose first answer is right. mAP: also counts how high the other right answers "
            "stand. Round 0 is before training.",
        )
    if run.camera_pairs is not None:
        pairs = run.camera_pairs
        for matrix, name in ((pairs.rank1, "Rank-1"), (pairs.mean_ap, "mAP")):
            title = f"{name} by pair of cameras"
            yield ReportFigure(
                ACCURACY,
                camera_pairs_figure(matrix, cameras=pairs.cameras, title=title, note=note_of(run)),
                "Each row is a camera of the query, each column the only camera searched. Dark fields are pairs of "
                "cameras between which people are lost.",
            )


def _pairs(run: ReportedRun) -> Iterator[ReportFigure]:
    """Yield Fig. 3 of this run: by camera for everybody, by identity too where there are identities."""
    for kinds, how, caption in (
        (
            KINDS_BY_CAMERA,
            "by camera",
            "Pairs of crops by whether one camera took both. What lies between the curves is mostly the camera's "
            "doing, for few pairs are of one person: the closer they are, the less a camera shows in the features.",
        ),
        (
            KINDS_BY_IDENTITY,
            "by person",
            "The same pairs by identity (Fig. 3 of the paper). Training should move the pairs of one person to the "
            "right of all others, also across cameras.",
        ),
    ):
        panels = [
            (SimilarityPanel.from_record(similarity, moment, kinds), similarity["num_sampled"])
            for moment, similarity in _moments(run)
            if "num_sampled" in similarity
            and all(at(similarity, "pairs", kind, "counts") is not None for kind in kinds)
        ]
        limits = filled_range([panel for panel, _ in panels])
        for at_panel, (panel, num_sampled) in enumerate(panels):
            note = f"{num_sampled} crops against all; {note_of(run)}"
            figure = similarity_figure([panel], title=f"Pairs {how}, {panel.title}", note=note, limits=limits)
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
        run.curve("stage 2", number_at("stage2", "loss")),
        run.curve("stage 2, triplet", number_at("stage2", "triplet")),
        run.curve("supervised", number_at("supervised", "loss")),
    ]
    caption = (
        "Mean over the steps of a round. It should fall, though more clusters raise it: heads are new in every stage."
    )
    yield from figure_of_curves(run, TRAINING, losses, title="Loss by round", unit="loss", caption=caption)
    taken = [
        run.curve("stage 2", number_at("stage2", "accuracy"), scale=PERCENT),
        run.curve("supervised", number_at("supervised", "accuracy"), scale=PERCENT),
    ]
    title = "Crops taken for their own label"
    caption = "While training, with crops augmented. Near 100 % there is nothing left to learn from these labels."
    yield from figure_of_curves(run, TRAINING, taken, title=title, unit="%", caption=caption)
    yield from _alpha(run)


def _alpha(run: ReportedRun) -> Iterator[ReportFigure]:
    with_alpha = [record for record in run.records if record.get("alpha")]
    if with_alpha:
        blocks = list(with_alpha[-1]["alpha"])
        with_alpha = [record for record in with_alpha if list(record["alpha"]) == blocks]
        alpha = np.array([[at(record, "alpha", block) for record in with_alpha] for block in blocks], dtype=np.float64)
        rounds = [int(record["round"]) for record in with_alpha]
        yield ReportFigure(
            TRAINING,
            alpha_figure(alpha, blocks=blocks, rounds=rounds, note=note_of(run)),
            "How each block normalises (Eq. 12), from input (top) to output: bright by the statistics of its batch, "
            "dark by those of each crop. All start at 0.5.",
        )


def _loss_by_camera(record: Record) -> float | None:
    """Return the loss of stage 1, a sum over cameras, for one camera."""
    loss, cameras = at(record, "stage1", "loss"), at(record, "stage1", "pseudo_labels")
    return None if loss is None or not cameras else loss / len(cameras)
