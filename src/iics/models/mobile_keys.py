"""Weights of EfficientNet-Lite and MobileNetV2 as other programs name them, renamed to timm's keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

_LITE_STAGE_DEPTHS = {
    16: (1, 2, 2, 3, 3, 4, 1),
    21: (1, 3, 3, 4, 4, 5, 1),
    24: (1, 3, 3, 5, 5, 6, 1),
    30: (1, 4, 4, 6, 6, 8, 1),
}
"""Blocks of each stage, by blocks of all: lite0; lite1 and lite2; lite3; lite4."""
_LITE_TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_LITE_FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LITE_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_MOBILENET_STAGE_DEPTHS = (1, 2, 3, 4, 3, 3, 1)
_MOBILENET_TOP = {"features.0.0": "conv_stem", "features.0.1": "bn1", "features.18.0": "conv_head"} | {
    "features.18.1": "bn2",
    "classifier.1": "classifier",
}
_MOBILENET_FIRST_BLOCK = ("conv_dw", "bn1", "conv_pw", "bn2")
_MOBILENET_BLOCK = ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3")


def to_timm_keys(state: Mapping[str, T]) -> dict[str, T]:
    """Rename the keys of EfficientNet-Lite (`_blocks.0._bn1`) and of torchvision's MobileNetV2; others stay."""
    if any(key.startswith("_blocks.") for key in state):
        return _lite_keys(state)
    if any(re.match(r"features\.1\.conv\.\d", key) for key in state) and "features.18.0.weight" in state:
        return _mobilenet_keys(state)
    return dict(state)


def _lite_keys(state: Mapping[str, T]) -> dict[str, T]:
    num_blocks = len({key.split(".")[1] for key in state if key.startswith("_blocks.")})
    depths = _LITE_STAGE_DEPTHS.get(num_blocks)
    if depths is None:  # no EfficientNet-Lite: loading it tells what does not fit
        return dict(state)
    renamed = {}
    for key, value in state.items():
        block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
        if block is None:
            layer, _, rest = key.partition(".")
            renamed[f"{_LITE_TOP.get(layer, layer)}.{rest}"] = value
        else:
            names = _LITE_FIRST_BLOCK if block[1] == "0" else _LITE_BLOCK
            renamed[f"{_place(int(block[1]), depths)}.{names.get(block[2], block[2])}.{block[3]}"] = value
    return renamed


def _mobilenet_keys(state: Mapping[str, T]) -> dict[str, T]:
    """Rename today's keys (`conv.0.0`, `conv.0.1`, `conv.1`) and those before torchvision 0.4 (`conv.0`, `conv.1`).

    Either way the layers with weights come in the order of their calls, so only their order counts.
    """
    layers: dict[str, list[str]] = {}
    for key in state:
        found = re.fullmatch(r"(features\.\d+)\.conv\.(\d[\d.]*)\.\w+", key)
        if found is not None and found[2] not in layers.setdefault(found[1], []):
            layers[found[1]].append(found[2])
    renamed = {}
    for key, value in state.items():
        path, _, tensor = key.rpartition(".")
        found = re.fullmatch(r"(features\.(\d+))\.conv\.(\d[\d.]*)", path)
        if found is None:
            renamed[f"{_MOBILENET_TOP.get(path, path)}.{tensor}"] = value
            continue
        names = _MOBILENET_FIRST_BLOCK if found[2] == "1" else _MOBILENET_BLOCK
        number = sorted(layers[found[1]], key=_numbers).index(found[3])
        name = names[number] if number < len(names) else found[3]
        renamed[f"{_place(int(found[2]) - 1, _MOBILENET_STAGE_DEPTHS)}.{name}.{tensor}"] = value
    return renamed


def _numbers(path: str) -> list[int]:
    return [int(part) for part in path.split(".")]


def _place(number: int, depths: tuple[int, ...]) -> str:
    """Return where timm has a block of that number, counted through all stages."""
    stage = 0
    while stage < len(depths) - 1 and number >= depths[stage]:
        number -= depths[stage]
        stage += 1
    return f"blocks.{stage}.{number}"
