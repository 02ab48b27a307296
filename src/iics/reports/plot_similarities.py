"""Fig. 3: how similar pairs of crops are, by kind of pair, at several moments of training.

The paper stretches each panel to [0, 1]; here all panels share the axis of the cosine, so that they can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from iics.arrays import DoubleArray, IntArray
from iics.reports.plot_style import BLUE, GREEN, ORANGE, VERMILLION, legend_above, new_figure, style
from iics.runs.record import SimilarityRecord
from iics.similarity.pair_histograms import bin_edges, counts_of_all_bins

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOOKS: dict[str, tuple[str, str, str]] = {  # label, colour near the paper's, dash
    "same_camera": ("same camera", BLUE, "-"),
    "other_camera": ("other camera", VERMILLION, "--"),
    "same_identity_same_camera": ("same person, same camera", BLUE, "-"),
    "same_identity_other_camera": ("same person, other camera", VERMILLION, "--"),
    "other_identity_same_camera": ("other person, same camera", ORANGE, "-."),
    "other_identity_other_camera": ("other person, other camera", GREEN, ":"),
}


@dataclass(frozen=True, eq=False)
class SimilarityPanel:
    """Histograms at one moment.

    Attributes:
        title: The moment, e.g. "after stage 1".
        edges: Ends of the bins. Shape (b + 1,).
        counts: By kind of pair (`KINDS_BY_IDENTITY` or `KINDS_BY_CAMERA`), pairs in each bin. Shape (b,) each.
    """

    title: str
    edges: DoubleArray
    counts: Mapping[str, IntArray]

    def __post_init__(self) -> None:
        for kind, counts in self.counts.items():
            if kind not in _LOOKS:
                raise ValueError(f"Kinds of pairs are {', '.join(_LOOKS)}; got {kind}.")
            if len(counts) != len(self.edges) - 1:
                raise ValueError(f"{len(counts)} bins of {kind} need one edge more, got {len(self.edges)}.")

    @classmethod
    def from_record(cls, similarity: SimilarityRecord, title: str, kinds: Sequence[str]) -> SimilarityPanel:
        """Return the panel of what a stage recorded."""
        return cls(title, bin_edges(), {kind: counts_of_all_bins(similarity.counts[kind]) for kind in kinds})


def similarity_figure(
    panels: Sequence[SimilarityPanel],
    *,
    note: str,
    title: str = "Similarity of pairs",
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Draw the histograms of each moment side by side; each kind's area is 1, on one axis of the cosine.

    Args:
        panels: The moments, in order.
        note: Data, how many crops were compared, seed.
        title: What is shown; where there is one panel, its title is left to it.
        limits: Ends of the axis; None takes what is filled in these panels.
    """
    with style():
        figure, axes = new_figure(title, note, panels=len(panels))
        low, high = limits or filled_range(panels)
        for ax, panel in zip(axes, panels, strict=True):
            if len(panels) > 1:
                ax.set_title(panel.title, fontsize=9)
            ax.set_xlim(low, high)
            ax.set_xlabel("cosine")
            ax.set_yticks([])
            _draw(ax, panel)
        axes[0].set_ylabel("share of pairs")
        if len(panels) == 1:
            legend_above(axes[0])
        else:
            figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")
    return figure


def _draw(ax: Axes, panel: SimilarityPanel) -> None:
    widths = np.diff(panel.edges)
    for kind, counts in panel.counts.items():
        label, colour, dash = _LOOKS[kind]
        density = counts / max(1, counts.sum()) / widths
        ax.stairs(density, panel.edges, color=colour, linestyle=dash, linewidth=1.4, label=label)
        ax.stairs(density, panel.edges, color=colour, alpha=0.12, fill=True)


def kind_name(kind: str) -> str:
    """Return what a kind of pairs is called, e.g. "same person, other camera"."""
    return _LOOKS[kind][0]


def filled_range(panels: Sequence[SimilarityPanel]) -> tuple[float, float]:
    """Return the ends of what is not empty in any panel, with a bin to spare."""
    lows, highs = [], []
    for panel in panels:
        for counts in panel.counts.values():
            filled = np.flatnonzero(counts)
            if len(filled):
                lows.append(panel.edges[filled[0]])
                highs.append(panel.edges[filled[-1] + 1])
    return (float(min(lows)) - 0.02, float(max(highs)) + 0.02) if lows else (-1.0, 1.0)
