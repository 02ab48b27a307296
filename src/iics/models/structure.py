"""What has to be known of a network to re-identify with it, found by running it once on shapes without numbers.

Blocks, stages and strides are not written down by name: a network of timm says where its stages end (`feature_info`),
and its calls on a crop of 256 x 256 say at which resolution each layer works and what follows a norm.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from iics.errors import SettingsError
from iics.layers.depthwise import is_ours
from iics.models.without_numbers import WithoutNumbers

_SIDE = 256  # pixels of the crop, where the network takes any
_LATER = 16  # times smaller are the maps where the later half begins: layer3 of a ResNet
_NORMS = re.compile(r"Norm(1|\w*\dd\w*)?$")
_TRANSFORMERS = re.compile(r"Attention|Transformer")
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@dataclass(frozen=True)
class NormPlace:
    """Where a batch norm is in its network.

    Attributes:
        stage: Module path of its stage (layer3 of a ResNet).
        block: Module path of its block (a bottleneck), None for a norm that is a stage of its own.
        activation: Module path of the ReLU that is called right behind it and by nothing else; None if there is none.
        is_pooled: Whether its maps are one pixel, which has no instance statistics.
    """

    stage: str
    block: str | None
    activation: str | None
    is_pooled: bool


@dataclass(frozen=True)
class BackboneStructure:
    """A network as re-identification sees it.

    Attributes:
        num_features: Length of a feature vector.
        norms: Batch norms by module path, in the order of their calls; empty for a network without.
        later_half: Module paths of the stages from the one on in which maps come down to a sixteenth.
        strided: Layers that bring maps to their last resolution; empty if it cannot be left out.
        gains_from_bf16: Whether each convolution is fast in bfloat16: dense, or depthwise and computed by us. torch's
            own kernels for groups are slow in it.
        is_dense: Whether no convolution has groups. Features of networks with groups lose more in bfloat16.
        tensors: Names of its weights and statistics.
        other_norms: Kinds of norms that are no batch norms.
        patch: Height and width of the patches that pictures are cut into; None if they are not.
        is_transformer: Whether it has attention.
        has_one_resolution: Whether all its blocks work at one resolution, so that it has no last stride.
        has_depths: Whether timm says how deep each of its parameters lies.
        can_recompute: Whether timm can compute the maps within its blocks a second time.
    """

    num_features: int
    norms: dict[str, NormPlace]
    later_half: tuple[str, ...]
    strided: tuple[str, ...]
    gains_from_bf16: bool
    is_dense: bool
    tensors: frozenset[str]
    other_norms: tuple[str, ...] = ()
    patch: tuple[int, int] | None = None
    is_transformer: bool = False
    has_one_resolution: bool = False
    has_depths: bool = False
    can_recompute: bool = False


@dataclass(frozen=True)
class _Call:
    """A call of a layer: heights of its maps before and behind, 0 for what is no map."""

    path: str
    height: int
    made: int


def find_structure(name: str, network: nn.Module, *, size: tuple[int, int] | None = None) -> BackboneStructure:
    """Return what there is to know of a network.

    Args:
        name: What to call it in messages.
        network: Of timm; its weights may hold anything. Its last stride is changed.
        size: Height and width that it was built for; None if it takes any.

    Raises:
        SettingsError: If it cannot be computed here, or takes no crops of any size.
    """
    modules = dict(network.named_modules())
    norms = [path for path, module in modules.items() if isinstance(module, nn.BatchNorm2d)]
    kinds = {type(module).__name__ for module in modules.values()}
    if any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm3d) for module in modules.values()):
        raise _refused(name, "it has batch norms over tokens (BatchNorm1d), which cannot be kept apart by camera")
    shape = size or (_SIDE, _SIDE)
    try:
        calls, activations, num_features = _trace(network, norms, shape)
    except Exception as error:  # a network of others may fail in any way at a size that it was not made for
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise _refused(name, f"it does not run on crops of any size ({reason:.200})") from error
    parents = _lists_of_stages(network)
    places = {
        call.path: NormPlace(
            stage=_stage(call.path, parents),
            block=_block(call.path, _stage(call.path, parents), modules, norms),
            activation=activations.get(call.path),
            is_pooled=call.made == 1,
        )
        for call in calls
        if call.path in norms
    }
    later_half = _later_half(calls, parents, places, shape[0] // _LATER)
    convolutions = [module for module in modules.values() if isinstance(module, nn.Conv2d)]
    has_one_resolution = _has_one_resolution(network)
    is_transformer = any(_TRANSFORMERS.search(kind) for kind in kinds)
    # Strides within attention, as PVT's, are none of a stage.
    keeps_strides = size is not None or has_one_resolution or (is_transformer and not norms)
    return BackboneStructure(
        num_features=num_features,
        norms=places,
        later_half=later_half,
        strided=() if keeps_strides else _strided(network, calls, norms, shape),
        gains_from_bf16=all(conv.groups == 1 or is_ours(conv) for conv in convolutions),
        is_dense=all(conv.groups == 1 for conv in convolutions),
        tensors=frozenset(key for key in network.state_dict() if not key.endswith("num_batches_tracked")),
        other_norms=tuple(sorted(kind for kind in kinds if _NORMS.search(kind) and "Batch" not in kind)),
        patch=_patch(network),
        is_transformer=is_transformer,
        has_one_resolution=has_one_resolution,
        has_depths=hasattr(network, "group_matcher"),
        can_recompute=_can_recompute(network),
    )


def set_last_stride(network: nn.Module, strided: Iterable[str]) -> None:
    """Let the last stage keep its resolution: convolutions get stride 1, poolings go, as timm builds its stages."""
    for path in strided:
        layer = network.get_submodule(path)
        if isinstance(layer, nn.Conv2d):
            layer.stride = (1, 1)
        else:
            parent, _, child = path.rpartition(".")
            setattr(network.get_submodule(parent), child, nn.Identity())


def _refused(name: str, reason: str) -> SettingsError:
    return SettingsError(
        f"The backbone {name} cannot be used: {reason}. Needed is a network of timm whose norms are batch norms of "
        "maps, which are grouped by camera, or take each crop by itself, e.g. resnet50, efficientnet_lite0 or "
        "vit_small_patch16_224."
    )


def _lists_of_stages(network: nn.Module) -> set[str]:
    """Return the module paths whose children are stages: where `feature_info` names two or more; the network itself."""
    known: Any = getattr(network, "feature_info", None) or ()
    named = [str(info["module"]) for info in known]
    parents = {path.rpartition(".")[0] for path in named}
    return {""} | {parent for parent in parents if sum(path.startswith(f"{parent}.") for path in named) > 1}


def _has_one_resolution(network: nn.Module) -> bool:
    known: Any = getattr(network, "feature_info", None) or ()
    return len({info["reduction"] for info in known}) == 1


def _can_recompute(network: Any) -> bool:
    try:
        network.set_grad_checkpointing(True)
    except (AssertionError, AttributeError):
        return False
    return True


def _patch(network: nn.Module) -> tuple[int, int] | None:
    embedding: Any = getattr(network, "patch_embed", None)
    layer, side = getattr(embedding, "proj", None), getattr(embedding, "patch_size", None)
    if isinstance(layer, nn.Conv2d):
        side = layer.stride  # patches that overlap, as PVT's, are larger
    if side is None:
        return None
    return (side, side) if isinstance(side, int) else (side[0], side[1])


def _trace(network: nn.Module, norms: list[str], size: tuple[int, int]) -> tuple[list[_Call], dict[str, str], int]:
    """Return all calls of layers, the activation of each norm that has one, and the number of features."""
    calls: list[_Call] = []
    candidates: dict[str, str] = {}
    fresh: list[tuple[str, Tensor, int]] = []  # what a norm made, and nothing was called since
    own = set(norms)

    def before(path: str, module: nn.Module, given: tuple[Any, ...]) -> None:
        x = given[0] if given else None
        if isinstance(module, nn.Identity) or path.rpartition(".")[0] in own:
            return
        if fresh:
            norm, made, version = fresh.pop()
            # The same tensor in the same version: a shortcut that was added in place has another. In place itself:
            # whoever reads the norm's output later reads it activated.
            is_behind = x is made and x._version == version
            if is_behind and isinstance(module, nn.ReLU | nn.ReLU6) and module.inplace:
                candidates[norm] = path

    def behind(path: str, given: tuple[Any, ...], made: Any) -> None:
        calls.append(_Call(path, _height(given[0] if given else None), _height(made)))
        if path in own and type(network.get_submodule(path)) is nn.BatchNorm2d:
            fresh[:] = [(path, made, made._version)]

    for path, module in network.named_modules():
        if path in own or not any(True for _ in module.children()):
            module.register_forward_pre_hook(lambda module, given, path=path: before(path, module, given))
            module.register_forward_hook(lambda _, given, made, path=path: behind(path, given, made))
    features = _run(network, size)
    times = Counter(call.path for call in calls)
    activations = {norm: act for norm, act in candidates.items() if times[norm] == times[act] == 1}
    return calls, activations, features.shape[1]


def _run(network: nn.Module, size: tuple[int, int]) -> Tensor:
    device = next(network.parameters()).device
    with torch.no_grad(), WithoutNumbers():
        features = network.eval()(torch.empty(1, 3, *size, device=device))
    if not isinstance(features, Tensor) or features.ndim != 2:
        raise ValueError("its output is no feature vector")
    return features


def _height(value: Any) -> int:
    return value.shape[2] if isinstance(value, Tensor) and value.ndim == 4 else 0


def _stage(path: str, parents: set[str]) -> str:
    """Return the stage of a layer: the module beside those that `feature_info` names, as deep as may be."""
    return _child_of(max((p for p in parents if not p or path.startswith(p + ".")), key=len), path)


def _block(path: str, stage: str, modules: dict[str, nn.Module], norms: list[str]) -> str | None:
    """Return the block of a norm: the first module below its stage that is no mere list of others.

    Where no module of a stage has two norms, stage and block are one: some networks list their blocks as stages.
    """
    if path == stage:
        return None
    owners = Counter(_child_of(stage, norm) for norm in norms if norm.startswith(stage + "."))
    if type(modules[stage]) not in _CONTAINERS and max(owners.values()) < 2:
        return stage
    block = stage
    while (child := _child_of(block, path)) != path:
        block = child
        if type(modules[block]) not in _CONTAINERS:
            break
    return block


def _child_of(parent: str, path: str) -> str:
    """Return the module path right below `parent` on the way to `path`."""
    rest = path.removeprefix(parent + ".") if parent else path
    child = rest.partition(".")[0]
    return f"{parent}.{child}" if parent else child


def _later_half(calls: list[_Call], parents: set[str], places: dict[str, NormPlace], largest: int) -> tuple[str, ...]:
    stages = list(dict.fromkeys(_stage(call.path, parents) for call in calls))
    first = next((_stage(call.path, parents) for call in calls if 1 < call.made <= largest), None)
    later = [] if first is None else stages[stages.index(first) :]
    replaced = {place.stage for place in places.values() if not place.is_pooled}
    return tuple(stage for stage in later if stage in replaced)


def _strided(network: nn.Module, calls: list[_Call], norms: list[str], size: tuple[int, int]) -> tuple[str, ...]:
    """Return the layers that halve maps to the last resolution, if the network still runs without."""
    halving = [call for call in calls if call.height == 2 * call.made > 2]
    last = min((call.made for call in halving), default=0)
    if not last or last > min(call.made for call in calls if (call.path in norms or not norms) and call.made > 1):
        return ()  # the last resolution comes about another way
    strided = tuple(dict.fromkeys(call.path for call in halving if call.made == last))
    try:
        set_last_stride(network, strided)
        _run(network, size)
    except Exception:  # branches that no longer have one size fail in as many ways as there are to join them
        return ()
    return strided
