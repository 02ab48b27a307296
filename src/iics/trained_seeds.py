"""Several trainings that differ in their seed alone: `iics.train_seeds`, as `iics train --seeds` does it, too.

One folder holds a whole run folder for each seed. The data is read and its pictures are hashed once, and decoded once,
as all runs share one file of pixels. Called again on a folder that was stopped, it goes on: finished seeds stay as they
are, the one at work goes on from its last stage.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from iics.config import Settings
from iics.crops import CropSet
from iics.data_splits import DataSplits
from iics.errors import RunFolderError, WriteError, check_setting
from iics.given_to_train import as_data, given_crops, given_folder, given_settings
from iics.methods.by_name import own_settings, settings_for
from iics.ranges import shortened, whole
from iics.reports.seeds_report import write_seeds_report
from iics.runs.deciding_settings import settings_fingerprint
from iics.runs.rounds import with_resolved_settings
from iics.runs.run_crops import TRAIN
from iics.runs.run_files import SEEDS
from iics.runs.run_folder import RunFolder
from iics.runs.run_hold import HOLDER, LOCK, held
from iics.runs.same_pictures import HashedOnce, in_order_of_the_run
from iics.runs.seed_runs import SeedRun, SeedRuns
from iics.settings_json import from_json, to_json
from iics.trained_run import When, listening, measured_splits, resume_on, train_on
from iics.training.distributed import Processes, joined_processes
from iics.training.progress import ProgressCallback, ProgressEvent

logger = logging.getLogger(__name__)

BeforeSeed = Callable[[SeedRun], None]
"""Called by the first process before a seed is trained or gone on with."""

MOST_SEEDS = whole(1, 100)


def train_seeds(
    crops: CropSet,
    *,
    settings: Settings | None = None,
    seeds: int,
    out: Path | str | None = None,
    query: CropSet | None = None,
    gallery: CropSet | None = None,
    evaluate: When = "every-round",
    source: Mapping[str, str] | None = None,
    before_seed: BeforeSeed | None = None,
    progress: ProgressCallback | bool = False,
) -> SeedRuns:
    """Train several models that differ in their seed alone, one after another, each in a run folder of its own.

    The same call goes on with a folder that was stopped. Under torchrun, all processes call this alike.

    Args:
        crops: As for `train`.
        settings: Of all runs; its seed is that of the first.
        seeds: How many: `settings.seed`, the next one, and so on.
        out: Folder to make, with a run folder seed-N for each; or one that this call made before.
        query: As for `train`.
        gallery: As for `train`.
        evaluate: As for `train`.
        source: Where the crops come from, recorded in every run folder.
        before_seed: Called before a seed is trained or gone on with.
        progress: As for `train`.

    Returns:
        The runs; printed, they are a table of their scores with mean and deviation.

    Raises:
        DataError: As `train`.
        IicsError: As `train` and `resume`.
        RunFolderError: If `out` holds something else, or runs of other seeds, settings or pictures.
        SettingsError: If there are too few or too many seeds.
    """
    data = as_data(given_crops(crops), query, gallery)
    settings, out = given_settings(settings), given_folder(out)
    with joined_processes() as processes, listening(progress, processes) as listener:
        return train_seeds_on(
            data,
            settings=settings,
            num_seeds=seeds,
            out=out,
            evaluate=evaluate if query is not None else "never",
            source=source or {},
            before_seed=before_seed,
            progress=listener,
        )


def train_seeds_on(
    data: DataSplits,
    *,
    settings: Settings,
    num_seeds: int,
    out: Path,
    evaluate: When,
    source: Mapping[str, str],
    before_seed: BeforeSeed | None = None,
    progress: ProgressCallback | None = None,
) -> SeedRuns:
    """Train on data as its reader found it; see `train_seeds`."""
    check_setting(num_seeds in MOST_SEEDS, f"seeds must be {MOST_SEEDS}; got {shortened(num_seeds)}.")
    replace(settings, seed=settings.seed + num_seeds - 1)  # the last seed is refused now, not after the others
    with joined_processes() as processes, _held(out, processes):
        resolved = processes.from_first(lambda: with_resolved_settings(settings))
        fitting, why_others = settings_for(data.to_train_on(), resolved)
        if why_others:
            resolved = fitting
            if processes.is_first:
                logger.warning("%s", why_others)
        wanted = SeedRuns(
            folder=out,
            seeds=tuple(range(settings.seed, settings.seed + num_seeds)),
            finished=(),
            settings=json.loads(to_json(resolved)),
            source={**source, "evaluate": evaluate},
            asked=settings_fingerprint(settings),
        )
        runs = processes.from_first(lambda: _begun(wanted))
        return _finish(runs, data, processes, before_seed, progress)


def resume_seeds_on(
    out: Path,
    data: DataSplits,
    *,
    moved: Mapping[str, str] | None = None,
    before_seed: BeforeSeed | None = None,
    progress: ProgressCallback | None = None,
) -> SeedRuns:
    """Go on with the runs in a folder; `moved` says where the data lies now, as `source` of `train_seeds` did."""
    with joined_processes() as processes, _held(out, processes):
        runs = processes.from_first(lambda: SeedRuns.read(out))
        runs = replace(runs, source={**runs.source, **(moved or {})})
        runs = _finish(runs, data, processes, before_seed, progress)
        if moved is not None and processes.is_first:
            runs.write()
            for seed in runs.seeds:
                RunFolder.open(runs.folder_of(seed)).move_source(moved)
        return runs


def _name_the_same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Return whether two sources are the same data; older versions wrote fewer values, settings are compared apart."""
    return all(one.get(name, "") == other.get(name, "") for name in {*one, *other} - {"preset"})


