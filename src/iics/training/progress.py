"""What training tells a caller while it works: plain events, shown or ignored by whoever listens."""

from __future__ import annotations

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
