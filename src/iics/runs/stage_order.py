"""Which stages a run has and in what order (Fig. 2), and what is left of them after a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator

from iics.config import Settings
from iics.runs.checkpoint import Checkpoint, StageName

STAGE_NUMBERS: dict[StageName, int] = {"stage1": 1, "stage2": 2, "supervised": 3}
"""What a stage's random choices are seeded by."""


def remaining_stages(settings: Settings, checkpoint: Checkpoint | None) -> Iterator[tuple[int, StageName]]:
    """Yield round (from 0) and stage of everything that is still to do, in order."""
    stages: tuple[StageName, ...] = ("stage1", "stage2") if settings.stages == "both" else (settings.stages,)
    done = (-1, "") if checkpoint is None else (checkpoint.round_index, checkpoint.stage)
    for round_index in range(settings.rounds):
        for stage in stages:
            if (round_index, stage) > done:
                yield round_index, stage


def ends_round(settings: Settings, stage: StageName) -> bool:
    """Return whether `stage` is the last one of a round."""
    return stage == "stage2" or settings.stages != "both"
