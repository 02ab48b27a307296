"""Runs side by side: what each reached, in which settings they differ, how far seeds spread. Records in, tables out.

Run folders are read and nothing else: no model, no crop. A folder of several seeds stands for its runs. Numbers are
only to be compared between runs on the same pictures, so each run says by a letter which ones it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from iics.errors import RunFolderError
from iics.evaluation.spread import SCORES, Row, Spread
from iics.reports.compared_run import ComparedRun, judged, of_clusters, scored, stability
from iics.reports.judgement_file import NUMBERS
from iics.reports.told_run import NumberOf, ToldRun, score_of
from iics.runs.seed_runs import SeedRuns

_MOST_ROUNDS = 8
"""Columns of a table by round."""


@dataclass(frozen=True)
class ComparedNumber:
    """A column: what stands above it, and how it is read from a run and written."""

    title: str
    of: Mapping[str, float | None]
    digits: int = 1


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs side by side.

    Attributes:
        runs: Two or more, in the order in which they were named.
    """

    runs: tuple[ComparedRun, ...]

    @classmethod
    def read(cls, folders: Sequence[Path]) -> Comparison:
        """Read run folders, and the runs in folders of several seeds.

        Raises:
            RunFolderError: If one is neither, one is named twice, or there are fewer than two runs.
        """
        found = [run for folder in folders for run in _run_folders(folder)]
        if len(found) < 2:
            raise RunFolderError(
                f"Two runs or more are compared, got {len(found)}. Name another run folder, or a folder of several "
                "seeds. One run is told by iics report."
            )
        real = [run.resolve() for run in found]
        for at, place in enumerate(real):
            if place in real[:at]:
                raise RunFolderError(f"{found[at]} is named twice. Name each run once.")
        return cls(
            tuple(ComparedRun.read(run, name=name) for run, name in zip(found, _names(found, real), strict=True))
        )

    @cached_property
    def letters(self) -> dict[str, tuple[str, str]]:
        """The letters of each run: of the pictures it was trained on, and of those it was measured on, "" for none."""
        trained = _lettered([run.trained_on for run in self.runs])
        measured = _lettered([run.measured_on for run in self.runs])
        return {run.name: letters for run, letters in zip(self.runs, zip(trained, measured, strict=True), strict=True)}

    @property
    def notes(self) -> list[str]:
        """What to know before any number is compared."""
        notes = []
        trained, measured = ({pair[kind] for pair in self.letters.values()} - {""} for kind in (0, 1))
        if len(trained) > 1:
            told = {self.letters[run.name][0]: run for run in reversed(self.runs)}
            listed = "; ".join(
                f"{letter}: {run.told.data_name}, {run.told.data.get('num_crops', '?')} crops"
                for letter, run in sorted(told.items())
            )
            notes.append(
                f"Trained on different pictures ({listed}). Clusters and numbers without labels depend on them: "
                "compare these only between runs of one letter."
            )
        if len(measured) > 1:
            notes.append(
                "Measured on different queries and galleries (letters in the column measured on): compare mAP and CMC "
                "only between runs of one letter."
            )
        notes += [
            f"{run.name} is not finished: {run.told.progress}. It is told as it is now."
            for run in self.runs
            if not run.is_finished
        ]
        if any(len(group) == 2 for group in self.seed_groups):
            notes.append("Two seeds tell little of how far others would spread.")
        return notes

    @property
    def numbers(self) -> list[ComparedNumber]:
        """What is told of every run, without what no run has."""
        wanted: list[tuple[str, Callable[[ComparedRun], float | None], int]] = [
            *((f"{SCORES[key]} %", scored(key), 1) for key in ("mean_ap", "rank1")),
            *(
                (f"{title}, {moment}", judged(name, moment, factor), digits)
                for name, (title, digits, factor) in NUMBERS.items()
                for moment in ("before", "after")
            ),
            ("clusters", of_clusters("num_clusters"), 0),
            ("camera mix %", of_clusters("camera_entropy_normalized", 100), 1),
            ("stability", stability, 2),
            ("minutes", lambda run: run.told.seconds / 60, 1),
        ]
        found = [
            ComparedNumber(title, {run.name: of(run) for run in self.runs}, digits) for title, of, digits in wanted
        ]
        return [one for one in found if any(value is not None for value in one.of.values())]

    @cached_property
    def seed_groups(self) -> list[tuple[ComparedRun, ...]]:
        """Finished runs that differ in their seed alone, on the same pictures: groups of two or more."""
        groups: dict[Any, list[ComparedRun]] = {}
        for run in self.runs:
            settings = tuple(sorted((name, value) for name, value in run.settings.items() if name != "seed"))
            if run.is_finished:
                groups.setdefault((settings, run.trained_on, run.measured_on), []).append(run)
        return [tuple(group) for group in groups.values() if len({run.seed for run in group}) > 1]

    def spread(self, group: Sequence[ComparedRun], number: ComparedNumber) -> Spread | None:
        """Return how far a number spreads over runs; None if one of them does not have it."""
        values = [value for run in group if (value := number.of[run.name]) is not None]
        return Spread(tuple(values)) if len(values) == len(group) else None

    def table(self) -> list[Row]:
        """Return the runs, their numbers after the last round, and the spread of seeds, as cells with headings."""
        numbers, has_letters = self.numbers, len(set(self.letters.values())) > 1
        headings = ("run", *(("trained on", "measured on") if has_letters else ()), "rounds")
        rows: list[Row] = [(*headings, *(one.title for one in numbers))]
        for run in self.runs:
            letters = tuple(letter or "-" for letter in self.letters[run.name]) if has_letters else ()
            cells = (_text(one.of[run.name], one.digits) for one in numbers)
            rows.append((run.name, *letters, f"{run.rounds}", *cells))
        for group in self.seed_groups:
            spreads = [(one, self.spread(group, one)) for one in numbers]
            name = f"{group[0].name} and {len(group) - 1} more seed{'s' if len(group) > 2 else ''}: mean ± deviation"
            cells = ("-" if spread is None else _with_deviation(spread, one.digits) for one, spread in spreads)
            rows.append((name, *([""] * (len(headings) - 1)), *cells))
        return rows

    def differing_settings(self) -> list[Row]:
        """Return the settings that not all runs share, a row each with a cell for every run; headings first."""
        names = list(dict.fromkeys(name for run in self.runs for name in run.settings))
        rows: list[Row] = [("setting", *(run.name for run in self.runs))]
        for name in names:
            values = [run.settings.get(name) for run in self.runs]
            if len(set(values)) > 1:
                rows.append((name, *("-" if value in (None, "") else value for value in values)))
        return rows

    def tables_by_round(self) -> Iterator[tuple[str, list[Row]]]:
        """Yield tables of a number by round: its title, and rows of runs with headings; eight rounds at most."""
        numbers = [run.told for run in self.runs]
        last = max((run.records[-1].number for run in numbers if run.records), default=0)
        shown = sorted({round(at * last / (_MOST_ROUNDS - 1)) for at in range(_MOST_ROUNDS)} | {0, min(1, last)})
        for title, digits, value_of in BY_ROUND:
            found = {run.name: value_of(run.told) for run in self.runs}
            columns = [number for number in shown if any(number in values for values in found.values())]
            if any(found.values()) and len(columns) > 1:
                rows: list[Row] = [("run", *(f"round {number}" for number in columns))]
                rows += [
                    (name, *(_text(values.get(number), digits) for number in columns)) for name, values in found.items()
                ]
                yield title, rows


