"""Networks of timm by name, and what timm knows of the weights they can start from."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from iics.errors import SettingsError
from iics.models.torchvision_import import import_torchvision
from iics.models.without_compiler import import_without_compiler
from iics.models.without_numbers import WithoutNumbers
from iics.pixels.images import Interpolation

Size = tuple[int, int]
"""Height and width, in pixels."""


@dataclass(frozen=True)
class PretrainedInput:
    """What weights of timm take, and where they are.

    Attributes:
        name: Architecture and tag.
        mean: Channel means for pixels in [0, 1].
        std: Standard deviations of the same.
        interpolation: How pictures were resized.
        classifier: Modules that only ImageNet's classes need.
        repository: On the Hugging Face hub, None if timm has none.
        url: Of the file they were before; may be empty.
        size: Of the pictures that they were trained on.
        is_sized: Whether the network is built for one size, which it is then told: most transformers.
        licence: Of the weights, as timm states it; None if it states none.
        file: Of the weights in a folder on this machine; "" for any other.
    """

    name: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Interpolation
    classifier: tuple[str, ...]
    repository: str | None
    url: str
    size: Size = (224, 224)
    is_sized: bool = False
    licence: str | None = None
    file: str = ""


def check_timm_name(name: str) -> None:
    """Refuse a name that timm has not.

    Raises:
        SettingsError: If there is no such network, or no such weights of it; the nearest are suggested.
    """
    timm = _timm()
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture) or ":" in name:
        near = difflib.get_close_matches(architecture, timm.list_models(), n=3)
        hint = f"Did you mean {' or '.join(near)}?" if near else "E.g. resnet50, resnet18 or efficientnet_lite0."
        raise SettingsError(f"Unknown backbone {name!r}: timm {timm.__version__} has no network of that name. {hint}")
    tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{architecture}.*")] if tag else []
    if tag and tag not in tags:
        raise SettingsError(
            f"Unknown backbone {name!r}: timm {timm.__version__} has no weights {tag!r} of {architecture}. It has "
            f"{', '.join(tags) or 'none'}."
        )


def pretrained_input(name: str) -> PretrainedInput:
    """Return what timm knows of the weights of a network; of a name without a tag, its default weights."""
    known = _timm().models.get_pretrained_cfg(name)
    classifier = known.classifier or ()
    return PretrainedInput(
        name=f"{name.partition('.')[0]}.{known.tag}" if known.tag else name,
        mean=tuple(known.mean),
        std=tuple(known.std),
        interpolation=known.interpolation,
        classifier=(classifier,) if isinstance(classifier, str) else tuple(classifier),
        repository=known.hf_hub_id,
        url=known.url or "",
        size=tuple(known.input_size[1:]),
        is_sized=bool(known.fixed_input_size),
        licence=known.license,
    )


def create_network(name: str, *, size: Size | None = None, own_pooling: bool = False) -> nn.Module:
    """Return a network with random weights, from images (n, 3, h, w) to pooled features (n, d).

    Args:
        name: Architecture, perhaps with a tag.
        size: Of the images, for networks that are built for one; None for others.
        own_pooling: Whether it pools as timm has it (class token, attention, average), not by the average of its maps.
    """
    network: nn.Module = _timm().create_model(name, pretrained=False, **_options(size, own_pooling))
    return network


def fitted_state(
    name: str, *, size: Size | None, own_pooling: bool, state: Mapping[str, Tensor], classifier: tuple[str, ...]
) -> dict[str, Tensor]:
    """Return weights as the network has them, converted by timm: its names, position embeddings of this size.

    Embeddings of other sizes, also not square ones, are interpolated; files of the networks' authors (CLIP, DINO, EVA,
    Swin) are renamed.

    Args:
        name: Architecture, perhaps with a tag.
        size: As for `create_network`.
        own_pooling: Likewise.
        state: Weights by name, timm's or their authors'.
        classifier: Modules that are left out.

    Raises:
        RuntimeError: timm's or torch's own, if they do not fit.
    """
    kept = {key: value for key, value in state.items() if not key.startswith(tuple(f"{m}." for m in classifier))}
    # As many classes as the network has, none: so timm takes nothing out, and torch refuses what is missing.
    source = {"state_dict": kept, "num_classes": 0}
    with WithoutNumbers():
        network = _timm().create_model(
            name, pretrained=True, pretrained_cfg_overlay=source, **_options(size, own_pooling)
        )
    return dict(network.state_dict())


def resized_state(
    name: str, *, sizes: tuple[Size, Size], own_pooling: bool, state: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return weights of a network for pictures of one size as they are for another: position embeddings interpolated.

    Args:
        name: Architecture, perhaps with a tag.
        sizes: The one, the other.
        own_pooling: As for `create_network`.
        state: Weights by name, timm's.

    Raises:
        RuntimeError: timm's or torch's own, if they do not fit.
        AttributeError: If timm cannot resize this network.
    """
    with WithoutNumbers():
        network: Any = create_network(name, size=sizes[0], own_pooling=own_pooling)
        network.load_state_dict(state)
        network.set_input_size(sizes[1])
        built = create_network(name, size=sizes[1], own_pooling=own_pooling).state_dict()
    resized: dict[str, Tensor] = network.state_dict()
    other = next((key for key, value in resized.items() if value.shape != built[key].shape), None)
    if other is not None:  # windows of Swin
        raise RuntimeError(f"timm resizes its {other} in another way than it builds it; train it at the size it had")
    return resized


def block_of_each(network: nn.Module) -> dict[str, int]:
    """Return how deep each parameter lies: 0 for the stem or patch embedding, one more for each block behind it."""
    matcher = network.group_matcher(coarse=False)  # type: ignore[operator]
    depths: dict[str, int] = _timm().models.group_parameters(network, matcher, reverse=True)
    return depths


def _options(size: Size | None, own_pooling: bool) -> dict[str, Any]:
    pooling = {} if own_pooling else {"global_pool": "avg"}
    return {"num_classes": 0, **pooling, **({} if size is None else {"img_size": size})}


def _timm() -> Any:
    import_torchvision()
    return import_without_compiler("timm")
