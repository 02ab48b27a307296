"""A reproduction: the tables and figures asked for, the runs they need, and the files they become."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from iics.atomic import write_atomically
from iics.csv_text import csv_text
from iics.errors import DataError
from iics.paper.figure_data import figure1_features, figure3_histograms, save_arrays
from iics.paper.figures import SweepRow, draw_figure1, draw_figure3, draw_figure4
from iics.paper.make_runs import Failures
from iics.paper.planned_runs import PlannedRow, PlannedRun, distinct_runs, plan_rows
from iics.paper.result_tables import ResultTable, collect
from iics.paper.run_store import RunStore
from iics.paper.study import Study
from iics.paper.table_files import write_table
from iics.paper.variants import TargetName
from iics.regular_file import MOST_TABLE_BYTES, read_regular
from iics.reports.plot_similarities import kind_name
from iics.similarity.pair_histograms import KINDS_BY_IDENTITY

RUNS_CSV = "runs.csv"
_SCORES = (
    "mean_ap",
    "rank1",
    "rank5",
    "rank10",
    "mean_inp",
    "other_mean_ap",
    "other_rank1",
    "other_rank5",
    "other_rank10",
)
_RUN_HEADINGS = ["target", "row", "seed", "run", *_SCORES, "seconds"]


@dataclass(frozen=True, eq=False)
class Reproduction:
    """What was asked for.

    Attributes:
        study: What every table starts from.
        targets: Tables and figures.
        num_seeds: Seeds from 0.
        out: Folder for tables, figures and, in `runs`, the runs.
        notes_of: Notes below a target's table.
    """

    study: Study
    targets: tuple[TargetName, ...]
    num_seeds: int
    out: Path
    notes_of: Callable[[TargetName], tuple[str, ...]]
    rows: dict[TargetName, tuple[PlannedRow, ...]] = field(init=False)

    def __post_init__(self) -> None:
        rows = {target: plan_rows(target, self.study, num_seeds=self.num_seeds) for target in self.targets}
        object.__setattr__(self, "rows", rows)

    @property
    def store(self) -> RunStore:
        """Where the runs lie."""
        return RunStore(self.out / "runs")

    def runs(self) -> list[PlannedRun]:
        """Return every run that is needed, once, seed by seed."""
        return distinct_runs(row for rows in self.rows.values() for row in rows)

    def targets_of(self, run: PlannedRun) -> list[TargetName]:
        """Return which targets need a run."""
        return [
            target
            for target, rows in self.rows.items()
            if any(run.name == planned.name for row in rows for planned in row.runs)
        ]

    def tables(self, failures: Failures) -> list[ResultTable]:
        """Return the tables of all targets with what is finished so far."""
        name = self.study.splits.name
        return [
            collect(target, rows, self.store, failures=failures, notes=self.notes_of(target), data_name=name)
            for target, rows in self.rows.items()
        ]

    def write_tables(self, failures: Failures) -> None:
        """Write every table, and the scores of every finished run, into `out`, which is there.

        Raises:
            WriteError: If a file cannot be written.
        """
        for table in self.tables(failures):
            write_table(table, self.out)
        self._write_runs()

    def write_figures(self, failures: Failures) -> list[ResultTable]:
        """Write and draw Fig. 1, 3 and 4 where their runs are finished, and return all tables, with notes.

        Raises:
            WriteError: If a file cannot be written.
        """
        tables = []
        for target, table in zip(self.rows, self.tables(failures), strict=True):
            tables.append(replace(table, notes=(*self._figure_notes(target), *table.notes)))
            write_table(tables[-1], self.out)
        return tables

    def _figure_notes(self, target: TargetName) -> Sequence[str]:
        """Write and draw Fig. 1 or 3, of seed 0, or Fig. 4; return what they say, nothing for other targets."""
        data, picture = self.study.splits.to_train_on().name, self.out / target
        if target == "figure4":
            drawn = draw_figure4(self._sweep(), picture, data=data)
            return (f"Drawn in {', '.join(file.name for file in drawn)}.",) if drawn else ()
        runs = [row.runs[0] for row in self.rows[target]]
        if target not in ("figure1", "figure3") or any(self.store.scores(run) is None for run in runs):
            return ()
        file = self.out / f"{target}.npz"
        if target == "figure1":
            features = figure1_features(runs[0], self.store)
            save_arrays(file, features)
            draw_figure1(features, picture, data=data)
            return (
                f"{file.name} holds the features of {len(features.before)} training crops, before and after (seed 0).",
            )
        histograms = figure3_histograms(runs[0], runs[1], self.store)
        save_arrays(file, histograms)
        draw_figure3(histograms, picture, data=data)
        lines = [
            f"Mean cosine similarity {moment}: "
            + "; ".join(f"{kind_name(kind)} {mean:.3f}" for kind, mean in zip(KINDS_BY_IDENTITY, means, strict=True))
            + "."
            for moment, means in zip(histograms.moments, histograms.means.tolist(), strict=True)
        ]
        return (f"{file.name} holds the histograms (seed 0).", *lines)

    def _sweep(self) -> list[SweepRow]:
        """Return what every finished run of Fig. 4 reached."""
        runs = [run for row in self.rows["figure4"] for run in row.runs]
        scores = [(run, self.store.scores(run)) for run in runs]
        return [
            SweepRow(
                mu=0.0 if run.settings.stage2.similarity == "cnn" else run.settings.stage2.mu,
                seed=run.settings.seed,
                mean_ap=found["mean_ap"],
                rank1=found["rank1"],
            )
            for run, found in scores
            if found is not None
        ]

    def _write_runs(self) -> None:
        """Write the scores of every run; rows of targets that were asked for another time stay as they are."""
        file = self.out / RUNS_CSV
        lines = [line for line in self._earlier_lines(file) if line[0] not in self.rows]
        for target, rows in self.rows.items():
            lines += [[target, row.label, *self._run_cells(run)] for row in rows for run in row.runs]
        write_atomically(file, csv_text([_RUN_HEADINGS, *lines]))

    def _run_cells(self, run: PlannedRun) -> list[str]:
        scores = self.store.scores(run) or {}
        cells = ["" if name not in scores else f"{100 * scores[name]:.3f}" for name in _SCORES]
        return [str(run.settings.seed), run.name, *cells, f"{self.store.seconds(run):.0f}"]

    @staticmethod
    def _earlier_lines(file: Path) -> list[list[str]]:
        """Return the rows of an earlier call; none if there is no such file, or it has other columns."""
        if not file.is_file():
            return []
        try:
            text = read_regular(file, most_bytes=MOST_TABLE_BYTES).decode(errors="surrogateescape")
            headings, *lines = [line for line in csv.reader(io.StringIO(text, newline="")) if line] or [[]]
        except (OSError, csv.Error) as error:
            raise DataError(f"Cannot read {file}: {error}. Move it away; it is written anew.") from error
        return lines if headings == _RUN_HEADINGS else []
