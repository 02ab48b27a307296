"""Tensors by name into a network, or what keeps them from fitting."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from iics.errors import WeightsError
from iics.models.foreign_checkpoint import COUNTER

_ALPHA = ".mix.alpha"


def load_state(
    backbone: nn.Module, state: Mapping[str, Tensor], *, source: str, classifier: tuple[str, ...] = ()
) -> None:
    """Load a state dict, ignoring the ImageNet classifier, and refuse anything that does not fit.

    Args:
        backbone: Changed in place.
        state: Tensors under our names; alphas and counters may be missing.
        source: What to call them in messages.
        classifier: Modules of the ImageNet classifier, beside those of torchvision and the usual ones of timm.

    Raises:
        WeightsError: If a tensor is missing, unknown or of another shape.
    """
    wanted = {key: value for key, value in backbone.state_dict().items() if not key.endswith(COUNTER)}
    ignored = ("fc.", "classifier.", "head.fc.", *(f"{module}." for module in classifier))
    given = {
        key: value
        for key, value in state.items()
        if not key.endswith(COUNTER) and (key in wanted or not key.startswith(ignored))
    }
    if not any(key.endswith(_ALPHA) for key in given):  # norms of others have none
        given |= {key: value for key, value in wanted.items() if key.endswith(_ALPHA)}
    missing = sorted(set(wanted) - set(given))
    unknown = sorted(set(given) - set(wanted))
    misshapen = sorted(key for key in set(given) & set(wanted) if given[key].shape != wanted[key].shape)
    for problem, keys in (("lacks", missing), ("has unknown", unknown), ("has other shapes for", misshapen)):
        if keys:
            raise WeightsError(
                f"{source} does not fit the backbone: it {problem} {len(keys)} of {len(wanted)} "
                f"tensors, the first is {keys[0]}. Needed are torchvision's or timm's key names of the same backbone, "
                f"or a checkpoint of a program that is known.{_network_hint(given)}"
            )
    backbone.load_state_dict(given, strict=False)


def _network_hint(state: Mapping[str, Tensor]) -> str:
    """Return which ResNet tensors seem to be of, for the end of a message; "" if that cannot be told."""
    if not any(key.startswith("layer3.") for key in state):
        return ""
    depth = len({key.split(".")[1] for key in state if key.startswith("layer3.")})
    has_bottlenecks = "layer1.0.conv3.weight" in state
    name = {(2, False): "resnet18", (6, False): "resnet34", (6, True): "resnet50", (23, True): "resnet101"}.get(
        (depth, has_bottlenecks)
    )
    return "" if name is None else f" It looks like a {name}."
