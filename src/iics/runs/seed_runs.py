"""A folder of runs that differ in their seed alone: which seeds, how far each is, and how far their scores spread.

seeds.json   the seeds, which of them are finished, settings, where the crops come from
seed-0/      a whole run folder for each seed
report.html  all of them on one page
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from iics.atomic import write_atomically
from iics.errors import RunFolderError
from iics.evaluation.spread import SCORES, Row, Spread, aligned, in_percent, spread_rows
from iics.ranges import SEED
from iics.runs.record import RoundRecord
from iics.runs.run_files import SEEDS, read_json, read_records

SeedState = Literal["finished", "started", "to do"]

_WAY_OUT = "Restore the file from a copy, or name the runs in the folder one by one."


@dataclass(frozen=True, eq=False)
class SeedRun:
    """The run of one seed.

    Attributes:
        seed: Its seed.
        folder: Its run folder, whether it is there yet or not.
        is_finished: Whether it was trained to its end.
        records: Of its rounds so far.
    """

    seed: int
    folder: Path
    is_finished: bool
    records: tuple[RoundRecord, ...]

    @property
    def state(self) -> SeedState:
        """How far it is."""
        if self.is_finished:
            return "finished"
        return "started" if (self.folder / "settings.json").is_file() else "to do"

    @property
    def scores(self) -> Mapping[str, float]:
        """What was measured after the last round, as fractions by name; nothing before the run is finished."""
        return self.records[-1].scores if self.is_finished and self.records else {}


@dataclass(frozen=True, eq=False)
class SeedRuns:
    """Runs of several seeds.

    Attributes:
        folder: Where they lie.
        seeds: All that are wanted, in order.
        finished: Those that were trained to their end.
        settings: Of the run of the first seed, as settings.json has them.
        source: Where the crops come from, as whoever started the runs said, and when they are measured.
        asked: Short hash of the settings that were asked for, before the machine decided what they leave to it.
    """

    folder: Path
    seeds: tuple[int, ...]
    finished: tuple[int, ...]
    settings: Mapping[str, Any]
    source: Mapping[str, str]
    asked: str

    @classmethod
    def read(cls, folder: Path | str) -> SeedRuns:
        """Read the seeds.json of a folder.

        Raises:
            RunFolderError: If there is none, or something in it is of the wrong kind.
        """
        file = Path(folder) / SEEDS
        values = read_json(file, way_out=_WAY_OUT)
        seeds, finished = values.get("seeds"), values.get("finished")
        checks = {
            "seeds": _are_seeds(seeds) and bool(seeds),
            "finished": _are_seeds(finished) and _are_seeds(seeds) and set(finished or ()) <= set(seeds or ()),
            "settings": isinstance(values.get("settings"), dict),
            "source": isinstance(values.get("source"), dict) and all(map(_is_text, values["source"].values())),
            "asked": _is_text(values.get("asked")),
        }
        wrong = [name for name, is_right in checks.items() if not is_right]
        if wrong:
            raise RunFolderError(f"{file} is damaged: {wrong[0]} is not what was written there. {_WAY_OUT}")
        return cls(
            folder=Path(folder),
            seeds=tuple(values["seeds"]),
            finished=tuple(values["finished"]),
            settings=values["settings"],
            source=values["source"],
            asked=values["asked"],
        )

    @staticmethod
    def are_at(folder: Path | str) -> bool:
        """Return whether a folder holds runs of several seeds."""
        return (Path(folder) / SEEDS).is_file()

    def write(self) -> None:
        """Write seeds.json, atomically."""
        values = {name: value for name, value in vars(self).items() if name != "folder"}
        write_atomically(self.folder / SEEDS, json.dumps(values, indent=2) + "\n")

    def with_finished(self, seed: int) -> SeedRuns:
        """Return the same runs, one more of them finished."""
        return replace(self, finished=tuple(one for one in self.seeds if one == seed or one in self.finished))

    def folder_of(self, seed: int) -> Path:
        """Return the run folder of a seed."""
        return self.folder / f"seed-{seed}"

    def run(self, seed: int) -> SeedRun:
        """Return the run of a seed as it is now.

        Raises:
            RunFolderError: If its metrics are damaged, or end before its last round though it is finished.
        """
        folder, is_finished = self.folder_of(seed), seed in self.finished
        records = tuple(read_records(folder))
        rounds = self.settings.get("rounds")
        if is_finished and (not records or records[-1].number != rounds):
            raise RunFolderError(
                f"{self.folder / SEEDS} says that seed {seed} is finished, but {folder} does not hold its {rounds} "
                f"rounds. Restore it from a copy, or take {seed} out of `finished` in that file: iics train --resume "
                f"{self.folder} trains it then."
            )
        return SeedRun(seed, folder, is_finished, records)

    @property
    def runs(self) -> tuple[SeedRun, ...]:
        """The runs of all seeds as they are now."""
        return tuple(map(self.run, self.seeds))

    def spread(self, score: str) -> Spread | None:
        """Return the spread of a score over the finished runs, as fractions, e.g. of "mean_ap"; None if it has none."""
        values = tuple(run.scores[score] for run in self.runs if score in run.scores)
        return Spread(values) if values else None

    def table(self) -> list[Row]:
        """Return a table as cells: headings, the scores of each run in percent, and how far they spread."""
        runs = self.runs
        names = [name for name in SCORES if any(name in run.scores for run in runs)]
        cells = [[100 * run.scores[name] if name in run.scores else None for name in names] for run in runs]
        rows: list[Row] = [("seed", *(SCORES[name] for name in names))]
        for run, values in zip(runs, cells, strict=True):
            rows.append((_label(run), *map(in_percent, values)))
        return rows + (spread_rows(list(zip(*cells, strict=True))) if names and len(runs) > 1 else [])

    def __str__(self) -> str:
        return aligned(self.table())


def _label(run: SeedRun) -> str:
    """Return what a run is called in a table: its seed, and how far it is if it is not finished."""
    if run.state == "finished":
        return str(run.seed)
    done = run.records[-1].number if run.records else 0
    return f"{run.seed} ({f'stopped after round {done}' if run.state == 'started' else 'not begun'})"


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_seeds(values: Any) -> bool:
    return isinstance(values, list) and all(value in SEED for value in values) and len(set(values)) == len(values)
