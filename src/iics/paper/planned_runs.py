"""Which training runs a table needs: target -> rows of runs. Equal runs have equal names, in whatever table they are.

A run's name says what is different from the full method, its seed, and a hash of all that decides its result.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from iics.config import Settings
from iics.crops import CropSet
from iics.data_splits import DataSplits
from iics.paper.study import Study
from iics.paper.variants import TargetName, variants_of
from iics.settings_json import leaves

_COMPUTING = ("device", "loggers", "pixels.", "engine.threads", "distance.max_dense_crops")
"""Settings that a result does not depend on, or (the last) that are chosen by the machine."""
_LONGEST_DIFFERENCE = 40


@dataclass(frozen=True, eq=False)
class PlannedRun:
    """A run that a table needs.

    Attributes:
        name: Of its folder.
        settings: Of training.
        train: What is trained on.
        tests: What is tested on, with query and gallery: the run's own data set first, then perhaps another.
    """

    name: str
    settings: Settings
    train: CropSet
    tests: tuple[DataSplits, ...]


@dataclass(frozen=True, eq=False)
class PlannedRow:
    """A row of a table: one variant, a run for each seed."""

    label: str
    runs: tuple[PlannedRun, ...]


def plan_rows(target: TargetName, study: Study, *, num_seeds: int) -> tuple[PlannedRow, ...]:
    """Return the rows of a target with their runs.

    Raises:
        DataError: If Table 3 cannot be made of the data.
    """
    if target == "table3":
        sides = study.sides()
        return tuple(
            PlannedRow(f"{own.name}: {row.label}", row.runs)
            for own, other in (sides, sides[::-1])
            for row in _rows(target, study.supervised, own, (own, other), num_seeds)
        )
    return _rows(target, study.settings, study.splits, (study.splits,), num_seeds)


def distinct_runs(rows: Iterable[PlannedRow]) -> list[PlannedRun]:
    """Return every run once: all of the first seed, then all of the second, ..."""
    runs = {run.name: run for row in rows for run in row.runs}
    return sorted(runs.values(), key=lambda run: run.settings.seed)


def _rows(
    target: TargetName, full: Settings, own: DataSplits, tests: tuple[DataSplits, ...], num_seeds: int
) -> tuple[PlannedRow, ...]:
    rows, train = [], own.to_train_on()
    for variant in variants_of(target, full):
        settings = variant.change(full)
        seeds = [replace(settings, seed=seed) for seed in range(num_seeds)]
        runs = tuple(PlannedRun(run_name(s, full, train, tests), s, train, tests) for s in seeds)
        rows.append(PlannedRow(variant.label, runs))
    return tuple(rows)


def run_name(settings: Settings, full: Settings, train: CropSet, tests: Sequence[DataSplits]) -> str:
    """Return a folder name that is the same for the same run and different for another."""
    values, base, defaults = _deciding(settings), _deciding(full), _deciding(Settings())
    changed = [f"{key.rpartition('.')[2]}-{_word(values[key])}" for key in values if values[key] != base[key]]
    difference = "_".join(changed)[:_LONGEST_DIFFERENCE] or "full"
    what = f"supervised_{tests[0].name}_" if settings.method == "supervised" else ""
    # Defaults are left out of the hash: a setting that a later version adds does not make other runs of these.
    deciding = {key: value for key, value in values.items() if value != defaults[key]}
    crops = [train, *(crops for test in tests for crops in (test.query, test.gallery) if crops is not None)]
    places = [(one.fingerprint(), one.identity_fingerprint()) for one in crops]
    digest = hashlib.sha256(json.dumps([deciding, settings.seed, places], sort_keys=True).encode()).hexdigest()
    readable = re.sub(r"[^\w.+=-]+", "-", f"{what}{difference}")
    return f"{readable}_seed-{settings.seed}_{digest[:10]}"


def _deciding(settings: Settings) -> dict[str, Any]:
    """Return the settings that decide a result but for the seed, by dotted name."""
    flat = {
        name: value
        for name, value in leaves(dataclasses.asdict(settings))
        if not name.startswith(_COMPUTING) and name != "seed"
    }
    if (method := flat.pop("method")) != Settings().method:
        flat["stages"] = method  # as supervised runs were named first: a reproduction finds those that it has made
    return flat


def _word(value: Any) -> str:
    return "+".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
