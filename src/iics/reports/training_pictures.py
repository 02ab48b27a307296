"""A report's pictures of training: every number that a stage recorded by name, and the alphas (Eq. 12).

What a loss names is drawn without further code: "loss" and "triplet" of all stages in one picture, "accuracy" in one,
everything else in a third.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from iics.reports.picture import PERCENT, TRAINING, ReportFigure, alpha_figure, figures_of_curves, note_of
from iics.reports.plot_curves import Curve
from iics.reports.told_run import ToldRun, term_of
from iics.runs.record import stage_title

_LOSSES, _ACCURACY = ("loss", "triplet"), "accuracy"
_TOLD_OTHERWISE = {
    ("stage2", "cross_entropy"),  # the loss less the weighted triplet
    ("stage2", "mu"),  # follows from the settings
    ("supervised", "cross_entropy"),
    ("supervised", "triplet"),
    ("supervised", "num_identities"),  # of the data
}
"""Terms of the paper's own stages that need no curve; those of other stages all have one."""


def training_figures(run: ToldRun) -> Iterator[ReportFigure]:
    """Yield the pictures of losses, accuracies, other terms and alpha."""
    drawn = [(stage, name) for stage in run.stages for name in _names(run, stage)]
    caption = (
        "Mean over the steps of a round. It should fall, though more clusters raise it: heads are new in every stage."
    )
    losses = [_loss_curve(run, stage, name) for stage, name in drawn if name in _LOSSES]
    yield from figures_of_curves(run, TRAINING, losses, title="Loss by round", unit="loss", caption=caption)
    title = "Crops taken for their own label"
    caption = "While training, with crops augmented. Near 100 % there is nothing left to learn from these labels."
    taken = [
        run.curve(stage_title(stage), term_of(stage, name), scale=PERCENT) for stage, name in drawn if name == _ACCURACY
    ]
    yield from figures_of_curves(run, TRAINING, taken, title=title, unit="%", caption=caption)
    others = [
        run.curve(f"{stage_title(stage)}, {name}", term_of(stage, name))
        for stage, name in drawn
        if name not in (*_LOSSES, _ACCURACY)
    ]
    caption = "What else a stage recorded, by the names that its method gave it."
    yield from figures_of_curves(run, TRAINING, others, title="Other terms by round", unit="value", caption=caption)
    yield from _alpha(run)


def _names(run: ToldRun, stage: str) -> list[str]:
    """Return the names of a stage's terms that have a curve, the losses first."""
    terms = [record.stages[stage].terms for record in run.records if stage in record.stages]
    names = dict.fromkeys(name for found in terms for name in found)
    return sorted((name for name in names if (stage, name) not in _TOLD_OTHERWISE), key=lambda name: name != "loss")


def _loss_curve(run: ToldRun, stage: str, name: str) -> Curve:
    if name != "loss":
        return run.curve(f"{stage_title(stage)}, {name}", term_of(stage, name))
    return run.curve(*run.loss_of(stage))


def _alpha(run: ToldRun) -> Iterator[ReportFigure]:
    with_alpha = [record for record in run.records if record.alpha]
    if with_alpha:
        blocks = list(with_alpha[-1].alpha)
        with_alpha = [record for record in with_alpha if list(record.alpha) == blocks]
        alpha = np.array([[record.alpha[block] for record in with_alpha] for block in blocks], dtype=np.float64)
        yield ReportFigure(
            TRAINING,
            alpha_figure(alpha, blocks=blocks, rounds=[record.number for record in with_alpha], note=note_of(run)),
            "How each block normalises (Eq. 12), from input (top) to output: bright by the statistics of its batch, "
            "dark by those of each crop. All start at 0.5.",
        )
