"""The pictures of a run's report, each with a sentence on how to read it; those without numbers are left out."""

from __future__ import annotations

from collections.abc import Iterator

from iics.reports.camera_pairs_file import CameraPairMatrices
from iics.reports.cluster_pictures import cluster_figures
from iics.reports.picture import ACCURACY, PAIRS, PERCENT, ReportFigure, camera_pairs_figure, note_of
from iics.reports.plot_curves import curves_figure
from iics.reports.plot_similarities import SimilarityPanel, filled_range, similarity_figure
from iics.reports.told_run import ToldRun, score_of
from iics.reports.training_pictures import training_figures
from iics.runs.record import SimilarityRecord, stage_title
from iics.similarity.pair_histograms import KINDS_BY_CAMERA, KINDS_BY_IDENTITY


def run_figures(run: ToldRun, camera_pairs: CameraPairMatrices | None = None) -> list[ReportFigure]:
    """Return the pictures of a run, section by section; `camera_pairs`, if there is one, is drawn with the accuracy."""
    return [
        *_accuracy(run),
        *_camera_pairs(run, camera_pairs),
        *cluster_figures(run),
        *_pairs(run),
        *training_figures(run),
    ]


def _accuracy(run: ToldRun) -> Iterator[ReportFigure]:
    keys = {"mean_ap": "mAP", "rank1": "rank-1", "rank5": "rank-5", "rank10": "rank-10"}
    curves = [run.curve(name, score_of(key), scale=PERCENT) for key, name in keys.items()]
    curves = [curve for curve in curves if curve.values]
    if curves:
        counts = [count for record in run.records if (count := record.scores.get("num_queries"))]
        queries = f"{counts[-1]:.0f} queries, " if counts else ""
        yield ReportFigure(
            ACCURACY,
            curves_figure(curves, title="Accuracy by round", note=queries + note_of(run), unit="%"),
            "Rank-1: share of queries whose first answer is right. mAP: also counts how high the other right answers "
            "stand. Round 0 is before training.",
        )


def _camera_pairs(run: ToldRun, pairs: CameraPairMatrices | None) -> Iterator[ReportFigure]:
    if pairs is not None:
        for matrix, name in ((pairs.rank1, "Rank-1"), (pairs.mean_ap, "mAP")):
            title = f"{name} by pair of cameras"
            yield ReportFigure(
                ACCURACY,
                camera_pairs_figure(matrix, cameras=pairs.cameras, title=title, note=note_of(run)),
                "Each row is a camera of the query, each column the only camera searched. Dark fields are pairs of "
                "cameras between which people are lost.",
            )


def _pairs(run: ToldRun) -> Iterator[ReportFigure]:
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
        own_kinds = list(kinds)
        if run.num_cameras == 1:
            if kinds is KINDS_BY_CAMERA:
                continue  # one curve, of all pairs alike
            own_kinds = [kind for kind in kinds if kind.endswith("_same_camera")]
            caption = "Pairs of crops by identity. Training should move the pairs of one person to the right of others."
        panels = [
            (SimilarityPanel.from_record(similarity, moment, own_kinds), similarity.num_sampled)
            for moment, similarity in _moments(run)
            if similarity.num_sampled is not None and similarity.counts.keys() >= set(kinds)
        ]
        limits = filled_range([panel for panel, _ in panels])
        for at_panel, (panel, num_sampled) in enumerate(panels):
            note = f"{num_sampled} crops against all; {note_of(run)}"
            figure = similarity_figure([panel], title=f"Pairs {how}, {panel.title}", note=note, limits=limits)
            yield ReportFigure(PAIRS, figure, "" if at_panel else caption)


def _moments(run: ToldRun) -> Iterator[tuple[str, SimilarityRecord]]:
    """Yield up to three moments that were recorded, and their similarities: first, after a stage, last."""
    compared = [record for record in run.trained if any(stage.similarity for stage in record.stages.values())]
    shown = {
        f"before {stage_title(name)} of round {record.number}": stage.similarity
        for record in (*compared[:1], *compared[-1:])
        for name, stage in record.stages.items()
        if stage.similarity is not None
    }
    moments = [*shown.items()]
    yield from [*moments[:2], *moments[2:][-1:]]
