"""report.html of runs that differ in their seed alone: a table of them with mean and deviation, and their curves.

A `SeedRuns` in, text out that needs neither network nor scripts. Each run has a report of its own in its run folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from iics.atomic import write_atomically
from iics.evaluation.spread import SCORES, Row, Spread, in_percent
from iics.reports.picture import ACCURACY, CLUSTERS, PERCENT, TRAINING, ReportFigure
from iics.reports.plot_seeds import seeds_figure
from iics.reports.plot_style import save_figure
from iics.reports.report import REPORT, embedded, page_of
from iics.reports.report_tables import Table, duration
from iics.reports.told_run import NumberOf, ToldRun, score_of, setting_text
from iics.runs.seed_runs import SeedRuns
from iics.settings_json import leaves

_TEMPLATE = "seeds_template.html"


@dataclass(frozen=True, eq=False)
class ToldSeeds:
    """What is told of runs of several seeds: each run that has begun, as its own report tells it."""

    runs: SeedRuns
    told: tuple[tuple[int, ToldRun], ...]

    @classmethod
    def read(cls, folder: Path) -> ToldSeeds:
        """Read a folder of seeds, also of runs at work.

        Raises:
            RunFolderError: If it is none, or something in one of its runs cannot be read.
        """
        runs = SeedRuns.read(folder)
        return cls(runs, tuple((run.seed, ToldRun.read(run.folder)) for run in runs.runs if run.state != "to do"))


def write_seeds_report(folder: Path, out: Path | None = None) -> Path:
    """Write the report of a folder of seeds; return the file, by default report.html in the folder.

    Raises:
        RunFolderError: If it is no such folder, or something in it cannot be read.
        WriteError: If the report cannot be written.
    """
    path = out or folder / REPORT
    write_atomically(path, seeds_html(ToldSeeds.read(folder)).encode(errors="replace"))
    return path


def write_seeds_figures(folder: Path, out: Path) -> list[Path]:
    """Write every picture of the report of a folder of seeds as SVG, PDF and PNG; return the files."""
    figures = list(seeds_figures(ToldSeeds.read(folder)))
    return [file for drawn in figures for file in save_figure(drawn.figure, out / drawn.file_name)]


def seeds_html(seeds: ToldSeeds) -> str:
    """Return the page of runs of several seeds."""
    runs = seeds.runs
    count = len(runs.seeds)
    shown = [(name, setting_text(value) or "-") for name, value in leaves(runs.settings) if name != "seed"]
    return page_of(
        _TEMPLATE,
        kind="IICS runs of several seeds",
        name=runs.folder.absolute().name,
        data=seeds.told[0][1].data_name if seeds.told else "no run has begun",
        progress=f"{len(runs.finished)} of {count} {'seed' if count == 1 else 'seeds'} finished",
        tiles=list(_tiles(runs)),
        notes=list(_notes(runs)),
        runs=_run_table(seeds),
        sections=embedded(list(seeds_figures(seeds))),
        settings=shown,
    )


def seeds_figures(seeds: ToldSeeds) -> Iterator[ReportFigure]:
    """Yield one figure for each number that the runs recorded by round: scores, losses, clusters."""
    runs = [run for _, run in seeds.told]
    losses = {stage: run.loss_of(stage) for run in runs for stage in run.stages}
    clusterings = {one.suffix: one for run in runs for one in run.over_all_cameras}
    wanted: list[tuple[str, str, NumberOf, float, str]] = [
        *((ACCURACY, f"{SCORES[key]} by round and seed", score_of(key), PERCENT, "%") for key in ("mean_ap", "rank1")),
        *(
            (CLUSTERS, f"Clusters{suffix} by round and seed", one.number("num_clusters"), 1, "clusters")
            for suffix, one in clusterings.items()
        ),
        *(
            (TRAINING, f"Loss of {title} by round and seed", number_of, 1, "loss")
            for title, number_of in losses.values()
        ),
    ]
    for section, title, number_of, scale, unit in wanted:
        curves = [run.curve(f"seed {seed}", number_of, scale=scale) for seed, run in seeds.told]
        curves = [curve for curve in curves if curve.values]
        if curves:
            figure = seeds_figure(curves, title=title, note=_note_of(seeds), unit=unit)
            yield ReportFigure(section, figure, "The thick line is the mean over the seeds, of rounds that all have.")


def _note_of(seeds: ToldSeeds) -> str:
    first = seeds.told[0][1]
    numbers = ", ".join(str(seed) for seed, _ in seeds.told)
    return f"{first.data_name}, {first.data.get('num_crops', '?')} crops trained on, seeds {numbers}."


def _tiles(runs: SeedRuns) -> Iterator[tuple[str, str]]:
    for key, name in (("mean_ap", "mAP"), ("rank1", "rank-1")):
        spread = runs.spread(key)
        if spread is not None:
            yield name, f"{_mean_and_deviation([100 * value for value in spread.values])} %"
    yield "seeds", ", ".join(map(str, runs.seeds))


def _notes(runs: SeedRuns) -> Iterator[str]:
    """Yield what the reader must know of the means below: who is not in them, and that two seeds are few."""
    missing = [run for run in runs.runs if not run.is_finished]
    if missing:
        told = "; ".join(
            f"seed {run.seed}: {'in training' if run.state == 'started' else run.state}" for run in missing
        )
        yield f"Not finished, and in no mean: {told}. Go on with: iics train --resume {runs.folder}"
    if len(runs.finished) == 2:
        yield "Two seeds tell little of how far others would spread: a deviation of two has one degree of freedom."


def _run_table(seeds: ToldSeeds) -> Table:
    """Return scores, last loss, clusters and time of each run, and their mean and deviation over finished runs."""
    told, runs = dict(seeds.told), seeds.runs.runs
    names = [key for key in SCORES if any(key in run.scores for run in runs)]
    losses = {stage: run.loss_of(stage) for run in told.values() for stage in run.stages}
    clusterings = {one.suffix: one for run in told.values() for one in run.over_all_cameras}
    numbers: list[tuple[str, NumberOf]] = [
        *((f"loss, {title}", number_of) for title, number_of in losses.values()),
        *((f"clusters{suffix}", one.number("num_clusters")) for suffix, one in clusterings.items()),
    ]
    shown = [in_percent] * len(names) + [_text] * len(numbers)
    rows: list[Row] = []
    columns: list[list[float]] = [[] for _ in shown]
    for run in runs:
        last = run.records[-1] if run.records else None
        found = [100 * run.scores[key] if key in run.scores else None for key in names]
        found += [None if last is None else number_of(last) for _, number_of in numbers]
        seconds = sum(record.all_seconds for record in run.records)
        cells = (text(value) for text, value in zip(shown, found, strict=True))
        rows.append((f"seed {run.seed}", f"{last.number if last else 0}", *cells, duration(seconds)))
        for column, value in zip(columns, found, strict=True):
            if value is not None and run.is_finished:
                column.append(value)
    spread = tuple(_mean_and_deviation(column, text) for column, text in zip(columns, shown, strict=True))
    rows.append(("mean ± standard deviation", "", *spread, ""))
    headings = ("run", "rounds", *(f"{SCORES[key]} %" for key in names), *(name for name, _ in numbers), "time")
    return Table(headings, tuple(rows))


def _mean_and_deviation(values: Sequence[float], text: Callable[[float | None], str] = in_percent) -> str:
    """Return e.g. 64.1 ± 0.6; the mean alone of one value, and - of none."""
    if not values:
        return "-"
    spread = Spread(tuple(values))
    return text(spread.mean) + ("" if spread.deviation is None else f" ± {text(spread.deviation)}")


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
