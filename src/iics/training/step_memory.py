"""Whether a training step and an extraction of features fit into memory, asked before anything is computed."""

from __future__ import annotations

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
class _Batch:
    """Crops that go through the network at once, and the flags that say how many."""

    what: str
    num_crops: int
    flags: str
    num_parts: int = 1


def check_step_fits(model: ReidModel, crops: CropSet, settings: Settings, engine: Engine) -> None:
    """Refuse batches whose feature maps do not fit into the memory that is free on the device.

    Processes on one machine share its memory and the batch; on GPUs, each has its own part of both.

    Raises:
        TrainingError: If they do not, with what they would take.
    """
    numbers = map_numbers(model.backbone, height=settings.model.height, width=settings.model.width)
    num_bytes = 2 if engine.dtype == torch.bfloat16 else 4
    on_cpu = engine.device.type == "cpu"
    free = free_memory() if on_cpu else free_on(engine.device)
    features = _Batch("Extracting features", min(settings.inference_batch_size, len(crops)), "--inference-batch-size")
    works = [(batch, numbers.kept) for batch in _batches(crops, settings)] + [(features, numbers.largest)]
    for batch, numbers_a_crop in works:
        needed = numbers_a_crop * num_bytes * batch.num_crops / batch.num_parts
        if free is not None and needed > free:
            size = f"{settings.model.height}x{settings.model.width}"
            in_parts = "" if batch is features else f" in parts (--engine.parts, now {batch.num_parts}),"
            raise TrainingError(
                f"{batch.what} of {batch.num_crops:,} crops at {size} needs about {needed / 1e9:,.1f} GB of memory, "
                f"{free / 1e9:.1f} GB are free. Take smaller batches ({batch.flags}),{in_parts} or smaller crops "
                "(--height, --width)."
            )


def _batches(crops: CropSet, settings: Settings) -> list[_Batch]:
    """Return the batches that the stages of a round train on."""
    num_cameras = sum(count > 1 for count in torch.tensor(crops.camera_ids).bincount().tolist())
    stage1, stage2, supervised = settings.stage1, settings.stage2, settings.supervised
    parts, stages = settings.engine.parts, settings.stages
    step = "A training step"
    if stages == "supervised":
        flags = "--supervised.identities-per-batch, --supervised.crops-per-identity"
        return [_Batch(step, supervised.identities_per_batch * supervised.crops_per_identity, flags, parts)]
    of_stage1 = _Batch(step, num_cameras * stage1.crops_per_camera, "--stage1.crops-per-camera", parts)
    flags = "--stage2.clusters-per-batch, --stage2.crops-per-cluster"
    of_stage2 = _Batch(step, stage2.clusters_per_batch * stage2.crops_per_cluster, flags, parts)
    return {"both": [of_stage1, of_stage2], "stage1": [of_stage1], "stage2": [of_stage2]}[stages]
