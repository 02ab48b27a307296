"""A model with weights that others trained, which computes what their network computes."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import torch

from iics.errors import WeightsError
from iics.model_settings import ModelSettings
from iics.models.backbone import read_checkpoint
from iics.models.model_header import ModelHeader
from iics.models.network_parts import LastStride
from iics.models.reid_model import ReidModel, network_of, started_from
from iics.models.starting_weights import check_fits
from iics.models.transfer import model_file_of

logger = logging.getLogger(__name__)


def load_foreign_weights(
    weights: Path | str,
    *,
    backbone: str,
    height: int = 256,
    width: int = 128,
    last_stride: LastStride | None = None,
    device: str | torch.device = "cpu",
) -> ReidModel:
    """Return a model with weights that others trained, to measure or use: it computes what their network computes.

    Args:
        weights: `imagenet` (what timm has for the backbone), a file in torchvision's or timm's key names, or a
            checkpoint of the authors of IICS, reid-strong-baseline (BoT), fast-reid, layumi's
            Person_reID_baseline_pytorch or torchreid.
        backbone: By its timm name; or `hf-hub:OWNER/NAME`, `local-dir:FOLDER`.
        height: Height that crops are resized to, in pixels.
        width: Width that crops are resized to, in pixels.
        last_stride: Stride of the last stage, 1 or 2; None for that of the program that trained the weights.
        device: Where to compute.

    Raises:
        SettingsError: If the backbone is unknown, or the size or stride makes no sense.
        WeightsError: If the weights cannot be had, do not fit, or are of a network that we cannot compute.
    """
    ours = None if weights == "imagenet" else model_file_of(str(weights))
    if ours is not None:
        raise WeightsError(
            f"{ours} is a model of ours and knows what it is: load_model reads it (iics evaluate MODEL)."
        )
    checkpoint = read_checkpoint(backbone, str(weights))
    settings = ModelSettings(
        backbone=backbone,
        weights=str(weights),
        norm=checkpoint.norm,
        norm_stages=checkpoint.norm_stages,
        last_stride=checkpoint.last_stride if last_stride is None else last_stride,
        height=height,
        width=width,
    )
    header = replace(
        ModelHeader.from_settings(settings),
        interpolation=checkpoint.interpolation,
        parts=checkpoint.parts,
        origin=started_from(backbone, str(weights)),
    )
    if checkpoint.mean is not None and checkpoint.std is not None:
        header = replace(header, mean=checkpoint.mean, std=checkpoint.std)
    check_fits(
        checkpoint,
        backbone=backbone,
        norm=header.norm,
        norm_stages=settings.norm_stages,
        alpha_sharing=header.alpha_sharing,
        source=str(weights),
    )
    network = network_of(header, checkpoint=checkpoint, source=str(weights))
    logger.info("%s", checkpoint.described(header.last_stride))
    return ReidModel(network.eval(), header, device=torch.device(device))
