"""A model file of ours: how it is written and read; its header is in `iics.models.model_header`.

A hash of header and weights stands beside them: a file that a disk or a transfer changed is refused, not used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from iics.atomic import write_atomically
from iics.errors import WeightsError
from iics.models.camera_means import CameraMeans, taken_apart
from iics.models.file_kinds import SAFETENSORS, foreign_kind
from iics.models.match_thresholds import MatchThresholds
from iics.models.model_header import FORMAT_VERSION, ModelHeader
from iics.models.network_parts import NetworkParts
from iics.models.weights import check_finite
from iics.models.weights_origin import WeightsOrigin
from iics.regular_file import check_regular

HEADER_KEY = "iics"
CONTENTS_KEY = "iics_contents"
"""The hash; files of older versions have none."""
_CAMERA_MEANS = "camera_means"
_LENGTH_BYTES = 8
"""Of a safetensors file: how long its JSON is."""


def read_header(file: Path) -> ModelHeader:
    """Return the header of a model file, without its tensors.

    Raises:
        WeightsError: If the file is missing, damaged, not ours, or made by a newer version.
    """
    return parse_header(_read_text(file), file)


def write_match_thresholds(file: Path, thresholds: MatchThresholds) -> None:
    """Replace the thresholds in a model file, atomically; weights and everything else stay as they are.

    Raises:
        WeightsError: If the file is missing, damaged, not ours, or made by a newer version.
        WriteError: If it cannot be written; it then stays as it was.
    """
    text = _read_text(file)
    parse_header(text, file)
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
    header, tensors = parse_header(text, file), _read_tensors(file)
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


def contents_hash(text: str, tensors: Mapping[str, Tensor]) -> str:
    """Return a hash of a text and weights, wherever they are: 64 hexadecimal digits."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def parse_header(text: str, file: Path) -> ModelHeader:
    """Return the header in a text; the file is named in messages.

    Raises:
        WeightsError: If the text is damaged, or of a newer version.
    """
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


def _in_order(content: bytes) -> bytes:
    """Return a safetensors file with its metadata in order: the library's differs from process to process."""
    size = int.from_bytes(content[:_LENGTH_BYTES], "little")
    values = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + size])
    values["__metadata__"] = dict(sorted(values["__metadata__"].items()))
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)  # the tensors begin at a multiple of it
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text + content[_LENGTH_BYTES + size :]


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


def _damaged(file: Path, error: Exception) -> WeightsError:
    return WeightsError(f"{file} is no safetensors file or is damaged: {error}.")


def _immutable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
