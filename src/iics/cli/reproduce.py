"""`iics reproduce`: the paper's tables and figures, on the data at hand, beside the paper's numbers."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast, get_args

import tyro
from rich.markup import escape
from rich.table import Table

from iics.cli.machine import console
from iics.cli.parse import parse
from iics.cli.source import BenchmarkName, DataSource
from iics.errors import DataError, SettingsError
from iics.home_folder import expanded
from iics.progress_display import count_of, format_seconds, training_display
from iics.ranges import check_ranges, whole
from iics.shown_name import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from iics.paper.make_runs import Failures
    from iics.paper.planned_runs import PlannedRun
    from iics.paper.reproduction import Reproduction
    from iics.paper.result_tables import ResultTable
    from iics.paper.study import Study
    from iics.paper.variants import TargetName

Target = Literal["table1", "table2", "table3", "table4", "table5", "table6", "figure1", "figure3", "figure4", "all"]
MeasurableData = Literal["sample", BenchmarkName, "csv", "parquet"]

EXIT_SOME_FAILED = 1

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReproduceCommand:
    """Reproduce the paper's tables and figures: run what they need, write our numbers beside the paper's.

    Runs that tables share are made once. What is finished is used again, what was stopped goes on.
    """

    targets: tyro.conf.Positional[tuple[Target, ...]] = ()
    """What to reproduce; several may be named."""
    data: MeasurableData = "sample"
    """Data with identities, to measure on."""
    data_dir: Path | None = None
    """Where it is: a folder, a benchmark's zip, or a table's file; not for the sample."""
    other_data: MeasurableData | None = None
    """A second data set for Table 3. Without it, either half of the cameras is trained on and both are tested on."""
    other_data_dir: Path | None = None
    """Where the second data set is."""
    preset: Literal["quick", "paper"] = "quick"
    """quick (minutes a run on two cores; docs/reproducing.md) or paper (ResNet-50, 256x128, 40 rounds)."""
    seeds: Annotated[int, whole(1, 100)] = 1
    """Runs of each row, with seeds 0, 1, ...; tables show their mean and deviation."""
    out: Path | None = None
    """Folder for tables and runs. By default runs/reproduce-DATA-PRESET."""
    weights: str = "imagenet"
    """Starting weights: imagenet, none, or a file in torchvision's or timm's keys."""
    device: str = "auto"
    """Device to train on: auto, cpu, cuda, cuda:1, mps."""
    dry_run: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Only say which runs are needed, which are there, and how long the rest may take."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(ReproduceCommand, arguments, command="reproduce")
    if not command.targets:
        raise SettingsError(f"What shall be reproduced? Name one or more of {', '.join(get_args(Target))}.")
    reproduction, source_of = _prepare(command)

    if command.dry_run:
        print_runs(reproduction)
        return 0
    with reproduction.store.alone():
        failures = _make_runs(reproduction, source_of)
        print("Writing tables and figures.", file=sys.stderr, flush=True)
        for table in reproduction.write_figures(failures):
            print_table(table)
    print(f"Written to {reproduction.out}: each table as .md, .csv and .html, every run's scores as runs.csv.")
    for name, reason in failures.items():
        print(f"iics: error: run {name} failed: {shown(reason)}", file=sys.stderr)
    return EXIT_SOME_FAILED if failures else 0


def _prepare(command: ReproduceCommand) -> tuple[Reproduction, Callable[[PlannedRun], Mapping[str, str]]]:
    """Read the data and plan; return what is reproduced and where a run's crops come from."""
    source = DataSource(data=command.data, data_dir=command.data_dir).absolute()
    splits, other, other_source = source.load(), None, None
    if command.other_data is not None:
        other_source = DataSource(data=command.other_data, data_dir=command.other_data_dir).absolute()
        other = other_source.load()
        if other.name == splits.name:
            other = replace(other, name=f"{other.name} (other)")
    elif command.other_data_dir is not None:
        raise SettingsError("--other-data-dir is where --other-data is; name that, too, or leave it out.")
    from iics.cli.machine import computer_line
    from iics.paper.reproduction import Reproduction
    from iics.paper.study import make_study, study_notes

    study = make_study(
        splits, preset=command.preset, device=command.device, weights=_found_anywhere(command.weights), other=other
    )
    notes_of = partial(study_notes, study=study, num_seeds=command.seeds, computer=computer_line(), today=date.today())
    out = expanded(command.out or Path("runs") / f"reproduce-{command.data}-{command.preset}")
    targets = _targets(command, study)
    reproduction = Reproduction(study, targets, command.seeds, out, notes_of)

    def source_of(run: PlannedRun) -> Mapping[str, str]:
        is_other = other_source is not None and study.other is not None and run.train is study.other.train
        return cast(DataSource, other_source if is_other else source).to_values()

    return reproduction, source_of


def _targets(command: ReproduceCommand, study: Study) -> tuple[TargetName, ...]:
    """Return the targets asked for, each once; of all, Table 3 is left out with a warning where it cannot be made."""
    from iics.paper.variants import TargetName

    if "all" not in command.targets:
        return cast("tuple[TargetName, ...]", tuple(dict.fromkeys(command.targets)))
    targets = get_args(TargetName)
    try:
        study.sides()
    except DataError as error:
        logger.warning("Table 3 is left out. %s", error)
        targets = tuple(target for target in targets if target != "table3")
    return cast("tuple[TargetName, ...]", targets)


def _make_runs(reproduction: Reproduction, source_of: Callable[[PlannedRun], Mapping[str, str]]) -> Failures:
    """Make what is missing, with progress, and write the tables whenever a run is finished."""
    from iics.paper.figure_data import starting_model
    from iics.paper.make_runs import make_runs

    runs, store = reproduction.runs(), reproduction.store

    def before_run(run: PlannedRun, place: int) -> None:
        does = "going on with" if store.state(run) == "started" else "training"
        print(f"run {place}/{len(runs)}: {does} {run.name}", file=sys.stderr, flush=True)

    reproduction.write_tables({})
    to_do = [run for run in runs if store.state(run) != "finished"]
    if to_do:
        starting_model(to_do[0])  # weights or a device that do not exist would make every run fail
    try:
        return make_runs(
            runs,
            store,
            source_of=source_of,
            before_run=before_run,
            after_run=reproduction.write_tables,
            display=training_display,
        )
    except KeyboardInterrupt:
        _say_how_to_go_on(reproduction)
        raise


def _say_how_to_go_on(reproduction: Reproduction) -> None:
    runs = reproduction.runs()
    num_finished = sum(reproduction.store.state(run) == "finished" for run in runs)
    print(
        f"\nStopped. {num_finished} of {count_of(len(runs), 'run')} are finished, their tables are in "
        f"{reproduction.out}; the same command goes on.",
        file=sys.stderr,
    )


def _found_anywhere(weights: str) -> str:
    return weights if weights in ("imagenet", "none") else str(expanded(weights).absolute())


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
