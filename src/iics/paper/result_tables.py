"""Our numbers beside the paper's: rows of runs and what they measured -> one table, as headings and cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from iics.evaluation.spread import Spread
from iics.paper import paper_results
from iics.paper.make_runs import Failures
from iics.paper.paper_results import DUKE, MARKET, MSMT17, PaperRow
from iics.paper.planned_runs import PlannedRow
from iics.paper.run_store import OTHER, RunStore
from iics.paper.variants import TargetName

METRICS = {"mean_ap": "mAP", "rank1": "rank-1", "rank5": "rank-5", "rank10": "rank-10"}
NOTHING = "-"
FAILED = "failed"

TITLES: dict[TargetName, str] = {
    "table1": "Table 1: what each stage and similarity does",
    "table2": "Table 2: normalisation",
    "table3": "Table 3: training with identities, within a data set and across",
    "table4": "Table 4: where AIBN stands, and who shares an alpha",
    "table5": "Table 5: cosine and re-ranked distance (the paper's IICS rows)",
    "table6": "Table 6: cosine and re-ranked distance (the paper's IICS rows)",
    "figure1": "Figure 1: the run whose features are shown",
    "figure3": "Figure 3: the runs whose similarities are shown",
    "figure4": "Figure 4: the weight mu of the score overlap in Eq. 5",
}
_PAPER_TABLES: dict[TargetName, Mapping[str, PaperRow]] = {
    "table1": paper_results.TABLE1,
    "table2": paper_results.TABLE2,
    "table4": paper_results.TABLE4,
    "table5": paper_results.TABLE5,
    "table6": paper_results.TABLE6,
    "figure4": paper_results.FIGURE4,
}


@dataclass(frozen=True)
class Score:
    """One metric over seeds, in percent.

    Attributes:
        values: One for each seed that is finished; at least one.
        num_seeds: Seeds asked for.
    """

    values: tuple[float, ...]
    num_seeds: int

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return Spread(self.values).mean

    @property
    def deviation(self) -> float | None:
        """Standard deviation over seeds (n - 1), None for one seed."""
        return Spread(self.values).deviation

    def __str__(self) -> str:
        """Return e.g. 64.1 for one seed, 64.1 ± 0.6 (2) for two, and 64.1 (1 of 2) while one is missing."""
        spread = "" if self.deviation is None else f" ± {self.deviation:.1f}"
        n = len(self.values)
        seeds = f" ({n} of {self.num_seeds})" if n < self.num_seeds else f" ({n})" if n > 1 else ""
        return f"{self.mean:.1f}{spread}{seeds}"


@dataclass(frozen=True)
class ResultRow:
    """A row.

    Attributes:
        label: Its name.
        ours: By our columns; None where no seed is finished.
        paper: By the paper's columns; None where the paper has no number.
        has_failed: Whether a run of the row failed.
    """

    label: str
    ours: tuple[Score | None, ...]
    paper: tuple[float | None, ...]
    has_failed: bool = False

    def cells(self) -> list[str]:
        """Return label, our numbers and the paper's as text."""
        missing = FAILED if self.has_failed else NOTHING
        ours = [missing if score is None else str(score) for score in self.ours]
        return [self.label, *ours, *(NOTHING if number is None else f"{number:.1f}" for number in self.paper)]


@dataclass(frozen=True)
class ResultTable:
    """A table, ready to be written.

    Attributes:
        name: Of its files.
        title: What it is.
        first_heading: Of the column of labels.
        columns: Headings of our numbers.
        paper_columns: Headings of the paper's.
        rows: In the paper's order.
        notes: Sentences below it.
    """

    name: str
    title: str
    first_heading: str
    columns: tuple[str, ...]
    paper_columns: tuple[str, ...]
    rows: tuple[ResultRow, ...]
    notes: tuple[str, ...] = ()

    @property
    def headings(self) -> list[str]:
        """Headings of all columns."""
        return [self.first_heading, *self.columns, *self.paper_columns]


def collect(
    target: TargetName,
    rows: Sequence[PlannedRow],
    store: RunStore,
    *,
    failures: Failures,
    notes: Sequence[str],
    data_name: str,
) -> ResultTable:
    """Return the table of a target with what is finished so far."""
    has_other = target == "table3"
    metrics = ("mean_ap", "rank1", "rank5", "rank10") if target in ("table5", "table6") else ("mean_ap", "rank1")
    keys = [*metrics, *(OTHER + metric for metric in metrics if has_other)]
    paper_columns, paper_numbers = _paper_side(target, [row.label for row in rows], metrics, data_name)
    order = (_ORDER_OF_SIDES.format(*_paper_sides(data_name)),) if has_other else ()
    return ResultTable(
        name=target,
        title=TITLES[target],
        first_heading="mu" if target == "figure4" else "trained on" if has_other else "",
        columns=tuple(_heading(key, has_other) for key in keys),
        paper_columns=tuple(paper_columns),
        rows=tuple(_row(*pair, keys, store, failures) for pair in zip(rows, paper_numbers, strict=True)),
        notes=(*notes, *order, *_reasons(rows, failures)),
    )


def _row(
    row: PlannedRow, paper: tuple[float | None, ...], keys: Sequence[str], store: RunStore, failures: Failures
) -> ResultRow:
    measured = [scores for run in row.runs if (scores := store.scores(run)) is not None]
    values = [tuple(100 * scores[key] for scores in measured if key in scores) for key in keys]
    ours = tuple(Score(found, len(row.runs)) if found else None for found in values)
    return ResultRow(row.label, ours, paper, has_failed=any(run.name in failures for run in row.runs))


def _reasons(rows: Sequence[PlannedRow], failures: Failures) -> list[str]:
    return [
        f"Failed: {row.label}, seed {run.settings.seed}: {failures[run.name]}"
        for row in rows
        for run in row.runs
        if run.name in failures
    ]


_ORDER_OF_SIDES = (
    "The paper's rows are those trained on {0} (the first two) and on {1}, tested on the same and the other."
)


def _heading(key: str, has_other: bool) -> str:
    metric = METRICS[key.removeprefix(OTHER)]
    where = "" if not has_other else " elsewhere" if key.startswith(OTHER) else " at home"
    return f"ours: {metric}{where}"


def _paper_sides(data_name: str) -> tuple[str, str]:
    return (DUKE, MARKET) if data_name == "dukemtmc" else (MARKET, DUKE)


def _paper_side(
    target: TargetName, labels: list[str], metrics: Sequence[str], data_name: str
) -> tuple[list[str], list[tuple[float | None, ...]]]:
    """Return headings and, for each row, the numbers that the paper has."""
    if target == "table3":
        sides = _paper_sides(data_name)
        headings = [f"paper: {METRICS[metric]} {where}" for where in ("at home", "elsewhere") for metric in metrics]
        numbers = [
            tuple(getattr(row[tested], metric) for tested in (home, elsewhere) for metric in metrics)
            for home, elsewhere in (sides, sides[::-1])
            for row in paper_results.TABLE3[home].values()
        ]
        return headings, [tuple(row) for row in numbers]
    if target not in _PAPER_TABLES:
        return [], [() for _ in labels]
    table, tested_on = _PAPER_TABLES[target], [MSMT17] if target == "table6" else [MARKET, DUKE]
    headings = [f"paper, {name}: {METRICS[metric]}" for name in tested_on for metric in metrics]
    return headings, [
        tuple(getattr(table.get(label, {}).get(name), metric, None) for name in tested_on for metric in metrics)
        for label in labels
    ]