def _begun(wanted: SeedRuns) -> SeedRuns:
    """Return the runs that are in the folder already, or write down those that are wanted.

    Raises:
        RunFolderError: If there are runs that are not those.
    """
    known = SeedRuns.read(wanted.folder) if SeedRuns.are_at(wanted.folder) else None
    if known is None or all(run.state == "to do" for run in known.runs):
        wanted.write()
        return wanted
    same = known.seeds == wanted.seeds, known.asked == wanted.asked, _name_the_same(known.source, wanted.source)
    if not all(same):
        differ = [name for name, is_same in zip(("seeds", "settings", "data"), same, strict=True) if not is_same]
        raise RunFolderError(
            f"{wanted.folder} holds runs of seeds {', '.join(map(str, known.seeds))}, and their {' and '.join(differ)} "
            f"{'is' if differ == ['data'] else 'are'} not what is asked for now. Choose another --out, or go on with "
            f"them as they began: iics train --resume {wanted.folder}"
        )
    return known


def _finish(
    runs: SeedRuns,
    data: DataSplits,
    processes: Processes,
    before_seed: BeforeSeed | None,
    progress: ProgressCallback | None,
) -> SeedRuns:
    """Train what is not finished, seed after seed."""
    text = json.dumps(runs.settings)
    settings = from_json(text, source=runs.folder / SEEDS, own=own_settings)
    evaluate, hashing = cast(When, runs.source.get("evaluate", "every-round")), HashedOnce()
    data = _as_it_began(runs, data, settings, evaluate, processes, hashing)
    for seed in runs.seeds:
        run = processes.from_first(partial(runs.run, seed))
        if run.is_finished:
            continue
        if before_seed is not None and processes.is_first:
            before_seed(run)
        told = None if progress is None else partial(_tell, progress, len(runs.seeds) - len(runs.finished) - 1)
        if run.state == "started":
            resume_on(run.folder, data, evaluate=evaluate, progress=told, hashing=hashing)
        else:
            own = replace(settings, seed=seed)
            train_on(
                data,
                settings=own,
                out=run.folder,
                evaluate=evaluate,
                source=runs.source,
                progress=told,
                hashing=hashing,
            )
        runs = runs.with_finished(seed)
        if processes.is_first:
            runs.write()
            _keep_report(runs.folder)
    return runs


def _as_it_began(
    runs: SeedRuns,
    data: DataSplits,
    settings: Settings,
    evaluate: When,
    processes: Processes,
    hashing: HashedOnce,
) -> DataSplits:
    """Return the data in the order that the first run began with.

    Raises:
        RunFolderError: If it holds other pictures than that run, or other people where these are learned from.
    """
    begun = processes.from_first(lambda: next((run.folder for run in runs.runs if run.state != "to do"), None))
    if begun is None:
        return data
    pictures = processes.from_first(lambda: RunFolder.open(begun).pictures())
    splits = {TRAIN: data.to_train_on(), **(measured_splits(data, evaluate) if processes.is_first else {})}
    for name, crops in splits.items():
        if pictures is not None and name in pictures.splits:
            digests = hashing(crops, settings)
            splits[name], ordered = in_order_of_the_run(name, crops, digests, pictures, run=runs.folder)
            hashing.remember(splits[name], ordered)
    if processes.is_first:
        RunFolder.open(begun).check_same_identities(splits[TRAIN])
    return DataSplits(
        data.name,
        train=splits[TRAIN],
        query=splits.get("query", data.query),
        gallery=splits.get("gallery", data.gallery),
    )


def _tell(progress: ProgressCallback, runs_left: int, event: ProgressEvent) -> None:
    progress(replace(event, runs_left=runs_left))


def _keep_report(folder: Path) -> None:
    """Write the page of all seeds; as for a run's own, a fault of it is warned of and ends no training."""
    try:
        write_seeds_report(folder)
    except Exception as error:
        logger.warning(
            "The report of %s was not written (%s: %s). Training goes on; iics report %s tries again.",
            folder,
            type(error).__name__,
            error,
            folder,
        )


@contextmanager
def _held(out: Path, processes: Processes) -> Iterator[None]:
    """Hold the folder of all seeds within the block, on the first process; a new one is made.

    Raises:
        RunFolderError: If it holds something else, or another process holds it.
        WriteError: If it cannot be made.
    """
    if not processes.is_first:
        yield
        return
    if not SeedRuns.are_at(out) and not _is_unbegun(out):
        RunFolder.check_new(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"Cannot make the folder {out}: {error.strerror or error}.") from error
    with held(out):
        yield


def _is_unbegun(out: Path) -> bool:
    """Return whether a folder holds nothing but what is left of a process that was killed before it wrote anything."""
    return out.is_dir() and {path.name for path in out.iterdir() if path.suffix != ".tmp"} <= {LOCK, HOLDER}
