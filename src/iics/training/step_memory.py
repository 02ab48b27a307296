"""Whether a training step and an extraction of features fit into memory, asked before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from iics.config import Settings
from iics.crops import CropSet
from iics.errors import TrainingError
from iics.memory import free_memory, free_on
from iics.models.map_memory import map_numbers
from iics.models.reid_model import ReidModel
from iics.training.engine import Engine


@dataclass(frozen=True)
class StepBatch:
    """Crops that go through the network at once.

    Attributes:
        num_crops: How many.
        flags: That say how many.
    """

    num_crops: int
    flags: str


def check_step_fits(
    model: ReidModel, crops: CropSet, settings: Settings, engine: Engine, batches: Sequence[StepBatch]
) -> float:
    """Return the bytes that the largest batch's feature maps take; refuse batches whose maps do not fit on the device.

    Processes on one machine share its memory and the batch; on GPUs, each has its own part of both.

    Raises:
        TrainingError: If they do not, with what they would take.
    """
    numbers = map_numbers(model.backbone, height=settings.model.height, width=settings.model.width)
    kept = numbers.kept_at_blocks if engine.recomputes else numbers.kept
    num_bytes = 2 if engine.dtype == torch.bfloat16 else 4
    on_cpu = engine.device.type == "cpu"
    free = free_memory() if on_cpu else free_on(engine.device)
    features = StepBatch(min(settings.inference_batch_size, len(crops)), "--inference-batch-size")
    works = [("A training step", batch, kept, settings.engine.parts) for batch in batches]
    most = 0.0
    for what, batch, numbers_a_crop, num_parts in [*works, ("Extracting features", features, numbers.largest, 1)]:
        needed = numbers_a_crop * num_bytes * batch.num_crops / num_parts
        most = max(most, needed)
        if free is not None and needed > free:
            size = f"{settings.model.height}x{settings.model.width}"
            in_parts = "" if batch is features else f" in parts (--engine.parts, now {num_parts}),"
            raise TrainingError(
                f"{what} of {batch.num_crops:,} crops at {size} needs about {needed / 1e9:,.1f} GB of memory, "
                f"{free / 1e9:.1f} GB are free. Take smaller batches ({batch.flags}),{in_parts} or smaller crops "
                "(--height, --width)."
            )
    return most
