"""Networks that a `config.json` describes: `hf-hub:OWNER/NAME` on the Hugging Face hub, `local-dir:FOLDER` here.

Such a file names timm's architecture and what its weights take. A model file of ours keeps both, so it needs neither
hub nor folder any more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from iics.errors import SettingsError, WeightsError
from iics.home_folder import expanded
from iics.models.hub_files import hub_file
from iics.models.timm_networks import PretrainedInput, check_timm_name, pretrained_input
from iics.pixels.images import Interpolation

HUB, FOLDER = "hf-hub:", "local-dir:"
_CONFIG = "config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "model.pth")


def is_described(name: str) -> bool:
    """Return whether a name is one of these."""
    return name.startswith((HUB, FOLDER))


def shown_backbone(name: str) -> str:
    """Return a backbone's name without where a folder lies on somebody's machine."""
    return f"{FOLDER}{Path(name).name}" if name.startswith(FOLDER) else name


def described_network(name: str) -> tuple[str, PretrainedInput]:
    """Return timm's architecture of a described network, and what its weights take.

    Raises:
        SettingsError: If there is no such description, timm cannot build what it describes, or a model file could not
            hold it.
    """
    text = _config_text(name)
    try:
        values = json.loads(text)
        architecture = values.get("architecture") or values.get("pretrained_cfg", {}).get("architecture")
    except (ValueError, AttributeError) as error:
        raise SettingsError(f"{_CONFIG} of the backbone {name} is no JSON object: {error}.") from error
    if not isinstance(architecture, str):
        raise SettingsError(
            f"{_CONFIG} of the backbone {name} names no architecture of timm; its weights alone may fit: --backbone "
            "with the timm name of their network, --weights FILE."
        )
    check_timm_name(architecture)
    changes = {key: value for key, value in (values.get("model_args") or {}).items() if key != "img_size"}
    if changes:
        raise SettingsError(
            f"The backbone {name} is {architecture} with other parts ({', '.join(sorted(changes))}), which a model "
            "file cannot hold. Take a timm name, or a description without model_args."
        )
    known = pretrained_input(architecture.partition(".")[0])
    told = values.get("pretrained_cfg") or values
    return architecture.partition(".")[0], _input(name, known, told)


def _input(name: str, known: PretrainedInput, told: Mapping[str, Any]) -> PretrainedInput:
    """Return what weights take by their description, or else by timm's default of the architecture."""
    interpolation = told.get("interpolation", known.interpolation)
    try:
        mean, std = (tuple(map(float, told.get(key, default))) for key, default in _channels(known))
        size = tuple(map(int, told.get("input_size", (3, *known.size))[1:]))
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{_CONFIG} of the backbone {name} has a mean, std or input_size that is none.") from error
    if len(mean) != 3 or len(std) != 3 or len(size) != 2 or interpolation not in get_args(Interpolation):
        raise SettingsError(
            f"{_CONFIG} of the backbone {name} has a mean, std, input_size or interpolation that is none."
        )
    licence = told.get("license")
    return replace(
        known,
        name=name,
        mean=mean,
        std=std,
        interpolation=interpolation,
        size=size,
        licence=licence if isinstance(licence, str) else None,
        repository=name.removeprefix(HUB) if name.startswith(HUB) else None,
        url="",
        file=_weights_in(_folder(name)) if name.startswith(FOLDER) else "",
    )


def _channels(known: PretrainedInput) -> tuple[tuple[str, Any], ...]:
    return ("mean", known.mean), ("std", known.std)


def _config_text(name: str) -> str:
    if name.startswith(FOLDER):
        file = _folder(name) / _CONFIG
    else:
        try:
            file = hub_file(name.removeprefix(HUB), _CONFIG, what=f"the description of the backbone {name}")
        except WeightsError as error:
            raise SettingsError(f"{error} Needed is OWNER/NAME of a model of timm on the Hugging Face hub.") from error
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The backbone {name} has no {_CONFIG} that can be read ({error}). timm writes one: "
            "timm.models.save_for_hf(network, FOLDER)."
        ) from error


def _folder(name: str) -> Path:
    return Path(expanded(name.removeprefix(FOLDER)))


def _weights_in(folder: Path) -> str:
    return next((str(folder / file) for file in _WEIGHTS if (folder / file).is_file()), str(folder / _WEIGHTS[0]))
