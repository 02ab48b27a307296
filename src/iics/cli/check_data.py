"""`iics check-data`: faults in a data set, before they cost a training run; and what the run would take."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from iics import presets
from iics.cli.fitting import Fitting
from iics.cli.parse import parse
from iics.cli.source import DataSource, SourceFlags
from iics.cli.train_arguments import PresetName, fitting_preset
from iics.errors import SettingsError
from iics.pixels.picture_file import check_picture_path, write_picture
from iics.progress_display import count_display, format_seconds
from iics.ranges import check_ranges, whole
from iics.subjects import SubjectName

if TYPE_CHECKING:
    from iics.config import Settings
    from iics.crops import CropSet
    from iics.data_check.findings import DataReport
    from iics.data_splits import DataSplits
    from iics.runs.estimate import RepeatedWork, RunEstimate
    from iics.runs.fitted_settings import FittedSettings


@dataclass(frozen=True)
class CheckDataCommand:
    """Read every crop; report counts, sizes, unreadable files, copies, cameras too small. Exit code 2 on errors."""

    source: SourceFlags = field(default_factory=DataSource)
    """Which data."""
    contact_sheet: Path | None = None
    """Write a picture of random training crops (gallery crops without any) of each camera here (PNG or JPEG); 12
    cameras a file."""
    estimate: bool = False
    """Predict memory, disk and time of a run here: trains on random pixels for some ten seconds. Not with errors."""
    preset: PresetName | None = None
    """Settings of the run that is estimated; by default those that fit the data."""
    method: str | None = None
    """Method of that run, with its own default settings; by default the one of those settings."""
    seeds: Annotated[int, whole(1, 100)] = 1
    """Runs that are estimated together, as iics train --seeds makes them."""
    json: bool = False
    """Print everything as JSON."""
    subject: SubjectName = "person"
    """What crops show, as iics train is told: person, vehicle, animal or other; what looks unlikely depends on it."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(CheckDataCommand, arguments, command="check-data")
    for flag, value in (("--preset", command.preset), ("--method", command.method)):
        if value is not None and not command.estimate:
            raise SettingsError(f"{flag} says which run is estimated; add --estimate.")
    if command.seeds > 1 and not command.estimate:
        raise SettingsError("--seeds says how many runs are estimated; add --estimate.")
    if command.contact_sheet is not None:
        check_picture_path(command.contact_sheet)
    splits = _loaded(command.source)
    from iics.data_check.check import check_data

    total = sum(map(len, splits.sets.values()))
    with count_display("crops", total) as advance:
        report = _with_counts(check_data(splits, subject=command.subject, progress=_advancing(advance)), splits)
    sheets = [] if command.contact_sheet is None else _write_sheets(splits.to_look_at(), command.contact_sheet)
    if not command.json:
        print(report)
        for sheet in sheets:
            print(f"Contact sheet: {sheet}", flush=True)  # the estimate takes a while, and may be refused
    fitted = _fitted(splits, command) if command.estimate and report.ok else None
    settings = _settings(command) if fitted is None else fitted.settings
    estimate = _estimate(splits, settings, command) if command.estimate and report.ok else None
    if command.json:
        found = asdict(report) | {"ok": report.ok, "contact_sheets": [str(sheet) for sheet in sheets]}
        print(json.dumps(found | {"estimate": None if estimate is None else _numbers(estimate)}, indent=2))
    elif estimate is not None:
        print("", *([] if fitted is None else [fitted.choice_line]), estimate_text(estimate), sep="\n")
        if fitted is not None:
            print(fitted.better_line)
    elif command.estimate:
        print("No estimate is made while there are errors.")
    return 0 if report.ok else 2


def _loaded(source: DataSource) -> DataSplits:
    """Return the data; a benchmark that holds other numbers than were published is refused after a table of both."""
    from iics.readers.published_counts import CountError, counts_table

    try:
        return source.load()
    except CountError as error:
        print(counts_table(error.rows), file=sys.stderr)
        raise


def _with_counts(report: DataReport, splits: DataSplits) -> DataReport:
    """Return the report with a table of a benchmark's published and found numbers, if it is one."""
    from iics.readers.benchmarks import BENCHMARKS
    from iics.readers.published_counts import compare_counts, counts_table

    if splits.name not in BENCHMARKS:
        return report
    rows = compare_counts(splits, BENCHMARKS[splits.name].counts)
    return replace(report, tables=(*report.tables, counts_table(rows)))


