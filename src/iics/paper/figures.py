"""The paper's figures from the numbers of a reproduction: Fig. 1, 3 and 4 as SVG, PDF and PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from iics.arrays import FloatArray, IntArray
from iics.paper.figure_data import CameraFeatures, SimilarityHistograms
from iics.reports.plot_similarities import SimilarityPanel, similarity_figure
from iics.reports.plot_style import (
    BLUE,
    COLOURS,
    MARKERS,
    VERMILLION,
    drawable_name,
    legend_above,
    new_figure,
    save_figure,
    style,
)
from iics.similarity.pair_histograms import KINDS_BY_IDENTITY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_TICKS = 5  # numbers like 0.025 touch each other beyond
MAX_CROPS = 2000
FEWEST_CROPS = 5
"""t-SNE has no layout for fewer."""
_PERPLEXITY = 30.0


def draw_figure1(features: CameraFeatures, path: Path, *, data: str) -> list[Path]:
    """Draw t-SNE of features by camera, before training and after; nothing for fewer than 5 crops.

    Args:
        features: What is projected; of more than 2,000 crops a random choice.
        path: Without an ending.
        data: What the crops are.

    Raises:
        WriteError: If they cannot be written.
    """
    chosen = choose_crops(len(features.camera_ids))
    if len(chosen) < FEWEST_CROPS:
        return []
    moments = {"before training": features.before, "after training": features.after}
    panels = [
        TsnePanel(title, tsne_points(values[chosen]), features.camera_ids[chosen]) for title, values in moments.items()
    ]
    return save_figure(tsne_figure(panels, camera_names=features.camera_names, data=data, seed=0), path)


def draw_figure3(histograms: SimilarityHistograms, path: Path, *, data: str) -> list[Path]:
    """Draw the similarities of the four kinds of pairs at three moments; see `draw_figure1`."""
    panels = [
        SimilarityPanel(moment, histograms.edges, dict(zip(KINDS_BY_IDENTITY, counts, strict=True)))
        for moment, counts in zip(histograms.moments, histograms.counts, strict=True)
    ]
    note = f"{data}: {int(histograms.counts[0].sum()):,} pairs, {histograms.num_sampled} crops with all; seed 0."
    return save_figure(similarity_figure(panels, note=note), path)


def draw_figure4(rows: Sequence[SweepRow], path: Path, *, data: str) -> list[Path]:
    """Draw mAP and rank-1 against mu, over seeds; nothing without rows; see `draw_figure1`."""
    return save_figure(mu_sweep_figure(rows, data=data), path) if rows else []


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


@dataclass(frozen=True, eq=False)
class TsnePanel:
    """One layout.

    Attributes:
        title: Which features, e.g. "before training".
        points: Places in the plane. Shape (m, 2).
        camera_ids: Camera of each point. Shape (m,).
    """

    title: str
    points: FloatArray
    camera_ids: IntArray

    def __post_init__(self) -> None:
        if self.points.shape != (len(self.camera_ids), 2):
            raise ValueError(
                f"{len(self.camera_ids)} cameras need as many points in the plane, got {self.points.shape}."
            )


def choose_crops(num_crops: int, *, max_crops: int = MAX_CROPS, seed: int = 0) -> IntArray:
    """Return at most `max_crops` random crops, ascending: the same ones for features before and after training."""
    chosen: IntArray = np.sort(np.random.default_rng(seed).permutation(num_crops)[:max_crops])
    return chosen


def tsne_points(features: FloatArray, *, seed: int = 0) -> FloatArray:
    """Return a layout of features in the plane (van der Maaten and Hinton, 2008); some 20 s for 2,000 crops.

    Args:
        features: L2-normalised rows. Shape (n, d).
        seed: Of the layout. The start is the first two principal components.

    Returns:
        Shape (n, 2).

    Raises:
        ValueError: If there are fewer than 5 crops.
    """
    from sklearn.manifold import TSNE

    if len(features) < FEWEST_CROPS:
        raise ValueError(f"t-SNE needs at least {FEWEST_CROPS} crops, got {len(features)}.")
    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    points: FloatArray = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(features)
    return points


def tsne_figure(panels: Sequence[TsnePanel], *, camera_names: Sequence[str], data: str, seed: int) -> Figure:
    """Draw layouts side by side, a colour and a marker for each camera."""
    counts = sorted({len(panel.points) for panel in panels})
    note = f"{data}: t-SNE of {' and '.join(f'{count:,}' for count in counts)} crops, seed {seed}."
    with style():
        figure, axes = new_figure("Features by camera", note, panels=len(panels))
        for ax, panel in zip(axes, panels, strict=True):
            ax.set_title(panel.title, fontsize=9)
            ax.set_xticks([])
            ax.set_yticks([])
            ax.set_aspect("equal", adjustable="datalim")
            for camera, name in enumerate(camera_names):
                points = panel.points[panel.camera_ids == camera]
                # The marker changes at another pace than the colour: 49 cameras differ in one or the other.
                marker = MARKERS[(camera + camera // len(COLOURS)) % len(MARKERS)]
                colour = COLOURS[camera % len(COLOURS)]
                ax.scatter(
                    points[:, 0],
                    points[:, 1],
                    s=7,
                    c=colour,
                    marker=marker,
                    linewidths=0,
                    alpha=0.75,
                    label=drawable_name(name),
                )
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", title="camera", markerscale=2)
    return figure