def by_round(told: ToldRun, number_of: NumberOf, scale: float = 1) -> dict[int, float]:
    """Return a number of a run by round, of the rounds that have it."""
    curve = told.curve("", number_of, scale=scale)
    return dict(zip(curve.rounds, curve.values, strict=True))


def _clusters_by_round(told: ToldRun) -> dict[int, float]:
    return by_round(told, told.over_all_cameras[-1].number("num_clusters")) if told.over_all_cameras else {}


def _stability_by_round(told: ToldRun) -> dict[int, float]:
    return by_round(told, told.over_all_cameras[-1].stability) if told.over_all_cameras else {}


BY_ROUND: Sequence[tuple[str, int, Callable[[ToldRun], dict[int, float]]]] = (
    ("mAP by round, %", 1, lambda told: by_round(told, score_of("mean_ap"), 100)),
    ("rank-1 by round, %", 1, lambda told: by_round(told, score_of("rank1"), 100)),
    ("Clusters over all cameras by round", 0, _clusters_by_round),
    ("Stability of clusters over all cameras by round", 2, _stability_by_round),
)
"""What is told by round: title, digits, and how it is read from a run."""


def _run_folders(folder: Path) -> list[Path]:
    """Return a run folder, or the run folders of the seeds in it that have begun."""
    if not SeedRuns.are_at(folder):
        return [folder]
    return [run.folder for run in SeedRuns.read(folder).runs if run.state != "to do"]


def _names(found: Sequence[Path], real: Sequence[Path]) -> list[str]:
    """Return the shortest ends of the paths that tell all runs apart."""
    for count in range(1, max(len(path.parts) for path in real) + 1):
        names = ["/".join(path.parts[-count:]) for path in real]
        if len(set(names)) == len(names) and not any(path.name.startswith("seed-") for path in real if count == 1):
            return names
    return [str(path) for path in found]


def _lettered(sets: Sequence[frozenset[str]]) -> list[str]:
    """Return a letter for each set, the same for equal ones, "" for an empty one."""
    known: dict[frozenset[str], str] = {}
    for one in sets:
        if one and one not in known:
            at = len(known)
            known[one] = ascii_uppercase[at] if at < len(ascii_uppercase) else f"A{at}"
    return [known[one] if one else "" for one in sets]


def _text(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _with_deviation(spread: Spread, digits: int) -> str:
    deviation = spread.deviation
    return _text(spread.mean, digits) + ("" if deviation is None else f" ± {_text(deviation, digits)}")
