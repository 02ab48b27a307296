"""Whose a checkpoint is, told by its names of tensors, and what that program computes with it.

Layouts as in reid-strong-baseline (https://github.com/michuanhaohao/reid-strong-baseline), fast-reid
(https://github.com/JDAI-CV/fast-reid), layumi's Person_reID_baseline_pytorch, torchreid (deep-person-reid), and the
authors of IICS. What cannot be computed as it was trained is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from iics.errors import WeightsError
from iics.models.authors_checkpoint import from_authors_keys, is_authors_state
from iics.models.foreign_checkpoint import COUNTER, Channels, ForeignCheckpoint, State, with_joined_halves
from iics.models.network_parts import LastStride, NeckLayer, NetworkParts

_NOT_COMPUTED = {
    r"(^|\.)NL_\d\.": "non-local blocks, as fast-reid's AGW and SBS have them",
    r"\.(se|se_module)\.": "squeeze-and-excitation",
    r"^usam_\d\.": "USAM attention",
    r"^classifier\d\.": "parts (PCB)",
    r"^b\d(_head|\d)?\.": "branches (MGN)",
    r"^model\.features\.|\.denseblock\d": "DenseNet's blocks",
    r"^(\w+\.)?conv2\.0\.conv2\w?\.": "OSNet's blocks",
    r"patch_embed\.|\.attn\.": "attention (a transformer)",
}
"""Patterns of names, and what of a network has them."""
_IMAGENET_BLUE_FIRST = (0.406, 0.456, 0.485)


def recognised(state: State, file: Path, *, is_complete: bool = False) -> ForeignCheckpoint:
    """Return whose a state dict is, under our names, and what its network computes.

    Args:
        state: Tensors by name, without wrapper and the `module.` of a parallel network.
        file: Where they were; layumi's options lie beside it.
        is_complete: Whether it has every tensor of the backbone that was asked for: then none of its parts is strange.

    Raises:
        WeightsError: If it is of a network that we cannot compute.
    """
    if is_authors_state(state):
        ours = from_authors_keys(state, source=str(file))
        return ForeignCheckpoint("A checkpoint of the authors of IICS", ours, 1, "bicubic", norm="aibn")
    for pattern, part in _NOT_COMPUTED.items():
        key = next((key for key in state if re.search(pattern, key)), None)
        if key is not None and not is_complete:
            raise WeightsError(
                f"{file} is of a network with {part} ({key}), which is not computed here. Needed is a ResNet, plain or "
                "IBN-a, an EfficientNet-Lite0, or timm's file of the same backbone."
            )
    read = next((read for is_theirs, read in _LAYOUTS if is_theirs(state)), _plain)
    return with_joined_halves(read(state, file))


def _strong_baseline(state: State, file: Path) -> ForeignCheckpoint:
    _check_names(state, ("base.", "bottleneck.", "classifier."), file)
    backbone, neck = _below(state, "base."), _below(state, "bottleneck.")
    # The ResNet of that program has no ReLU behind its first norm; its IBN-Net has one.
    has_relu = any(".bn1.IN." in key for key in backbone)
    parts = NetworkParts(stem_relu=has_relu, neck=("batchnorm",) if neck else ())
    ours = backbone | {f"fc.0.{key}": value for key, value in neck.items()}
    return ForeignCheckpoint("A checkpoint of reid-strong-baseline (BoT)", ours, 1, "bilinear", parts)


def _fast_reid(state: State, file: Path) -> ForeignCheckpoint:
    _check_names(state, ("backbone.", "heads.", "pixel_mean", "pixel_std"), file)
    ours, heads = _below(state, "backbone."), _below(state, "heads.")
    power = heads.pop("pool_layer.p", None)
    if power is not None:
        ours["global_pool.p"] = power.reshape(-1).float()
    # Version 0 calls the neck bnneck; later ones bottleneck, with a convolution of one pixel if it has a width.
    heads = {re.sub(r"^bnneck\.", "bottleneck.0.", key): value for key, value in heads.items()}
    neck: list[NeckLayer] = []
    width = None
    while layer := {key: heads.pop(key) for key in list(heads) if key.startswith(f"bottleneck.{len(neck)}.")}:
        layer = {key.rpartition(".")[2]: value for key, value in layer.items()}
        if "running_mean" not in layer:
            width = len(layer["weight"])
            layer = {"weight": layer["weight"].flatten(1), "bias": layer.get("bias", layer["weight"].new_zeros(width))}
        ours |= {f"fc.{len(neck)}.{key}": value for key, value in layer.items()}
        neck.append("batchnorm" if "running_mean" in layer else "linear")
    _check_names(heads, ("weight", "classifier.", "cls_layer."), file)
    mean, std = _pixel_range(state, file)
    assumed = ["last stride", "resizing"]
    assumed += ["pooling"] if power is None else []
    assumed += ["mean and deviation of pixels"] if mean is None else []
    return ForeignCheckpoint(
        "A checkpoint of fast-reid",
        ours,
        1,
        "bicubic",
        NetworkParts(
            stem_pool="rounded up",
            pooling="mean" if power is None else "gem",
            neck=tuple(neck),
            neck_features=width,
        ),
        mean=mean,
        std=std,
        assumed=tuple(assumed),
    )


def _layumi(state: State, file: Path) -> ForeignCheckpoint:
    _check_names(state, ("model.", "classifier.add_block.", "classifier.classifier."), file)
    backbone = {key: value for key, value in _below(state, "model.").items() if not key.startswith("fc.")}
    neck = _below(state, "classifier.add_block.")
    width = len(neck["0.weight"]) if neck["0.weight"].ndim == 2 else None
    options = file.parent / "opts.yaml"
    text = options.read_text(encoding="utf-8", errors="replace") if options.is_file() else ""
    told = re.search(r"^stride: *([12]) *$", text, re.MULTILINE)
    stride: LastStride = 1 if told is not None and told[1] == "1" else 2
    return ForeignCheckpoint(
        "A checkpoint of layumi's Person_reID_baseline_pytorch",
        backbone | {f"fc.{key}": value for key, value in neck.items()},
        stride,
        "bicubic",
        NetworkParts(neck=("batchnorm",) if width is None else ("linear", "batchnorm"), neck_features=width),
        assumed=("resizing", *(("last stride (there is no opts.yaml beside it)",) if told is None else ())),
    )


def _torchreid(state: State, _: Path) -> ForeignCheckpoint:
    ours = {key: value for key, value in state.items() if not key.startswith("classifier.")}
    if "fc.0.weight" not in state:
        return ForeignCheckpoint("A checkpoint of torchreid", ours, 2, "bilinear")
    parts = NetworkParts(neck=("linear", "batchnorm", "relu"), neck_features=len(state["fc.0.weight"]))
    return ForeignCheckpoint("A checkpoint of torchreid's resnet50_fc512", ours, 1, "bilinear", parts)


def _plain(state: State, _: Path) -> ForeignCheckpoint:
    is_resnet = _has(state, "layer1.")
    source = "Weights in torchvision's or timm's key names"
    return ForeignCheckpoint(source, state, 2, "bilinear" if is_resnet else "bicubic")


_LAYOUTS: list[tuple[Callable[[State], bool], Callable[[State, Path], ForeignCheckpoint]]] = [
    (lambda state: _has(state, "backbone.") and _has(state, "heads."), _fast_reid),
    (lambda state: _has(state, "model.") and "classifier.add_block.0.weight" in state, _layumi),
    (lambda s: _has(s, "base.layer1.") and (_has(s, "bottleneck.") or _has(s, "classifier.")), _strong_baseline),
    (lambda state: _has(state, "layer1.") and ("classifier.weight" in state or "fc.0.weight" in state), _torchreid),
]


def _pixel_range(state: State, file: Path) -> tuple[Channels | None, Channels | None]:
    """Return fast-reid's mean and deviation for pixels in [0, 1]; older versions keep them, for 0 to 255."""
    if "pixel_mean" not in state or "pixel_std" not in state:
        return None, None
    mean, std = (state[key].flatten().double().tolist() for key in ("pixel_mean", "pixel_std"))
    if len(mean) != 3 or len(std) != 3:
        raise WeightsError(f"{file} normalises {len(mean)} channels; needed are three, red, green and blue.")
    scale = 1.0 if max(*mean, *std) <= 1 else 255.0
    means = _over(mean, scale)
    if all(abs(ours - theirs) < 0.002 for ours, theirs in zip(means, _IMAGENET_BLUE_FIRST, strict=True)):
        raise WeightsError(
            f"{file} takes blue first (pixel_mean is {mean}); crops are given red first here. Swap the channels of "
            "backbone.conv1.weight, pixel_mean and pixel_std, and store it anew."
        )
    return means, _over(std, scale)


def _over(values: list[float], scale: float) -> Channels:
    red, green, blue = (value / scale for value in values)
    return red, green, blue


def _has(state: State, prefix: str) -> bool:
    return any(key.startswith(prefix) for key in state)


def _below(state: State, prefix: str) -> dict[str, Tensor]:
    return {
        key.removeprefix(prefix): value
        for key, value in state.items()
        if key.startswith(prefix) and not key.endswith(COUNTER)
    }


def _check_names(state: State, known: tuple[str, ...], file: Path) -> None:
    unknown = sorted(key for key in state if not key.startswith(known) and not key.endswith(COUNTER))
    if unknown:
        raise WeightsError(
            f"{file} has {unknown[0]} beside {', '.join(name + '*' for name in known)}: a network that is not computed "
            "here. Needed is a ResNet-50 or ResNet-18 with a plain head."
        )
