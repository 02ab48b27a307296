"""Numbers in a grid, as shades with a scale: alpha of each block by round (Eq. 12), and camera against camera."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from iics.arrays import DoubleArray
from iics.reports.plot_style import GREY, drawable_name, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_SHADES = "cividis"  # evenly brighter, for colour-blind readers and in grey
_MOST_WRITTEN = 12  # rows of a matrix whose numbers are written into their cells


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
