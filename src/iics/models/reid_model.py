"""What a user loads: weights and preprocessing in one file, crops in, features out."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from iics.atomic import write_atomically
from iics.config import AlphaSharing, ModelSettings, NormKind
from iics.data.crops import CropSet
from iics.data.images import load_pixels, resized
from iics.data.pixel_source import Pixels
from iics.errors import WeightsError
from iics.features import extract_features, l2_normalise
from iics.models.backbone import backbone_spec, create_backbone

HEADER_KEY = "iics"
FORMAT_VERSION = 1
CROPS_PER_BLOCK = 4096
"""Crops decoded at once by `ReidModel.embed`: 0.4 GB at 256x128."""


@dataclass(frozen=True)
class ModelHeader:
    """Everything that is needed to use the weights, stored in the model file as JSON.

    Attributes:
        backbone: Key of `iics.models.backbone.BACKBONES`.
        norm: Normalisation in the norm stages.
        norm_stages: Module paths whose norms were replaced.
        alpha_sharing: Which layers share one alpha.
        height: Height of the network's input, in pixels.
        width: Width of the network's input, in pixels.
        mean: Channel means, for pixels in [0, 1].
        std: Channel standard deviations.
        trained_rounds: Rounds of training behind the weights; 0 for ImageNet's.
    """

    backbone: str
    norm: NormKind
    norm_stages: tuple[str, ...]
    alpha_sharing: AlphaSharing
    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    trained_rounds: int = 0

    @classmethod
    def from_settings(cls, settings: ModelSettings) -> ModelHeader:
        """Return the header of a model that these settings describe."""
        spec = backbone_spec(settings.backbone)
        return cls(
            backbone=settings.backbone,
            norm=settings.norm,
            norm_stages=settings.norm_stages or spec.later_half,
            alpha_sharing=settings.alpha_sharing,
            height=settings.height,
            width=settings.width,
            mean=spec.mean,
            std=spec.std,
        )


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

    def embed(
        self,
        images: CropSet | Pixels | Sequence[Image.Image | Path | str],
        *,
        batch_size: int = 128,
        progress: Callable[[int], None] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return the features of person crops: mean over image and mirror image, L2-normalised.

        Args:
            images: A crop set, RGB pixels of the model's input size as uint8 (n, h, w, 3), or pictures or files.
            batch_size: Crops forwarded at once.
            progress: Called after each batch with the number of crops in it.

        Returns:
            Features; the cosine of two rows is their product. Shape (n, d).

        Raises:
            DataError: If an image cannot be read.
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
        header = asdict(self.header) | {
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
    """Return a picture as the pixels the network takes: RGB, bicubic. Shape (height, width, 3)."""
    return resized(picture.convert("RGB"), height=height, width=width)


def create_model(settings: ModelSettings, *, device: torch.device) -> ReidModel:
    """Return an untrained model: the backbone with its starting weights, norms replaced.

    Raises:
        SettingsError: If backbone or norm stages are unknown.
        WeightsError: If the weights cannot be had or do not fit.
    """
    backbone = create_backbone(
        settings.backbone,
        weights=settings.weights,
        norm=settings.norm,
        norm_stages=settings.norm_stages,
        alpha_sharing=settings.alpha_sharing,
    )
    return ReidModel(backbone, ModelHeader.from_settings(settings), device=device)


def load_model(path: Path | str, *, device: str | torch.device = "cpu") -> ReidModel:
    """Return the model in a file that `ReidModel.save` wrote; no other file is needed.

    Raises:
        WeightsError: If the file is missing, corrupt, not ours, or made by a newer version.
    """
    file = Path(path)
    if not file.is_file():
        raise WeightsError(f"No model file at {file}; a run folder keeps its own as model.safetensors.")
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
        tensors = load_tensors(file.read_bytes())
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file} is no safetensors file or is damaged: {error}.") from error
    if HEADER_KEY not in metadata:
        raise WeightsError(f"{file} has no iics header; it is not a model that iics saved.")
    header = _parse_header(metadata[HEADER_KEY], file)
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


def _parse_header(text: str, file: Path) -> ModelHeader:
    try:
        values: dict[str, Any] = json.loads(text)
        if values.pop("format") > FORMAT_VERSION:
            raise WeightsError(f"{file} was written by a newer iics ({values.get('versions')}); upgrade to read it.")
        values.pop("versions")
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        return ModelHeader(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{file} has a damaged iics header: {error!r}.") from error
