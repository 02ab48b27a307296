"""What a model file of ours says of itself: a JSON header beside the weights, and how the file is written and read.

A hash of header and weights stands beside them: a file that a disk or a transfer changed is refused, not used.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from iics.arrays import Colour
from iics.atomic import write_atomically
from iics.config import AlphaSharing, ModelSettings, NormKind
from iics.errors import WeightsError
from iics.models.backbone_spec import backbone_spec
from iics.models.camera_means import CameraMeans, taken_apart
from iics.models.file_kinds import SAFETENSORS, foreign_kind
from iics.models.match_thresholds import MatchThresholds
from iics.models.network_parts import OUR_PARTS, NetworkParts, trained_parts
from iics.models.weights import check_finite
from iics.models.weights_origin import WeightsOrigin
from iics.pixels.images import Interpolation
from iics.regular_file import check_regular
from iics.subjects import SUBJECTS, SubjectName

HEADER_KEY = "iics"
CONTENTS_KEY = "iics_contents"
"""The hash; files of older versions have none."""
FORMAT_VERSION = 4
"""4 names the weights that it started from, knows networks without batch norms, and says what crops show, how they come
to their size and whether mirror images count; 3 may hold camera means or a neck; 2 says what networks of others compute
another way; 1 is a network of ours."""
_LARGEST_CROP = 4096
_CAMERA_MEANS = "camera_means"
_NAME = re.compile(r"\w[\w.]{0,99}")
_LENGTH_BYTES = 8  # of a safetensors file: how long its JSON is


@dataclass(frozen=True)
class ModelHeader:
    """Everything that is needed to use the weights, stored in the model file as JSON.

    Attributes:
        backbone: By name. Whether there is such a one shows when it is built: timm takes seconds to be asked.
        norm: Normalisation in the norm stages.
        norm_stages: Module paths whose norms were replaced.
        alpha_sharing: Which layers share one alpha.
        height: Height of the network's input, in pixels.
        width: Width of the network's input, in pixels.
        mean: Channel means, for pixels in [0, 1].
        std: Channel standard deviations.
        trained_rounds: Rounds of training behind the weights, counted from the start of their run; 0 before the first.
        match_thresholds: Which similarity means the same person; None if that was not measured.
        last_stride: Stride of the last stage.
        interpolation: How crops are resized to the network's input.
        parts: What a network of others computes another way than ours.
        origin: The weights that it started from; None for random ones, and in files of older versions.
        mirror: Whether features are the mean over a crop and its mirror image.
        letterbox: RGB of what is filled around a crop whose shape is kept; None for crops that are stretched.
        subject: What the crops show.

    Raises:
        ValueError: If a value is none that a network can have.
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
    last_stride: int = 1
    interpolation: Interpolation = "bicubic"
    parts: NetworkParts = OUR_PARTS
    origin: WeightsOrigin | None = None
    mirror: bool = True
    letterbox: Colour | None = None
    subject: SubjectName = "person"

    def __post_init__(self) -> None:
        choices: tuple[tuple[str, tuple[object, ...]], ...] = (
            ("norm", get_args(NormKind)),
            ("alpha_sharing", get_args(AlphaSharing)),
            ("last_stride", (1, 2)),
            ("interpolation", get_args(Interpolation)),
            ("subject", get_args(SubjectName)),
            ("mirror", (True, False)),
        )
        for name, known in choices:
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(map(str, known))}, got {getattr(self, name)!r:.80}")
        if not isinstance(self.backbone, str) or not _NAME.fullmatch(self.backbone):
            raise ValueError(f"backbone must be the name of a network, got {self.backbone!r:.80}")
        for name, least, most in (
            ("height", 32, _LARGEST_CROP),
            ("width", 32, _LARGEST_CROP),
            ("trained_rounds", 0, 10**9),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise ValueError(f"{name} must be a whole number from {least} to {most}, got {value!r:.80}")
        if not isinstance(self.norm_stages, tuple) or not all(isinstance(stage, str) for stage in self.norm_stages):
            raise ValueError(f"norm_stages must be names, got {self.norm_stages!r:.80}")
        for name, bound in (("mean", -1e6), ("std", 0.0)):
            values = getattr(self, name)
            if not isinstance(values, tuple) or len(values) != 3 or not all(_is_above(v, bound) for v in values):
                raise ValueError(f"{name} must be three numbers{' above 0' if bound == 0 else ''}, got {values!r:.80}")
        if self.letterbox is not None and not _is_colour(self.letterbox):
            raise ValueError(f"letterbox must be three whole numbers from 0 to 255, got {self.letterbox!r:.80}")
        if not isinstance(self.parts, NetworkParts):
            raise ValueError(f"parts must be those of a network, got {self.parts!r:.80}")
        if not isinstance(self.origin, WeightsOrigin | None):
            raise ValueError(f"origin must be that of weights, got {self.origin!r:.80}")

    def told(self, text: str) -> str:
        """Return a text about people as one about what the model's crops show."""
        return SUBJECTS[self.subject].told(text)

    @classmethod
    def from_settings(cls, settings: ModelSettings) -> ModelHeader:
        """Return the header of a model that these settings describe; where its weights come from is not yet in it."""
        spec = backbone_spec(settings.backbone)
        return cls(
            backbone=spec.architecture,
            norm=settings.norm,
            norm_stages=settings.norm_stages or spec.later_half,
            alpha_sharing=settings.alpha_sharing,
            height=settings.height,
            width=settings.width,
            mean=spec.pretrained.mean,
            std=spec.pretrained.std,
            last_stride=settings.last_stride,
            parts=trained_parts(settings.pooling, settings.neck),
            mirror=settings.mirror,
            letterbox=settings.letterbox,
            subject=settings.subject,
        )


def header_values(header: ModelHeader) -> dict[str, Any]:
    """Return a header as JSON holds it; thresholds that were not measured are left out, and an origin of no weights."""
    values = asdict(header)
    for name in ("match_thresholds", "origin"):
        if values[name] is None:
            values.pop(name)
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
    write_model_file(file, values, _read_tensors(file), metadata=_metadata(file))


def write_camera_means(file: Path, means: CameraMeans) -> None:
    """Replace the camera means in a model file, atomically; weights and everything else stay as they are.

    Raises:
        WeightsError: If the file is missing, damaged, not ours, or made by a newer version.
        WriteError: If it cannot be written; it then stays as it was.
    """
    weights = read_model_file(file).weights
    values = json.loads(_read_text(file)) | {"format": FORMAT_VERSION, _CAMERA_MEANS: means.values()}
    write_model_file(file, values, weights | means.tensors(), metadata=_metadata(file))


def write_model_file(
    file: Path, header: Mapping[str, Any], tensors: dict[str, Tensor], *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write header and weights, atomically, with a hash of both.

    Args:
        file: Where.
        header: As JSON values, with format and versions.
        tensors: The weights; no two share memory.
        metadata: What else the file shall say.

    Raises:
        WriteError: If it cannot be written; a file that was there stays as it was.
    """
    text = json.dumps(header)
    ours = {HEADER_KEY: text, CONTENTS_KEY: contents_hash(text, tensors)}
    write_atomically(file, _in_order(save_tensors(tensors, metadata={**(metadata or {}), **ours})))


def _in_order(content: bytes) -> bytes:
    """Return a safetensors file with its metadata in order: the library's differs from process to process."""
    size = int.from_bytes(content[:_LENGTH_BYTES], "little")
    values = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + size])
    values["__metadata__"] = dict(sorted(values["__metadata__"].items()))
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)  # the tensors begin at a multiple of it
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text + content[_LENGTH_BYTES + size :]


