"""Time and peak memory of pieces of work."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

_STATM = Path("/proc/self/statm")
_PAGE_BYTES = 4096
_SECONDS_BETWEEN_LOOKS = 0.005


@dataclass(frozen=True)
class Measured(Generic[T]):
    """What a piece of work gave and cost.

    Attributes:
        result: What it returned, the last time.
        seconds: Median over the repeats.
        peak_bytes: Most memory the whole process held meanwhile; None where the kernel does not tell.
    """

    result: T
    seconds: float
    peak_bytes: int | None


def measured(work: Callable[[], T], *, repeats: int = 1, before: Callable[[], object] | None = None) -> Measured[T]:
    """Run some work and return its result, median time and peak memory, looked at every few milliseconds.

    Args:
        work: What is measured; its last result must not be needed by the next run.
        repeats: How often, at least once.
        before: Run before every repeat, not timed.

    Raises:
        ValueError: If `repeats` is below 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}.")
    seconds: list[float] = []
    results: list[T] = []
    with _PeakMemory() as memory:
        for _ in range(repeats):
            results.clear()  # makes room for the next
            if before is not None:
                before()
            start = time.perf_counter()
            results.append(work())
            seconds.append(time.perf_counter() - start)
    return Measured(results[0], statistics.median(seconds), memory.peak)


def seconds_in_turn(
    works: Mapping[str, Callable[[], object]], *, repeats: int, finish: Callable[[], object] | None = None
) -> dict[str, float]:
    """Return the median time of several pieces of work, run in turn: what slows the machine for a while slows them all.

    Args:
        works: What is timed, by name; each runs once before, untimed.
        repeats: How often, at least once.
        finish: Run within the time of each: waits for a device that works on by itself.

    Raises:
        ValueError: If `repeats` is below 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}.")
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for repeat in range(repeats + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if finish is not None:
                finish()
            if repeat > 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


class _PeakMemory:
    """Watches how much memory the process holds."""

    def __init__(self) -> None:
        self.peak: int | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _PeakMemory:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._stop.wait(_SECONDS_BETWEEN_LOOKS):
            self._look()

    def _look(self) -> None:
        if _STATM.exists():
            now = int(_STATM.read_text().split()[1]) * _PAGE_BYTES
            self.peak = max(now, self.peak or 0)
