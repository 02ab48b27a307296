"""What a model file of ours says of itself: a JSON header beside the weights, and how the file is read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from iics.atomic import write_atomically
from iics.config import AlphaSharing, ModelSettings, NormKind
from iics.errors import WeightsError
from iics.models.backbone import backbone_spec
from iics.models.match_thresholds import MatchThresholds

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
        match_thresholds: Which similarity means the same person; None if that was not measured.
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
    match_thresholds: MatchThresholds | None = None

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


def header_values(header: ModelHeader) -> dict[str, Any]:
    """Return a header as JSON holds it; thresholds that were not measured are left out."""
    values = asdict(header)
    if header.match_thresholds is None:
        values.pop("match_thresholds")
    return values


def read_header(file: Path) -> ModelHeader:
    """Return the header of a model file, without its tensors.

    Raises:
        WeightsError: If the file is missing, damaged, not ours, or made by a newer version.
    """
    return _parse_header(_read_text(file), file)


def write_match_thresholds(file: Path, thresholds: MatchThresholds) -> None:
    """Replace the thresholds in a model file, atomically; weights and everything else stay as they are.

    Raises:
        WeightsError: If the file is missing, damaged, not ours, or made by a newer version.
        WriteError: If it cannot be written; it then stays as it was.
    """
    text = _read_text(file)
    _parse_header(text, file)
    values = json.loads(text) | {"match_thresholds": asdict(thresholds)}
    metadata = _metadata(file) | {HEADER_KEY: json.dumps(values)}
    write_atomically(file, save_tensors(_read_tensors(file), metadata=metadata))


def read_model_file(file: Path) -> tuple[ModelHeader, dict[str, Tensor]]:
    """Return header and tensors of a file that `ReidModel.save` wrote.

    Raises:
        WeightsError: If the file is missing, corrupt, not ours, or made by a newer version.
    """
    text = _read_text(file)
    return _parse_header(text, file), _read_tensors(file)


def is_model_file(file: Path) -> bool:
    """Return whether a file is a model of ours; anything else, missing or damaged files too, is not."""
    try:
        return header_text(file) is not None
    except (SafetensorError, OSError):
        return False


def header_text(file: Path) -> str | None:
    """Return the JSON header in a safetensors file, None if it has none of ours."""
    return _metadata(file).get(HEADER_KEY)


def _metadata(file: Path) -> dict[str, str]:
    with safe_open(file, framework="pt") as opened:
        return dict(opened.metadata() or {})


def _read_text(file: Path) -> str:
    if not file.is_file():
        raise WeightsError(f"No model file at {file}; a run folder keeps its own as model.safetensors.")
    try:
        text = header_text(file)
    except (SafetensorError, OSError) as error:
        raise _damaged(file, error) from error
    if text is None:
        raise WeightsError(f"{file} has no iics header; it is not a model that iics saved.")
    return text


def _read_tensors(file: Path) -> dict[str, Tensor]:
    try:
        return load_tensors(file.read_bytes())
    except (SafetensorError, OSError) as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> WeightsError:
    return WeightsError(f"{file} is no safetensors file or is damaged: {error}.")


def _parse_header(text: str, file: Path) -> ModelHeader:
    try:
        values: dict[str, Any] = json.loads(text)
        if values.pop("format") > FORMAT_VERSION:
            raise WeightsError(f"{file} was written by a newer iics ({values.get('versions')}); upgrade to read it.")
        values.pop("versions")
        if values.get("match_thresholds") is not None:
            values["match_thresholds"] = MatchThresholds.from_values(values["match_thresholds"])
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        return ModelHeader(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{file} has a damaged iics header: {error!r}.") from error
