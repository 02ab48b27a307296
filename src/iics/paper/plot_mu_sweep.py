"""Fig. 4: mAP and rank-1 against mu, the weight of the score overlap in Eq. 5; mean and deviation over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from iics.reports.plot_style import BLUE, VERMILLION, legend_above, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_TICKS = 5  # numbers like 0.025 touch each other beyond


@dataclass(frozen=True)
class SweepRow:
    """One run of the sweep.

    Attributes:
        mu: Weight of the overlap in the first round.
        seed: Of the run.
        mean_ap: As a fraction.
        rank1: As a fraction.
    """

    mu: float
    seed: int
    mean_ap: float
    rank1: float


def mu_sweep_figure(rows: Sequence[SweepRow], *, data: str) -> Figure:
    """Draw mAP and rank-1 against mu: a dot a run, a line through the means, bars of one standard deviation (n - 1).

    Args:
        rows: At least one run; several seeds a mu or one.
        data: What was trained and tested on.

    Raises:
        ValueError: If there are no rows.
    """
    if not rows:
        raise ValueError("A sweep needs at least one run, got none.")
    from matplotlib.ticker import MaxNLocator

    weights = sorted({row.mu for row in rows})
    seeds = sorted({row.seed for row in rows})
    runs = "1 run" if len(rows) == 1 else f"{len(rows)} runs"
    note = f"{data}: {runs}, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    note += "; mean and standard deviation over seeds." if len(seeds) > 1 else "."
    with style():
        figure, (ax,) = new_figure("Accuracy by weight of the score overlap", note)
        for name, label, colour, dash, marker in (
            ("rank1", "rank-1", VERMILLION, "--", "s"),
            ("mean_ap", "mAP", BLUE, "-", "o"),
        ):
            values = [np.array([100 * getattr(row, name) for row in rows if row.mu == mu]) for mu in weights]
            means = [float(value.mean()) for value in values]
            # A bar of no height would look like a deviation of none.
            deviations = [float(value.std(ddof=1)) if len(value) > 1 else np.nan for value in values]
            bars = None if np.isnan(deviations).all() else deviations
            ax.errorbar(weights, means, yerr=bars, color=colour, linestyle=dash, marker=marker, capsize=3, label=label)
            ax.scatter(
                [row.mu for row in rows], [100 * getattr(row, name) for row in rows], s=8, color=colour, alpha=0.5
            )
        ax.xaxis.set_major_locator(MaxNLocator(_MOST_TICKS))
        ax.set_xlabel("mu")
        ax.set_ylabel("%")
        legend_above(ax)
    return figure