@dataclass(frozen=True, eq=False)
class ModelFile:
    """What a model file of ours holds.

    Attributes:
        header: Its header.
        weights: Of the network, by name.
        camera_means: Of the training cameras; None in files of older versions, and of networks not trained.
    """

    header: ModelHeader
    weights: dict[str, Tensor]
    camera_means: CameraMeans | None


def read_model_file(file: Path) -> ModelFile:
    """Return what is in a file that `ReidModel.save` wrote.

    Raises:
        WeightsError: If the file is missing, corrupt, not ours, made by a newer version, or its weights are no numbers.
    """
    text = _read_text(file)
    header, tensors = _parse_header(text, file), _read_tensors(file)
    check_finite(tensors, file)
    try:
        return ModelFile(header, *taken_apart(tensors, json.loads(text).get(_CAMERA_MEANS)))
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{file} has damaged camera means: {error!r:.300}. Take a copy of it that is whole."
        ) from error


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
    check_regular(file)
    with safe_open(file, framework="pt") as opened:
        return dict(opened.metadata() or {})


def _read_text(file: Path) -> str:
    if not file.is_file():
        raise WeightsError(f"No model file at {file}; a run folder keeps its own as model.safetensors.")
    kind = foreign_kind(file)
    try:
        text = header_text(file)
    except (SafetensorError, OSError) as error:
        if kind is not None and kind != SAFETENSORS:
            raise WeightsError(f"{file} is {kind.name}, not a model that iics saved. {kind.way_out(file)}") from error
        raise _damaged(file, error) from error
    if text is None:
        raise WeightsError(f"{file} has no iics header; it is not a model that iics saved. {SAFETENSORS.way_out(file)}")
    return text


def _read_tensors(file: Path) -> dict[str, Tensor]:
    """Return the weights, compared with the hash beside them."""
    try:
        tensors: dict[str, Tensor] = load_tensors(file.read_bytes())
        metadata = _metadata(file)
    except (SafetensorError, OSError) as error:
        raise _damaged(file, error) from error
    known = metadata.get(CONTENTS_KEY)
    if known is not None and known != contents_hash(metadata[HEADER_KEY], tensors):
        raise WeightsError(
            f"{file} is damaged: its weights or its header are not what was written. Take a copy of it that is whole."
        )
    return tensors


def contents_hash(text: str, tensors: Mapping[str, Tensor]) -> str:
    """Return a hash of a text and weights, wherever they are: 64 hexadecimal digits."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _damaged(file: Path, error: Exception) -> WeightsError:
    return WeightsError(f"{file} is no safetensors file or is damaged: {error}.")


def _parse_header(text: str, file: Path) -> ModelHeader:
    try:
        values: dict[str, Any] = json.loads(text)
        if values.pop("format") > FORMAT_VERSION:
            raise WeightsError(f"{file} was written by a newer iics ({values.get('versions')}); upgrade to read it.")
        values.pop("versions")
        values.pop(_CAMERA_MEANS, None)  # checked with their tensors
        if "parts" in values:
            values["parts"] = NetworkParts(**{key: _immutable(value) for key, value in values["parts"].items()})
        if values.get("origin") is not None:
            values["origin"] = WeightsOrigin(**values["origin"])
        if values.get("match_thresholds") is not None:
            values["match_thresholds"] = MatchThresholds.from_values(values["match_thresholds"])
        return ModelHeader(**{key: _immutable(value) for key, value in values.items()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(
            f"{file} has a damaged iics header: {error!r:.300}. Take a copy of it that is whole."
        ) from error


def _immutable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _is_colour(values: Any) -> bool:
    return isinstance(values, tuple) and len(values) == 3 and all(type(v) is int and 0 <= v <= 255 for v in values)


def _is_above(value: Any, least: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least < value < 1e6