def _advancing(advance: Callable[[int], None]) -> Callable[[int], None]:
    """Return a callback for the number of crops done so far, from one for the number just done."""
    before = 0

    def progress(done: int) -> None:
        nonlocal before
        advance(done - before)
        before = done

    return progress


def _write_sheets(crops: CropSet, path: Path) -> list[Path]:
    """Write pages to path, path-2, path-3 ...; return where they are."""
    from iics.data_check.camera_sheet import camera_sheets

    paths = []
    for number, sheet in enumerate(camera_sheets(crops), start=1):
        paths.append(path if number == 1 else path.with_stem(f"{path.stem}-{number}"))
        write_picture(sheet, paths[-1])
    return paths


def _preset(command: CheckDataCommand) -> str:
    return command.preset or fitting_preset(command.source.by_name())


def _settings(command: CheckDataCommand) -> Settings:
    settings = presets.BY_NAME[_preset(command)]
    return settings if command.subject == "person" else presets.for_subject(settings, command.subject)


def _fitted(splits: DataSplits, command: CheckDataCommand) -> FittedSettings | None:
    """Return what `iics train` would choose for this data here; None for a preset that chooses nothing."""
    fitting = Fitting.of(_preset(command), _settings(command))
    return None if fitting is None else fitting.length(fitting.network(), splits.to_train_on())


def _estimate(splits: DataSplits, settings: Settings, command: CheckDataCommand) -> RunEstimate:
    from iics.runs.estimate import estimate_run

    method = command.method or settings.method
    return estimate_run(splits, replace(settings, method=method), num_seeds=command.seeds)


def _numbers(estimate: RunEstimate) -> dict[str, object]:
    works = [asdict(work) | {"seconds": work.seconds} for work in estimate.works]
    return asdict(estimate) | {"works": works, "seconds": estimate.seconds, "peak_bytes": estimate.peak_bytes}


def estimate_text(estimate: RunEstimate) -> str:
    """Return an estimate as text."""
    lines = [
        f"A run of iics train on this machine ({estimate.settings}; {estimate.engine}):",
        f"  time    about {format_seconds(estimate.seconds)}",
        *(_work_line(work) for work in estimate.works),
        f"  memory  about {_gigabytes(estimate.peak_bytes)} at most{_memory_parts(estimate)}{_free(estimate)}",
        f"  disk    {_gigabytes(estimate.pixel_bytes)} for decoded crops, "
        f"{_gigabytes(estimate.free_disk_bytes)} free in {estimate.pixel_folder}",
        *(f"Warning: {warning}" for warning in _warnings(estimate)),
    ]
    return "\n".join(lines)


def _work_line(work: RepeatedWork) -> str:
    each = f"{1000 * work.seconds_each:.1f} ms" if work.seconds_each < 0.1 else f"{work.seconds_each:.2f} s"
    return (
        f"          {format_seconds(work.seconds):>12}  {work.name}: {work.count:,} x {each} a {work.unit} "
        f"(measured: {work.measured_on})"
    )


def _memory_parts(estimate: RunEstimate) -> str:
    if estimate.step_bytes is None:
        return " beside the network's own, which is not predicted"
    return f" (clustering {_gigabytes(estimate.clustering_bytes)}, steps {_gigabytes(estimate.step_bytes)})"


def _free(estimate: RunEstimate) -> str:
    return "" if estimate.free_bytes is None else f"; {_gigabytes(estimate.free_bytes)} free"


def _warnings(estimate: RunEstimate) -> list[str]:
    warnings = []
    if estimate.weights_problem is not None:
        warnings.append(f"The run cannot start here as it is. {estimate.weights_problem}")
    if estimate.is_busy:
        warnings.append(
            f"The machine was busy before the probe (load {estimate.load:.1f} on {estimate.num_cores} cores): a run "
            "that has it to itself is faster."
        )
    if estimate.free_bytes is not None and estimate.peak_bytes > estimate.free_bytes:
        warnings.append("Memory may not suffice. Train with batches in parts (--engine.parts 2) or a smaller network.")
    if estimate.pixel_bytes > estimate.free_disk_bytes:
        warnings.append(
            "The disk has no room for decoded crops: they will be decoded each time, which is slower than estimated. "
            "Free disk (iics clear-cache) or choose another folder (--pixels.cache-dir)."
        )
    return warnings


def _gigabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 5e7 else f"{num_bytes / 1e6:.1f} MB"
