"""What training tells a caller while it works: plain events, shown or ignored by whoever listens, and timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class ProgressEvent:
    """A step of a phase is done.

    Attributes:
        round_number: Round at work, from 1.
        num_rounds: Rounds of the run.
        phase: What is being done, e.g. "stage 1: train".
        done: Steps or crops done in this phase, up to `total`.
        total: Steps or crops of the phase.
        num_images: Images that went through the network since the last event of the phase.
        loss: Loss of the step, where there is one.
    """

    round_number: int
    num_rounds: int
    phase: str
    done: int
    total: int
    num_images: int = 0
    loss: float | None = None


ProgressCallback = Callable[[ProgressEvent], None]
PhaseCallback = Callable[[str, int, int, int, float | None], None]
"""Phase, done, total, images, loss: a `ProgressCallback` bound to one round."""


def bind_round(progress: ProgressCallback | None, *, round_number: int, num_rounds: int) -> PhaseCallback:
    """Return a callback that fills in the round; one that does nothing if nobody listens."""

    def report(phase: str, done: int, total: int, num_images: int, loss: float | None) -> None:
        if progress is not None:
            progress(ProgressEvent(round_number, num_rounds, phase, done, total, num_images, loss))

    return report


class PhaseTimes:
    """Passes a stage's events on and takes the time: an event's phase gets what has passed since the event before.

    Args:
        report: Who is told.
        clock: Seconds.
    """

    def __init__(self, report: PhaseCallback, clock: Callable[[], float] = time.perf_counter) -> None:
        self._report, self._clock = report, clock
        self._last = clock()
        self._seconds: dict[str, float] = {}
        self._images: dict[str, int] = {}

    def __call__(self, phase: str, done: int, total: int, num_images: int, loss: float | None) -> None:
        """Pass an event on."""
        now = self._clock()
        self._seconds[phase] = self._seconds.get(phase, 0.0) + now - self._last
        self._images[phase] = self._images.get(phase, 0) + num_images
        self._last = now
        self._report(phase, done, total, num_images, loss)

    def summary(self) -> dict[str, dict[str, float]]:
        """Return the seconds of each phase and, where images went through the network, images per second."""
        phases = {}
        for phase, seconds in self._seconds.items():
            numbers = {"seconds": round(seconds, 2)}
            if self._images[phase] and seconds > 0:
                numbers["images_per_second"] = round(self._images[phase] / seconds, 1)
            phases[phase.replace(" ", "").replace(":", "_")] = numbers
        return phases
