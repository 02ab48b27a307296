"""What training tells a caller while it works: plain events, shown or ignored by whoever listens, and timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ProgressEvent:
    """A step of some work is done.

    Attributes:
        round_number: Round at work, from 1; 0 before training.
        num_rounds: Rounds of the run.
        work: What is being done, e.g. "train".
        done: Steps or crops done of this work, up to `total`.
        total: Steps or crops of it.
        num_images: Images that went through the network since the last event of the work.
        loss: Loss of the step, or of one shortly before it on a GPU, where there is one.
        stage: Title of the stage that does it, e.g. "stage 1"; "" outside of stages.
        runs_left: Runs like this one that follow it, e.g. of other seeds.
    """

    round_number: int
    num_rounds: int
    work: str
    done: int
    total: int
    num_images: int = 0
    loss: float | None = None
    stage: str = ""
    runs_left: int = 0

    @property
    def phase(self) -> str:
        """Stage and work, e.g. "stage 1: train"."""
        return f"{self.stage}: {self.work}" if self.stage else self.work


ProgressCallback = Callable[[ProgressEvent], None]


def ignore(_event: ProgressEvent) -> None:
    """Listen to nothing."""


class WorkTimes:
    """Passes a stage's events on and takes the time: an event's work gets what has passed since the event before."""

    def __init__(self, progress: ProgressCallback, clock: Callable[[], float] = time.perf_counter) -> None:
        self._progress, self._clock = progress, clock
        self._last = clock()
        self._seconds: dict[str, float] = {}
        self._images: dict[str, int] = {}

    def __call__(self, event: ProgressEvent) -> None:
        """Pass an event on."""
        now = self._clock()
        self._seconds[event.work] = self._seconds.get(event.work, 0.0) + now - self._last
        self._images[event.work] = self._images.get(event.work, 0) + event.num_images
        self._last = now
        self._progress(event)

    def summary(self) -> dict[str, dict[str, float]]:
        """Return the seconds of each work and, where images went through the network, images per second."""
        works = {}
        for work, seconds in self._seconds.items():
            numbers = {"seconds": round(seconds, 2)}
            if self._images[work] and seconds > 0:
                numbers["images_per_second"] = round(self._images[work] / seconds, 1)
            works[work] = numbers
        return works
