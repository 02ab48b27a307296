"""The paper's figures from the numbers of a reproduction: Fig. 1, 3 and 4 as SVG, PDF and PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from iics.paper.figure_data import CameraFeatures, SimilarityHistograms
from iics.paper.plot_mu_sweep import SweepRow, mu_sweep_figure
from iics.paper.plot_tsne import TsnePanel, choose_crops, tsne_figure, tsne_points
from iics.reports.plot_similarities import SimilarityPanel, similarity_figure
from iics.reports.plot_style import save_figure
from iics.similarity.pair_histograms import KINDS_BY_IDENTITY

FEWEST_CROPS = 5
"""t-SNE has no layout for fewer."""


def draw_figure1(features: CameraFeatures, path: Path, *, data: str, seed: int = 0) -> list[Path]:
    """Draw t-SNE of features by camera, before training and after; nothing for fewer than 5 crops.

    Args:
        features: What is projected; of many crops a random choice.
        path: Without an ending.
        data: What the crops are.
        seed: Of choice and layout.

    Returns:
        The files.

    Raises:
        WriteError: If they cannot be written.
    """
    chosen = choose_crops(len(features.camera_ids), seed=seed)
    if len(chosen) < FEWEST_CROPS:
        return []
    moments = {"before training": features.before, "after training": features.after}
    panels = [
        TsnePanel(title, tsne_points(values[chosen], seed=seed), features.camera_ids[chosen])
        for title, values in moments.items()
    ]
    return save_figure(tsne_figure(panels, camera_names=features.camera_names, data=data, seed=seed), path)


def draw_figure3(histograms: SimilarityHistograms, path: Path, *, data: str, seed: int = 0) -> list[Path]:
    """Draw the similarities of the four kinds of pairs at three moments; see `draw_figure1`."""
    panels = [
        SimilarityPanel(moment, histograms.edges, dict(zip(KINDS_BY_IDENTITY, counts, strict=True)))
        for moment, counts in zip(histograms.moments, histograms.counts, strict=True)
    ]
    note = f"{data}: {int(histograms.counts[0].sum()):,} pairs, {histograms.num_sampled} crops with all; seed {seed}."
    return save_figure(similarity_figure(panels, note=note), path)


def draw_figure4(rows: Sequence[SweepRow], path: Path, *, data: str) -> list[Path]:
    """Draw mAP and rank-1 against mu, over seeds; nothing without rows; see `draw_figure1`."""
    return save_figure(mu_sweep_figure(rows, data=data), path) if rows else []
