"""What `iics reproduce` prints: a table with the paper's numbers, and the list of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from iics.cli.machine import console
from iics.progress_display import count_of, format_seconds
from iics.shown_name import shown

if TYPE_CHECKING:
    from iics.paper.planned_runs import PlannedRun
    from iics.paper.reproduction import Reproduction
    from iics.paper.result_tables import ResultTable


def print_table(table: ResultTable) -> None:
    """Print a table and its notes."""
    drawn = Table()
    for at, heading in enumerate(table.headings):
        style = "dim" if at > len(table.columns) else None
        drawn.add_column(escape(shown(heading)), justify="right" if at else "left", style=style)
    for row in table.rows:
        drawn.add_row(*(escape(shown(cell)) for cell in row.cells()))
    to = console()
    to.print(shown(table.title), markup=False, highlight=False)
    to.print(drawn)
    for note in table.notes:
        to.print(f"- {shown(note)}", markup=False, highlight=False)
    to.print()


def print_runs(reproduction: Reproduction) -> None:
    """Print which runs are needed, how far they are, and how long the rest may take."""
    store, runs = reproduction.store, reproduction.runs()
    states = [store.state(run) for run in runs]
    drawn = Table()
    for heading in ("run", "state", "trained for", "needed by"):
        drawn.add_column(heading, overflow="fold")
    for run, state in zip(runs, states, strict=True):
        seconds = format_seconds(store.seconds(run)) if state != "to do" else ""
        drawn.add_row(escape(shown(run.name)), state, seconds, ", ".join(reproduction.targets_of(run)))
    to = console()
    to.print(f"Runs in {shown(store.path)}", markup=False, highlight=False, soft_wrap=True)
    to.print(drawn)
    to.print(_summary(reproduction, runs), markup=False, highlight=False, soft_wrap=True)


def _summary(reproduction: Reproduction, runs: list[PlannedRun]) -> str:
    """Return counts and, from the mean of the finished runs, the time left."""
    store = reproduction.store
    finished = [run for run in runs if store.state(run) == "finished"]
    left = [run for run in runs if store.state(run) != "finished"]
    text = f"{count_of(len(runs), 'run')}: {len(finished)} finished, {len(left)} to finish."
    if not left:
        return text
    if not finished:
        return f"{text} How long they take is estimated once one is finished."
    mean = sum(store.seconds(run) for run in finished) / len(finished)
    done = sum(min(store.seconds(run), mean) for run in left)
    return (
        f"{text} Finished ones trained for {format_seconds(mean)} on average: about "
        f"{format_seconds(mean * len(left) - done)} left, measuring not included."
    )
