"""Progress as people see it: a live display on a terminal, a live line in a notebook, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from iics.training.progress import ProgressCallback, ProgressEvent

SECONDS_BETWEEN_LINES = 30.0
SECONDS_BETWEEN_UPDATES = 0.3
_TRAINING_BAR_WIDTH = 6  # leaves room for the longest texts beside it in 80 columns


@contextmanager
def training_display(stream: TextIO | None = None) -> Iterator[ProgressCallback]:
    """Yield a callback that shows stage, round, loss, images per second and time left.

    Args:
        stream: Where; by default below the cell of a notebook, and on standard error elsewhere.
    """
    pace = Pace()
    if stream is None and Console().is_jupyter:
        yield NotebookLine(pace).show
        return
    stream = stream or sys.stderr
    if not stream.isatty():
        yield PlainLines(stream, pace).show
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=_TRAINING_BAR_WIDTH),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=Console(file=stream), transient=True) as bars:
        task = bars.add_task("starting", total=None, speed="", left="")

        def show(event: ProgressEvent) -> None:
            pace.add(event)
            bars.update(
                task,
                description=f"{place(event)}  {_phase_or_loss(event):<17}",
                completed=event.done,
                total=event.total,
                speed=pace.speed(),
                left=pace.time_left(event),
            )

        yield show


@contextmanager
def count_display(name: str, total: int, stream: TextIO | None = None) -> Iterator[Callable[[int], None]]:
    """Yield a callback that takes the number of crops just done; shows nothing where there is no terminal."""
    stream = stream or sys.stderr
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=stream), transient=True, disable=not stream.isatty()) as bars:
        task: TaskID = bars.add_task(name, total=total)
        yield lambda num_done: bars.update(task, advance=num_done)


@contextmanager
def step_display(stream: TextIO | None = None) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a callback that takes what is done, how much of it, and of how much; shows nothing without a terminal."""
    stream = stream or sys.stderr
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=stream), transient=True, disable=not stream.isatty()) as bars:
        task: TaskID = bars.add_task("", total=None)
        yield lambda name, done, total: bars.update(task, description=name, completed=done, total=total)


class Pace:
    """How fast a run goes: images per second of the phase, seconds left of the run."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._phase: tuple[int, str] | None = None
        self._phase_start = self._now = clock()
        self._images = 0
        self._round = 0
        self._round_start = clock()
        self._finished_rounds: list[float] = []

    def add(self, event: ProgressEvent) -> None:
        """Take note of a step."""
        now = self._clock()
        if event.round_number != self._round:
            if self._round:
                self._finished_rounds.append(now - self._round_start)
            self._round, self._round_start = event.round_number, now
        if (event.round_number, event.phase) != self._phase:
            # The first step of a phase only starts the clock: what came before it is not the phase's.
            self._phase, self._phase_start, self._images = (event.round_number, event.phase), now, 0
        else:
            self._images += event.num_images
        self._now = now

    def speed(self) -> str:
        """Return images per second of the phase, "" while unknown."""
        seconds = self._now - self._phase_start
        return f"{self._images / seconds:.0f} images/s" if seconds > 0 and self._images else ""

    def time_left(self, event: ProgressEvent) -> str:
        """Return the time left of the run and of those that follow it, "" until a round is finished."""
        if not self._finished_rounds:
            return ""
        a_round = sum(self._finished_rounds) / len(self._finished_rounds)
        rounds_left = event.num_rounds * (1 + event.runs_left) - event.round_number + 1
        seconds = max(0.0, a_round * rounds_left - (self._now - self._round_start))
        return f"{format_seconds(seconds)} left"


class PlainLines:
    """A line when a phase starts, every half minute within it, and when it ends."""

    def __init__(self, stream: TextIO, pace: Pace, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._pace, self._clock = stream, pace, clock
        self._last = -SECONDS_BETWEEN_LINES
        self._phase: tuple[int, str] | None = None

    def show(self, event: ProgressEvent) -> None:
        """Write a line if it is time for one."""
        self._pace.add(event)
        now = self._clock()
        if self._phase != (event.round_number, event.phase):
            self._phase, self._last = (event.round_number, event.phase), now
            is_due = event.total > 1 and event.done == event.total
        else:
            is_due = event.done == event.total or now - self._last >= SECONDS_BETWEEN_LINES
        if not is_due:
            return
        self._last = now
        self._stream.write(_line(event, self._pace) + "\n")
        self._stream.flush()


class NotebookLine:
    """One line below the cell, replaced as training goes on; rich's own display needs ipywidgets, and warns without."""

    def __init__(self, pace: Pace, clock: Callable[[], float] = time.monotonic) -> None:
        from IPython.display import display  # there is no notebook without it

        self._pace, self._clock, self._last = pace, clock, 0.0
        self._shown = display({"text/plain": "starting"}, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def show(self, event: ProgressEvent) -> None:
        """Replace the line, a few times a second at most: a notebook's page keeps up with no more."""
        self._pace.add(event)
        if event.done == event.total or self._clock() - self._last >= SECONDS_BETWEEN_UPDATES:
            self._last = self._clock()
            self._shown.update({"text/plain": _line(event, self._pace)}, raw=True)


def _line(event: ProgressEvent, pace: Pace) -> str:
    parts = [
        place(event),
        event.phase,
        f"{event.done}/{event.total}",
        "" if event.loss is None else f"loss {event.loss:.3f}",
        pace.speed(),
        pace.time_left(event),
    ]
    return "  ".join(part for part in parts if part)


def place(event: ProgressEvent) -> str:
    """Return where in the run an event is: round 2/6, or before training."""
    return f"round {event.round_number}/{event.num_rounds}" if event.round_number else "before training"


def _phase_or_loss(event: ProgressEvent) -> str:
    """Return the phase; of a training phase its stage and the loss, as 80 columns have no room for more."""
    return event.phase if event.loss is None else f"{event.stage}: loss {event.loss:.2f}"


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun: 1 round, 4 rounds."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def format_seconds(seconds: float) -> str:
    """Return a duration as people write it: 45 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
