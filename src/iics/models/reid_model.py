"""What a user loads: weights and preprocessing in one file, crops in, features out."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors.torch import save as save_tensors
from torch import nn

from iics.atomic import write_atomically
from iics.config import ModelSettings
from iics.data.crops import CropSet
from iics.data.images import load_pixels, resized
from iics.data.pixel_source import Pixels
from iics.data.shown_picture import as_shown
from iics.errors import DataError, WeightsError
from iics.features import extract_features, l2_normalise
from iics.models.authors_checkpoint import is_authors_state
from iics.models.backbone import backbone_spec, create_backbone
from iics.models.model_header import FORMAT_VERSION, HEADER_KEY, ModelHeader, header_values, read_model_file
from iics.models.transfer import load_into, model_file_of, weights_file
from iics.models.weights import read_weights

CROPS_PER_BLOCK = 4096
"""Crops decoded at once by `ReidModel.embed`: 0.4 GB at 256x128."""


class ReidModel:
    """A backbone with its preprocessing.

    Attributes:
        backbone: Network from normalised images (n, 3, h, w) to raw features (n, d).
        header: What the backbone is and what it takes.
        device: Where the backbone is.
    """

    def __init__(self, backbone: nn.Module, header: ModelHeader, *, device: torch.device) -> None:
        self.backbone = backbone.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.header = header
        self.device = device

    @property
    def num_features(self) -> int:
        """Length of a feature vector."""
        return backbone_spec(self.header.backbone).num_features

    def embed(
        self,
        images: CropSet | Pixels | Sequence[Image.Image | Path | str],
        *,
        batch_size: int = 128,
        progress: Callable[[int], None] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return the features of person crops: mean over image and mirror image, L2-normalised.

        Args:
            images: A crop set, RGB pixels of the model's input size as uint8 (n, h, w, 3), or pictures or files, which
                are read as a viewer shows them (`iics.data.shown_picture`).
            batch_size: Crops forwarded at once.
            progress: Called after each batch with the number of crops in it.

        Returns:
            Features; the cosine of two rows is their product. Shape (n, d).

        Raises:
            DataError: If an image cannot be read or shown.
            ValueError: If there are no images, or pixels are not of the model's input size.
        """
        blocks = [
            extract_features(
                self.backbone,
                pixels,
                mean=self.header.mean,
                std=self.header.std,
                batch_size=batch_size,
                device=self.device,
                progress=progress,
            )
            for pixels in self._pixel_blocks(images)
        ]
        features: npt.NDArray[np.float32] = l2_normalise(torch.cat(blocks)).cpu().numpy()
        return features

    def save(self, path: Path | str) -> None:
        """Write weights and header to one safetensors file, atomically."""
        header = header_values(self.header) | {
            "format": FORMAT_VERSION,
            "versions": {name: importlib.metadata.version(name) for name in ("iics", "torch", "timm")},
        }
        # Layers that share an alpha list it once each; safetensors stores no shared memory, so each gets a copy.
        tensors = {key: value.detach().cpu().contiguous().clone() for key, value in self.backbone.state_dict().items()}
        write_atomically(Path(path), save_tensors(tensors, metadata={HEADER_KEY: json.dumps(header)}))

    def _pixel_blocks(self, images: CropSet | Pixels | Sequence[Image.Image | Path | str]) -> Iterator[Pixels]:
        """Yield the pixels of the images, a block of crops at a time: a gallery need not fit into memory."""
        size = (self.header.height, self.header.width)
        if isinstance(images, str | Path) or len(images) == 0:
            raise ValueError(f"Pass a list of at least one picture or file, got {images!r}.")
        if isinstance(images, np.ndarray):
            if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (*size, 3):
                raise ValueError(
                    f"Pixels must be uint8 of shape (n, {size[0]}, {size[1]}, 3), got {images.dtype} {images.shape}; "
                    "pass pictures or files to have them resized."
                )
            yield images
            return
        if not isinstance(images, CropSet):
            pictures = [image for image in images if isinstance(image, Image.Image)]
            if pictures and len(pictures) < len(images):
                raise ValueError("Pass pictures or files, not a mixture of both.")
            if pictures:
                yield np.stack([resize_picture(picture, *size) for picture in pictures])
                return
            files = tuple(Path(image) for image in images if not isinstance(image, Image.Image))
            images = CropSet(paths=files, camera_ids=np.zeros(len(files), dtype=np.int64), camera_names=("unknown",))
        for start in range(0, len(images), CROPS_PER_BLOCK):
            block = images.subset(np.arange(start, min(start + CROPS_PER_BLOCK, len(images))))
            yield load_pixels(block, height=size[0], width=size[1])


