"""What both stages work on: the model, the crops' pixels, and the settings of the run."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from iics.config import Settings
from iics.data.augment import augment
from iics.data.crops import CropSet
from iics.data.pixel_source import PixelSource
from iics.features import extract_features
from iics.models.reid_model import ReidModel
from iics.training.progress import PhaseCallback


@dataclass(frozen=True, eq=False)
class TrainingContext:
    """One round's working place.

    Attributes:
        model: Being trained, in place.
        crops: What it is trained on; identities are only ever measured against.
        pixels: The crops' pixels, in their order.
        settings: Of the run.
        generator: Source of every random choice of the stage, on the CPU.
        report: Told about progress.
    """

    model: ReidModel
    crops: CropSet
    pixels: PixelSource
    settings: Settings
    generator: torch.Generator
    report: PhaseCallback

    def raw_features(self, phase: str) -> Tensor:
        """Return raw features of all crops, averaged with the mirror image. Shape (n, d)."""
        done = 0

        def count(num_images: int) -> None:
            nonlocal done
            done += num_images
            self.report(phase, done, len(self.pixels), num_images, None)

        return extract_features(
            self.model.backbone,
            self.pixels,
            mean=self.model.header.mean,
            std=self.model.header.std,
            batch_size=self.settings.inference_batch_size,
            device=self.model.device,
            progress=count,
        )

    def training_images(self, indices: Tensor) -> Tensor:
        """Return augmented images of a batch of crops. Shape (len(indices), 3, h, w)."""
        return augment(
            torch.from_numpy(self.pixels[indices.numpy()]).to(self.model.device),
            settings=self.settings.augment,
            mean=self.model.header.mean,
            std=self.model.header.std,
            generator=self.generator,
        )

    def optimiser(self, heads: torch.nn.Module, *, backbone_rate: float, head_rate: float) -> torch.optim.Optimizer:
        """Return a new SGD (Sec. 4.2): constant rates, one for the backbone and one for the heads."""
        groups = [
            {"params": [p for p in self.model.backbone.parameters() if p.requires_grad], "lr": backbone_rate},
            {"params": [p for p in heads.parameters() if p.requires_grad], "lr": head_rate},
        ]
        return torch.optim.SGD(
            groups, lr=head_rate, momentum=self.settings.momentum, weight_decay=self.settings.weight_decay
        )
