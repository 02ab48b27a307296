"""One number by round of several runs in one figure: a thin line each, and their mean as a thick one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from iics.reports.plot_curves import MOST_CURVES, Curve, prepare_rounds
from iics.reports.plot_style import COLOURS, DASHES, INK, drawable, legend_above, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def seeds_figure(curves: Sequence[Curve], *, title: str, note: str, unit: str) -> Figure:
    """Draw a curve for each run, and their mean over the rounds that all of them have.

    Args:
        curves: One or more, each with a value; beyond seven, colours repeat and the legend names the mean alone.
        title: What is shown.
        note: Data, how many, seeds.
        unit: Of the values, on the axis.
    """
    with style():
        figure, (ax,) = new_figure(title, note)
        for at, curve in enumerate(curves):
            colour, dash = COLOURS[at % MOST_CURVES], DASHES[at % MOST_CURVES]
            name = drawable(curve.name) if len(curves) < MOST_CURVES else None
            ax.plot(curve.rounds, curve.values, color=colour, linestyle=dash, linewidth=0.9, marker=".", label=name)
        mean = mean_curve(curves)
        if len(curves) > 1 and mean.rounds:
            ax.plot(mean.rounds, mean.values, color=INK, linewidth=2.4, label=mean.name)
        prepare_rounds(ax, curves, unit=unit)
        if len(curves) > 1:
            legend_above(ax)
    return figure


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """Return the mean of curves over the rounds that all of them have."""
    by_round = [dict(zip(curve.rounds, curve.values, strict=True)) for curve in curves]
    common = sorted(set.intersection(*(set(values) for values in by_round)))
    means = (sum(values[number] for values in by_round) / len(by_round) for number in common)
    return Curve("mean", tuple(common), tuple(means))
