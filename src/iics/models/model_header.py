"""What a model file of ours says of itself: a JSON header beside the weights, and how the file is read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors
from torch import Tensor

from iics.config import AlphaSharing, ModelSettings, NormKind
from iics.errors import WeightsError
from iics.models.backbone import backbone_spec

HEADER_KEY = "iics"
FORMAT_VERSION = 1


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
        trained_rounds: Rounds of training behind the weights, counted from the start of their run; 0 before the first.
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


def read_model_file(file: Path) -> tuple[ModelHeader, dict[str, Tensor]]:
    """Return header and tensors of a file that `ReidModel.save` wrote.

    Raises:
        WeightsError: If the file is missing, corrupt, not ours, or made by a newer version.
    """
    if not file.is_file():
        raise WeightsError(f"No model file at {file}; a run folder keeps its own as model.safetensors.")
    try:
        text = header_text(file)
        tensors = load_tensors(file.read_bytes())
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file} is no safetensors file or is damaged: {error}.") from error
    if text is None:
        raise WeightsError(f"{file} has no iics header; it is not a model that iics saved.")
    return _parse_header(text, file), tensors


def is_model_file(file: Path) -> bool:
    """Return whether a file is a model of ours; anything else, missing or damaged files too, is not."""
    try:
        return header_text(file) is not None
    except (SafetensorError, OSError):
        return False


def header_text(file: Path) -> str | None:
    """Return the JSON header in a safetensors file, None if it has none of ours."""
    with safe_open(file, framework="pt") as opened:
        metadata: dict[str, str] = opened.metadata() or {}
    return metadata.get(HEADER_KEY)


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