def resize_picture(picture: Image.Image, height: int, width: int) -> Pixels:
    """Return what is shown of a picture as the pixels the network takes: RGB, bicubic. Shape (height, width, 3).

    Raises:
        DataError: If nothing can be shown of it.
    """
    try:
        shown = as_shown(picture)
    except DataError as error:
        raise DataError(f"A picture of {picture.width} x {picture.height} pixels cannot be used: {error}.") from error
    return resized(shown, height=height, width=width)


def create_model(settings: ModelSettings, *, device: torch.device) -> ReidModel:
    """Return a model to train: the backbone with its starting weights, norms replaced.

    Raises:
        SettingsError: If backbone or norm stages are unknown.
        WeightsError: If the weights cannot be had or do not fit.
    """
    header = ModelHeader.from_settings(settings)
    is_file = settings.weights not in ("imagenet", "none")
    model_file = model_file_of(settings.weights) if is_file else None
    weights = str(weights_file(settings.weights)) if is_file else settings.weights
    backbone = create_backbone(
        settings.backbone,
        weights="none" if model_file is not None else weights,
        norm=settings.norm,
        norm_stages=settings.norm_stages,
        alpha_sharing=settings.alpha_sharing,
    )
    if model_file is not None:
        load_into(backbone, header, model_file)
    return ReidModel(backbone, header, device=device)


def load_foreign_weights(
    weights: Path | str, *, backbone: str, height: int = 256, width: int = 128, device: str | torch.device = "cpu"
) -> ReidModel:
    """Return a model with weights that others trained, to measure or use as they are.

    Args:
        weights: `imagenet`, a file in torchvision's or timm's key names (its batch norms stay what they are), or a
            checkpoint that the authors of IICS published (AIBN in layer3 and layer4 of a resnet50).
        backbone: By its timm name.
        height: Height that crops are resized to, in pixels.
        width: Width that crops are resized to, in pixels.
        device: Where to compute.

    Raises:
        SettingsError: If the backbone is unknown or the size too small.
        WeightsError: If the weights cannot be had or do not fit.
    """
    ours = None if weights == "imagenet" else model_file_of(str(weights))
    if ours is not None:
        raise WeightsError(
            f"{ours} is a model of ours and knows what it is: load_model reads it (iics evaluate MODEL)."
        )
    is_theirs = weights != "imagenet" and is_authors_state(read_weights(weights))
    settings = ModelSettings(
        backbone=backbone, weights=str(weights), norm="aibn" if is_theirs else "bn", height=height, width=width
    )
    model = create_model(settings, device=torch.device(device))
    model.backbone.eval()
    return model


def load_model(path: Path | str, *, device: str | torch.device = "cpu") -> ReidModel:
    """Return the model in a file that `ReidModel.save` wrote; no other file is needed.

    Raises:
        WeightsError: If the file is missing, corrupt, not ours, or made by a newer version.
    """
    file = Path(path)
    header, tensors = read_model_file(file)
    backbone = create_backbone(
        header.backbone,
        weights="none",
        norm=header.norm,
        norm_stages=header.norm_stages,
        alpha_sharing=header.alpha_sharing,
    )
    try:
        backbone.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())  # torch breaks lines
        raise WeightsError(f"{file} does not hold the tensors its header describes: {reason}") from error
    return ReidModel(backbone.eval(), header, device=torch.device(device))
