"""A picture of a run's report, and pictures made from curves of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from iics.arrays import DoubleArray
from iics.reports.plot_curves import MOST_CURVES, Curve, curves_figure
from iics.reports.plot_style import GREY, drawable_name, new_figure, style
from iics.reports.told_run import ToldRun

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PERCENT = 100
ACCURACY, CLUSTERS, PAIRS, TRAINING = "Accuracy", "Clusters", "Similarity of pairs", "Training"
"""The headings that pictures stand under."""
_SHADES = "cividis"  # evenly brighter, for colour-blind readers and in grey
_MOST_WRITTEN = 12  # rows of a matrix whose numbers are written into their cells


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

    @property
    def title(self) -> str:
        """What it shows; no two pictures of a report have the same."""
        return " ".join(self.figure.get_suptitle().split())

    @property
    def file_name(self) -> str:
        """Its title as the name of a file, without an ending."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def figures_of_curves(
    run: ToldRun, section: str, curves: Sequence[Curve], *, title: str, unit: str, caption: str
) -> Iterator[ReportFigure]:
    """Yield the figure of the curves that have values, if any; several figures if there are too many for one."""
    kept = [curve for curve in curves if curve.values]
    for start in range(0, len(kept), MOST_CURVES):
        numbered = f"{title} ({start // MOST_CURVES + 1})" if start else title
        figure = curves_figure(kept[start : start + MOST_CURVES], title=numbered, note=note_of(run), unit=unit)
        yield ReportFigure(section, figure, "" if start else caption)


def note_of(run: ToldRun) -> str:
    """Return what stands below each picture: data, how many crops, seed."""
    crops, seed = run.data.get("num_crops", "?"), run.settings.get("seed", "?")
    return f"{run.data_name}, {crops} crops trained on, seed {seed}."


def alpha_figure(alpha: DoubleArray, *, blocks: Sequence[str], rounds: Sequence[int], note: str) -> Figure:
    """Draw alpha (Eq. 12), as it is used, of each block (rows, from input to output) in each round (columns).

    Args:
        alpha: Drawn clamped to [0, 1]. Shape (blocks, rounds).
        blocks: Their names.
        rounds: Their numbers.
        note: Data, how many, seed.
    """
    with style():
        figure, (ax,) = new_figure("Alpha: 1 is batch, 0 instance normalisation", note)
        height = max(figure.get_figheight(), 1.5 + 0.16 * len(blocks))
        figure.set_figheight(height)
        ax.grid(visible=False)
        image = ax.imshow(np.clip(alpha, 0, 1), aspect="auto", cmap=_SHADES, vmin=0, vmax=1, interpolation="nearest")
        ax.set_yticks(range(len(blocks)), [drawable_name(name) for name in blocks], fontsize=7)
        step = max(1, -(-len(rounds) // 8))
        ax.set_xticks(range(0, len(rounds), step), [str(number) for number in rounds[::step]])
        ax.set_xlabel("round")
        figure.colorbar(image, ax=ax, shrink=0.9)
    return figure


def camera_pairs_figure(matrix: DoubleArray, *, cameras: Sequence[str], title: str, note: str) -> Figure:
    """Draw a percentage for each camera of a query (rows) against each camera of the gallery (columns).

    Args:
        matrix: Fractions in [0, 1]; NaN where nothing can be scored, which stays white. Shape (C, C).
        cameras: Their names.
        title: What is shown.
        note: Data, how many, seed.
    """
    if matrix.shape != (len(cameras), len(cameras)):
        raise ValueError(f"{len(cameras)} cameras need a matrix of as many rows and columns, got {matrix.shape}.")
    with style():
        figure, (ax,) = new_figure(title, note)
        figure.set_figheight(3.9)
        ax.grid(visible=False)
        image = ax.imshow(100 * matrix, cmap=_SHADES, vmin=0, vmax=100)
        names = [drawable_name(name) for name in cameras]
        ax.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 3 else 0, fontsize=7)
        ax.set_yticks(range(len(names)), names, fontsize=7)
        ax.set_xlabel("camera of the gallery")
        ax.set_ylabel("camera of the query")
        if len(cameras) <= _MOST_WRITTEN:
            _write_numbers(ax, matrix)
        figure.colorbar(image, ax=ax, shrink=0.9, label="%")
    return figure


def _write_numbers(ax: Axes, matrix: DoubleArray) -> None:
    for (row, column), value in np.ndenumerate(matrix):
        if np.isnan(value):
            ax.text(column, row, "-", ha="center", va="center", color=GREY, fontsize=7)
        else:
            shade = "black" if value > 0.55 else "white"
            ax.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=shade, fontsize=7)
