"""Fig. 1: features laid out in the plane by t-SNE, coloured by camera. Features that mix cameras lie mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from iics.arrays import FloatArray, IntArray
from iics.reports.plot_style import COLOURS, MARKERS, drawable_name, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MAX_CROPS = 2000
_MIN_CROPS = 5
_PERPLEXITY = 30.0


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

    if len(features) < _MIN_CROPS:
        raise ValueError(f"t-SNE needs at least {_MIN_CROPS} crops, got {len(features)}.")
    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    points: FloatArray = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(features)
    return points


def tsne_figure(panels: Sequence[TsnePanel], *, camera_names: Sequence[str], data: str, seed: int) -> Figure:
    """Draw layouts side by side, a colour and a marker for each camera.

    Args:
        panels: E.g. before and after training.
        camera_names: Name of each camera.
        data: What the crops are, e.g. "people-dev train".
        seed: Of the layouts and the choice of crops.
    """
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
