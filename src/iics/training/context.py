"""What every stage works on: the model, the crops' pixels, and the settings of the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from iics.config import Settings
from iics.crops import CropSet
from iics.device import wait_for
from iics.labelling.units import Units, single_crops, units_of
from iics.models.features import extract_features, l2_normalise
from iics.models.reid_model import ReidModel
from iics.models.tuning import learning_groups
from iics.pixels.augment import augment
from iics.pixels.augment_draws import draw_augmentation
from iics.pixels.held_pixels import pixels_on
from iics.pixels.pixel_source import PixelSource
from iics.similarity.pair_histograms import PairHistograms, pair_histograms
from iics.training.distributed import Processes
from iics.training.engine import Engine
from iics.training.progress import ProgressCallback, ProgressEvent, ignore


@dataclass(frozen=True, eq=False)
class TrainingContext:
    """One round's working place.

    Attributes:
        model: Being trained, in place.
        crops: What it is trained on; identities are only measured against, but for supervised training.
        pixels: The crops' pixels, in their order; perhaps held by the model's device.
        settings: Of the run.
        generator: Source of every random choice of the stage, on the CPU.
        network: The backbone as it is called, see `Engine.network`.
        engine: How the network is computed.
        processes: Who shares the work.
        progress: Told about every step.
        stage: Title of the stage at work, for progress and messages.
        round_index: Round at work, from 0.
    """

    model: ReidModel
    crops: CropSet
    pixels: PixelSource
    settings: Settings
    generator: torch.Generator
    network: Callable[[Tensor], Tensor]
    engine: Engine = field(default_factory=Engine)
    processes: Processes = field(default_factory=Processes)
    progress: ProgressCallback = ignore
    stage: str = ""
    round_index: int = 0

    def report(self, work: str, done: int, total: int, *, num_images: int = 0, loss: float | None = None) -> None:
        """Tell whoever listens that a step of some work is done; see `ProgressEvent`."""
        self.progress(
            ProgressEvent(
                round_number=self.round_index + 1,
                num_rounds=self.settings.rounds,
                work=work,
                done=done,
                total=total,
                num_images=num_images,
                loss=loss,
                stage=self.stage,
            )
        )

    def raw_features(self) -> Tensor:
        """Return raw features of all crops, as the model makes them. Processes share the crops. Shape (n, d)."""
        done, batch_size = 0, self.settings.inference_batch_size
        shares = self.processes.shares(len(self.pixels), unit=batch_size)
        own = self.processes.own(shares)

        def count(num_images: int) -> None:
            nonlocal done
            done += num_images
            if done == own.stop - own.start:
                wait_for(self.model.device)  # labelling needs all of them; so that the time counts as theirs
            self.report("features", done, own.stop - own.start, num_images=num_images)

        features = extract_features(
            self.model.backbone,
            self.pixels,
            mean=self.model.header.mean,
            std=self.model.header.std,
            mirror=self.model.header.mirror,
            batch_size=batch_size,
            device=self.model.device,
            crops=range(own.start, own.stop),
            network=self.network,
            progress=count,
        )
        return self.processes.gather_rows(features, shares)

    def units(self, raw: Tensor) -> Units:
        """Return what crops are labelled by, tracklets or crops, as the first process finds it; see `units_of`.

        Args:
            raw: Raw features. Shape (n, d).
        """
        if not self.settings.tracklets.are_used:
            return single_crops(len(self.crops))
        return self.processes.from_first(lambda: units_of(self.crops, l2_normalise(raw), self.settings.tracklets))

    def compare_pairs(self, raw: Tensor) -> PairHistograms:
        """Return how similar pairs of crops are, by kind of pair, as the first process finds it.

        Args:
            raw: Raw features. Shape (n, d).
        """
        crops = self.crops
        return self.processes.from_first(
            lambda: pair_histograms(l2_normalise(raw), crops.camera_ids, crops.identity_ids)
        )

    def augmented(self, batch: Tensor) -> Callable[[slice], Tensor]:
        """Draw how each crop of a batch is augmented; return a function from rows of it to their images.

        Everybody draws for the whole batch, so the images do not depend on who makes which.
        """
        _, height, width, _ = self.pixels.shape
        settings = self.settings.augment
        if not self.model.header.mirror:
            settings = replace(settings, mirror_probability=0.0)
        draws = draw_augmentation(len(batch), height, width, settings=settings, generator=self.generator)

        def images(rows: slice) -> Tensor:
            pixels, header = pixels_on(self.model.device, self.pixels, batch[rows]), self.model.header
            return augment(pixels, draws.rows(rows), mean=header.mean, std=header.std)

        return images

    def optimiser(self, heads: torch.nn.Module, *, backbone_rate: float, head_rate: float) -> torch.optim.Optimizer:
        """Return a new SGD (Sec. 4.2) with one rate for the heads and one for the backbone, or for each depth of it.

        Each group keeps its rate as "initial_lr" too, the base of a schedule (torch's name for it).
        """
        decay = self.settings.model.layer_decay
        groups = [
            *learning_groups(self.model.backbone, rate=backbone_rate, layer_decay=decay),
            *learning_groups(heads, rate=head_rate, layer_decay=1.0),
        ]
        return torch.optim.SGD(
            groups, lr=head_rate, momentum=self.settings.momentum, weight_decay=self.settings.weight_decay
        )
