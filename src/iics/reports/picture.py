"""A picture of a run's report, and how curves of a run become one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iics.reports.plot_curves import MOST_CURVES, Curve, curves_figure
from iics.reports.told_run import ToldRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PERCENT = 100
ACCURACY, CLUSTERS, PAIRS, TRAINING = "Accuracy", "Clusters", "Similarity of pairs", "Training"
"""The headings that pictures stand under."""


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
    """Yield the figure of those curves that have values, if any has; several of more than can be told apart in one."""
    kept = [curve for curve in curves if curve.values]
    for start in range(0, len(kept), MOST_CURVES):
        numbered = f"{title} ({start // MOST_CURVES + 1})" if start else title
        figure = curves_figure(kept[start : start + MOST_CURVES], title=numbered, note=note_of(run), unit=unit)
        yield ReportFigure(section, figure, "" if start else caption)


def note_of(run: ToldRun) -> str:
    """Return what stands below each picture: data, how many crops, seed."""
    crops, seed = run.data.get("num_crops", "?"), run.settings.get("seed", "?")
    return f"{run.data_name}, {crops} crops trained on, seed {seed}."
