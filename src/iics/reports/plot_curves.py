"""Curves over the rounds of a run, for anything that has one number per round."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iics.reports.plot_style import COLOURS, DASHES, MARKERS, drawable, legend_above, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CURVES = len(COLOURS)
_MOST_MARKED = 25
_ROOM = 0.06  # of the axis, above the highest marker


@dataclass(frozen=True)
class Curve:
    """One number by round."""

    name: str
    rounds: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.rounds) != len(self.values):
            raise ValueError(f"{self.name}: {len(self.rounds)} rounds need as many values, got {len(self.values)}.")


def curves_figure(curves: Sequence[Curve], *, title: str, note: str, unit: str) -> Figure:
    """Draw curves against the round, on an axis that holds zero.

    Args:
        curves: One to seven, each with a value or more.
        title: What is shown.
        note: Data, how many, seed.
        unit: Of the values, on the axis.

    Raises:
        ValueError: If there are none, more than seven, or one without a value.
    """
    if not 1 <= len(curves) <= MOST_CURVES or not all(curve.rounds for curve in curves):
        raise ValueError(f"1 to {MOST_CURVES} curves, each with a value, can be told apart; got {len(curves)}.")
    with style():
        figure, (ax,) = new_figure(title, note)
        for curve, colour, dash, marker in zip(curves, COLOURS, DASHES, MARKERS, strict=False):
            shown = marker if len(curve.rounds) <= _MOST_MARKED else ""
            ax.plot(curve.rounds, curve.values, color=colour, linestyle=dash, marker=shown, label=drawable(curve.name))
        prepare_rounds(ax, curves, unit=unit)
        if len(curves) > 1:
            legend_above(ax)
    return figure


def prepare_rounds(ax: Axes, curves: Sequence[Curve], *, unit: str) -> None:
    """Give a panel the axes of its curves: rounds, and values from zero on."""
    from matplotlib.ticker import MultipleLocator

    rounds = [number for curve in curves for number in curve.rounds]
    ax.set_xlim(min(rounds) - 0.3, max(rounds) + 0.3)
    ax.xaxis.set_major_locator(MultipleLocator(max(1, round((max(rounds) - min(rounds)) / 8))))
    ax.set_ylim(*_limits([value for curve in curves for value in curve.values]))
    ax.set_xlabel("round")
    ax.set_ylabel(unit)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis that holds zero and every finite value, with room for its marker."""
    finite = [0.0, *(value for value in values if math.isfinite(value))]
    low, high = min(finite), max(finite)
    room = _ROOM * (high - low) or 1.0
    return (low - room if low < 0 else 0.0, high + room)
