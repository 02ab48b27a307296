"""Networks of timm by name, and what timm knows of the weights they can start from."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from torch import nn

from iics.errors import SettingsError
from iics.models.torchvision_import import import_torchvision
from iics.models.without_compiler import import_without_compiler
from iics.pixels.images import Interpolation


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
    """

    name: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Interpolation
    classifier: tuple[str, ...]
    repository: str | None
    url: str


def check_timm_name(name: str) -> None:
    """Refuse a name that timm has not.

    Raises:
        SettingsError: If there is no such network, or no such weights of it; the nearest are suggested.
    """
    timm = _timm()
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture) or ":" in name:  # hf-hub:... would be downloaded
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
    )


def create_network(name: str) -> nn.Module:
    """Return a network with random weights, from images (n, 3, h, w) to pooled features (n, d)."""
    network: nn.Module = _timm().create_model(name, pretrained=False, num_classes=0, global_pool="avg")
    return network


def _timm() -> Any:
    import_torchvision()
    return import_without_compiler("timm")
