"""What `iics check-data --estimate` prints: memory, disk and time of a run, and what that rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iics.progress_display import format_seconds

if TYPE_CHECKING:
    from iics.runs.estimate import RepeatedWork, RunEstimate


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
