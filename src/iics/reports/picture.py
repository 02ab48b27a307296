"""A picture of a run's report, and how curves of a run become one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iics.reports.plot_curves import Curve, curves_figure
from iics.reports.reported_run import NumberOf, Record, ReportedRun, number

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


def figure_of_curves(
    run: ReportedRun, section: str, curves: Sequence[Curve], *, title: str, unit: str, caption: str
) -> Iterator[ReportFigure]:
    """Yield the figure of those curves that have values, if any has."""
    kept = [curve for curve in curves if curve.values]
    if kept:
        yield ReportFigure(section, curves_figure(kept, title=title, note=note_of(run), unit=unit), caption)


def number_at(*path: str) -> NumberOf:
    """Return what reads the number at a place in a record, None where it is missing."""

    def number_of(record: Record) -> float | None:
        return number(record, *path)

    return number_of


def note_of(run: ReportedRun) -> str:
    """Return what stands below each picture: data, how many crops, seed."""
    return (
        f"{run.data.get('name', 'unknown data')}, {run.data.get('num_crops', '?')} crops trained on, "
        f"seed {run.settings.get('seed', '?')}."
    )
