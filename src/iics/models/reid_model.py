"""What a user loads: weights and preprocessing in one file, crops in, features out."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from iics.arrays import FloatArray
from iics.errors import SettingsError, WeightsError
from iics.model_settings import ModelSettings
from iics.models.backbone import build_network, create_backbone
from iics.models.backbone_spec import backbone_spec
from iics.models.camera_means import CameraMeans
from iics.models.features import extract_features, l2_normalise
from iics.models.foreign_checkpoint import ForeignCheckpoint
from iics.models.imagenet_weights import imagenet_problem
from iics.models.images_to_embed import Images, pixel_blocks
from iics.models.model_file import read_header, read_model_file, write_model_file
from iics.models.model_header import FORMAT_VERSION, ModelHeader, header_values
from iics.models.starting_weights import origin_of
from iics.models.transfer import load_into, model_file_of, weights_file
from iics.models.tuning import check_model, check_tuning, freeze_patch_embedding
from iics.models.weights import file_problem
from iics.models.weights_origin import WeightsOrigin
from iics.models.without_numbers import WithoutNumbers


class ReidModel:
    """A backbone with its preprocessing.

    Attributes:
        backbone: Network from normalised images (n, 3, h, w) to raw features (n, d).
        header: What the backbone is and what it takes.
        device: Where the backbone is.
        camera_means: What it makes of the cameras that it was trained on; None if that was not measured.
    """

    def __init__(
        self, backbone: nn.Module, header: ModelHeader, *, device: torch.device, camera_means: CameraMeans | None = None
    ) -> None:
        self.backbone = backbone.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.header = header
        self.device = device
        self.camera_means = camera_means

    @property
    def num_features(self) -> int:
        """Length of a feature vector."""
        return self.header.parts.neck_features or backbone_spec(self.header.backbone).num_features

    def embed(
        self,
        images: Images,
        *,
        batch_size: int = 128,
        progress: Callable[[int], None] | None = None,
    ) -> FloatArray:
        """Return the features of crops, L2-normalised: mean over image and mirror image, unless that counts as another.

        Args:
            images: A crop set; pixels as uint8 (n, h, w, 3), or of one crop (h, w, 3); or a list of pictures and arrays
                of any sizes, or of files. Pictures and files are read as a viewer shows them
                (`iics.shown_picture`). Arrays are RGB, red first: OpenCV's are not (`frame[..., ::-1]`), which
                nothing here can tell. All are resized to the model's input, stretched or letterboxed as it was trained.
            batch_size: Crops forwarded at once.
            progress: Called after each batch with the number of crops in it.

        Returns:
            Features; the cosine of two rows is their product. Shape (n, d).

        Raises:
            DataError: If an image cannot be read or shown, or `images` is a split that the data does not have (None), a
                whole data set or a path.
            ValueError: If there are no images, or an array is none of crops.
            WeightsError: If a feature is not a number.
        """
        blocks = [
            extract_features(
                self.backbone,
                pixels,
                mean=self.header.mean,
                std=self.header.std,
                mirror=self.header.mirror,
                batch_size=batch_size,
                device=self.device,
                progress=progress,
            )
            for pixels in pixel_blocks(images, self.header)
        ]
        features: FloatArray = l2_normalise(torch.cat(blocks)).cpu().numpy()
        is_finite = np.isfinite(features).all(axis=1)
        if not is_finite.all():
            raise WeightsError(
                f"The model gives features that are no numbers (NaN) for {np.count_nonzero(~is_finite)} of "
                f"{len(features)} crops, the first is number {np.argmin(is_finite) + 1}: its weights are damaged or "
                "its training diverged. Take another model."
            )
        return features

    def save(self, path: Path | str) -> None:
        """Write weights, camera means and header to one safetensors file, atomically."""
        header = header_values(self.header) | {
            "format": FORMAT_VERSION,
            "versions": {name: importlib.metadata.version(name) for name in ("iics", "torch", "timm")},
        }
        # Layers that share an alpha list it once each; safetensors stores no shared memory, so each gets a copy.
        tensors = {key: value.detach().cpu().contiguous().clone() for key, value in self.backbone.state_dict().items()}
        if self.camera_means is not None:
            header |= {"camera_means": self.camera_means.values()}
            tensors |= self.camera_means.tensors()
        write_model_file(Path(path), header, tensors)


def create_model(settings: ModelSettings, *, device: torch.device) -> ReidModel:
    """Return a model to train: the backbone with its starting weights, norms replaced.

    Raises:
        SettingsError: If backbone or norm stages are unknown.
        WeightsError: If the weights cannot be had or do not fit.
    """
    header = ModelHeader.from_settings(settings)
    check_tuning(settings)
    is_file = settings.weights not in ("imagenet", "none")
    model_file = model_file_of(settings.weights) if is_file else None
    weights = str(weights_file(settings.weights)) if is_file else settings.weights
    backbone = create_backbone(
        settings.backbone,
        weights="none" if model_file is not None else weights,
        norm=settings.norm,
        norm_stages=settings.norm_stages,
        alpha_sharing=settings.alpha_sharing,
        last_stride=settings.last_stride,
        parts=header.parts,
        size=(settings.height, settings.width),
    )
    if model_file is not None:
        load_into(backbone, header, model_file)
    if settings.freeze_patch_embedding:
        freeze_patch_embedding(backbone)
    origin = read_header(model_file).origin if model_file is not None else started_from(settings.backbone, weights)
    return ReidModel(backbone, replace(header, origin=origin), device=device)


def started_from(backbone: str, weights: str) -> WeightsOrigin | None:
    """Return the weights that a network starts from, None for random ones."""
    spec = backbone_spec(backbone)
    return None if weights == "none" else origin_of(weights, known=spec.pretrained, package=spec.weights_package)


def starting_problem(settings: ModelSettings, *, may_download: bool = True) -> str | None:
    """Return why a network cannot start with its weights, as far as that shows without reading them; None if it can.

    Nothing is downloaded; whether that could be is found out in two seconds, and not asked unless it may.

    Raises:
        SettingsError: If the backbone is unknown, or cannot be what the settings want.
    """
    spec = backbone_spec(settings.backbone)
    check_model(settings)
    if settings.weights == "imagenet":
        return imagenet_problem(spec.pretrained, package=spec.weights_package, may_download=may_download)
    return None if settings.weights == "none" else file_problem(weights_file(settings.weights))


def load_model(path: Path | str, *, device: str | torch.device = "cpu") -> ReidModel:
    """Return the model in a file that `ReidModel.save` wrote, or in a run folder; no other file is needed.

    Args:
        path: The file, or the run folder that holds it as model.safetensors.
        device: Where to compute.

    Raises:
        WeightsError: If the file is missing, corrupt, not ours, made by a newer version, or its weights are no numbers.
    """
    file = weights_file(path)
    found = read_model_file(file)
    try:
        with WithoutNumbers():
            backbone = network_of(found.header)
        backbone.load_state_dict(found.weights)
    except (RuntimeError, SettingsError) as error:
        reason = " ".join(str(error).split())  # torch breaks lines
        raise WeightsError(f"{file} does not hold the tensors its header describes: {reason}") from error
    model = ReidModel(backbone.eval(), found.header, device=torch.device(device), camera_means=found.camera_means)
    if model.camera_means is not None and len(model.camera_means.of_all) != model.num_features:
        raise WeightsError(
            f"{file} is damaged: its camera means have {len(model.camera_means.of_all)} numbers, its features "
            f"{model.num_features}. Take a copy of it that is whole."
        )
    return model


def network_of(header: ModelHeader, *, checkpoint: ForeignCheckpoint | None = None, source: str = "") -> nn.Module:
    """Return the network that a header describes."""
    return build_network(
        header.backbone,
        norm=header.norm,
        norm_stages=header.norm_stages,
        alpha_sharing=header.alpha_sharing,
        last_stride=header.last_stride,
        parts=header.parts,
        checkpoint=checkpoint,
        source=source,
        size=(header.height, header.width),
    )
