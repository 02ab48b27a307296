"""What is timed of training: a step of either stage, an extraction of features, as training does it.

Weights and pixels are random. A step goes from uint8 pixels, in memory or held by a GPU, to new weights, augmentation
included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from iics.computing_settings import EngineSettings
from iics.config import Settings, Stage1Settings, Stage2Settings
from iics.crops import CropSet
from iics.methods.iics.stage1 import sum_over_cameras
from iics.model_settings import AugmentSettings, ModelSettings, NormKind
from iics.models.backbone_spec import backbone_spec
from iics.models.heads import BNNeckHead
from iics.models.reid_model import create_model
from iics.pixels.held_pixels import held_if_they_fit
from iics.training.context import TrainingContext
from iics.training.engine import Engine
from iics.training.label_training import LabelBatches, train_on_labels
from iics.training.losses import ClassifierAndTriplet
from iics.training.randomness import seeded_starting_weights
from iics.training.step import train_step, training_steps
from iics.training.step_terms import StepTerms

Phase = Literal["stage1", "stage2", "features"]
Work = Callable[[], object]

STAGE1_CLUSTERS, STAGE2_CLUSTERS = 600, 800
MAX_EXTRACTED_AT_ONCE = 128


@dataclass(frozen=True)
class Workload:
    """What is computed.

    Attributes:
        backbone: By name.
        height: Rows of a crop, in pixels.
        width: Columns of a crop, in pixels.
        num_cameras: C of stage 1.
        crops_per_camera: K of stage 1.
        clusters_per_batch: P of stage 2.
        crops_per_cluster: K of stage 2.
        num_extracted: Crops whose features are extracted, at most 128 at once.
        engine: How ours is computed.
        augment: What ours does to crops.
        seed: Of weights, pixels and augmentation.
        last_stride: Of the backbone.
        mirror: Whether features are of mirror images, too.
    """

    backbone: str = "resnet50"
    height: int = 256
    width: int = 128
    num_cameras: int = 6
    crops_per_camera: int = 8
    clusters_per_batch: int = 16
    crops_per_cluster: int = 4
    num_extracted: int = 64
    engine: EngineSettings = field(default_factory=EngineSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    seed: int = 0
    last_stride: Literal[1, 2] = 1
    mirror: bool = True

    def num_crops(self, phase: Phase) -> int:
        """Return the crops of a step or an extraction."""
        if phase == "features":
            return self.num_extracted
        if phase == "stage1":
            return self.num_cameras * self.crops_per_camera
        return self.clusters_per_batch * self.crops_per_cluster


def training_context(phase: Phase, workload: Workload, *, norm: NormKind, engine: Engine) -> TrainingContext:
    """Return a working place with random weights and as many random crops as a run of the phase takes.

    Raises:
        SettingsError: If there is no such backbone.
    """
    num_crops = workload.num_crops(phase)
    settings = Settings(
        model=ModelSettings(
            backbone=workload.backbone,
            weights="none",
            norm=norm,
            last_stride=workload.last_stride,
            height=workload.height,
            width=workload.width,
            mirror=workload.mirror,
        ),
        augment=workload.augment,
        stage1=Stage1Settings(crops_per_camera=workload.crops_per_camera),
        stage2=Stage2Settings(
            clusters_per_batch=workload.clusters_per_batch, crops_per_cluster=workload.crops_per_cluster
        ),
        inference_batch_size=MAX_EXTRACTED_AT_ONCE,
    )
    with seeded_starting_weights(workload.seed):
        model = create_model(settings.model, device=engine.device)
    model.backbone.to(memory_format=engine.memory_format)
    shape = (num_crops, workload.height, workload.width, 3)
    pixels = np.random.default_rng(workload.seed).integers(0, 256, shape, dtype=np.uint8)
    return TrainingContext(
        model=model,
        crops=CropSet(
            paths=tuple(Path(f"{number}.png") for number in range(num_crops)),
            camera_ids=np.zeros(num_crops, np.int64),
            camera_names=("random",),
        ),
        pixels=held_if_they_fit(pixels, engine.device, leaving=0),
        settings=settings,
        generator=torch.Generator().manual_seed(workload.seed),
        network=engine.network(model.backbone),
        engine=engine,
    )


def our_work(phase: Phase, context: TrainingContext, *, num_steps: int = 1) -> Work:
    """Return what training does in a run of a phase, on the context's model; a stage's steps return their mean loss."""
    if phase == "features":
        return lambda: context.raw_features()
    return (_our_stage1 if phase == "stage1" else _our_stage2)(context, num_steps)


def _our_stage1(context: TrainingContext, num_steps: int) -> Work:
    settings = context.settings.stage1
    per_camera, batch = settings.crops_per_camera, torch.arange(len(context.pixels))
    heads, targets = stage1_heads(context), stage1_targets(context)
    optimiser = context.optimiser(
        nn.ModuleList(heads), backbone_rate=settings.backbone_learning_rate, head_rate=settings.head_learning_rate
    )

    def steps() -> float:
        loss_of, seen = sum_over_cameras(heads, targets, crops_per_camera=per_camera), StepTerms(context, num_steps)
        with training_steps(context):
            for _ in range(num_steps):
                terms = train_step(context, optimiser, batch, unit=per_camera, group_size=per_camera, loss_of=loss_of)
                seen.add(terms, num_images=len(batch))
        return seen.means()[0]

    return steps


def _our_stage2(context: TrainingContext, num_steps: int) -> Work:
    settings = context.settings.stage2
    loss, targets = stage2_loss(context), stage2_targets(context)
    optimiser = context.optimiser(
        loss, backbone_rate=settings.backbone_learning_rate, head_rate=settings.head_learning_rate
    )

    def steps() -> float:
        batches = LabelBatches(settings.clusters_per_batch, settings.crops_per_cluster, [1.0] * num_steps)
        return train_on_labels(context, loss, targets, optimiser, batches)["loss"]

    return steps


def stage1_heads(context: TrainingContext) -> list[BNNeckHead]:
    """Return a new head for each camera, the same every time."""
    num_cameras = len(context.pixels) // context.settings.stage1.crops_per_camera
    return [_head(context, STAGE1_CLUSTERS, seed=camera) for camera in range(num_cameras)]


def stage2_loss(context: TrainingContext) -> ClassifierAndTriplet:
    """Return a new loss with its head, the same every time."""
    settings = context.settings.stage2
    return ClassifierAndTriplet(
        backbone_spec(context.settings.model.backbone).num_features,
        max(STAGE2_CLUSTERS, settings.clusters_per_batch),
        triplet_weight=settings.triplet_weight,
        triplet_margin=settings.triplet_margin,
        generator=torch.Generator().manual_seed(0),
    ).to(context.model.device)


def stage1_targets(context: TrainingContext) -> Tensor:
    """Return another cluster for each crop of a camera, on the model's device. Shape (n,)."""
    crops = torch.arange(len(context.pixels), device=context.model.device)
    return crops % context.settings.stage1.crops_per_camera % STAGE1_CLUSTERS


def stage2_targets(context: TrainingContext) -> Tensor:
    """Return as many clusters as a batch has, of equal size, on the CPU. Shape (n,)."""
    return torch.arange(len(context.pixels)) // context.settings.stage2.crops_per_cluster


def _head(context: TrainingContext, num_clusters: int, *, seed: int = 0) -> BNNeckHead:
    num_features = backbone_spec(context.settings.model.backbone).num_features
    generator = torch.Generator().manual_seed(seed)
    return BNNeckHead(num_features, num_clusters, generator=generator).to(context.model.device)
