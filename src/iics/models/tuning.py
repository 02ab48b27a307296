"""How a network is trained beside its rates: blocks that learn more slowly, patches that stay, maps computed anew.

Large pretrained transformers are trained so: He et al. ("Masked Autoencoders", 2022) let the rate fall by a factor from
block to block towards the input; Chen et al. ("MoCo v3", 2021) freeze the patch embedding.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from iics.errors import SettingsError
from iics.model_settings import ModelSettings
from iics.models.backbone_spec import backbone_spec
from iics.models.fitting_choices import check_choices
from iics.models.timm_networks import block_of_each


def check_model(settings: ModelSettings) -> None:
    """Refuse a network that cannot be what settings want, before anything is built.

    Raises:
        SettingsError: If it cannot, or there is none of that name.
    """
    check_choices(
        settings.backbone,
        backbone_spec(settings.backbone).structure,
        norm=settings.norm,
        norm_stages=settings.norm_stages,
        last_stride=settings.last_stride,
        is_gem=settings.pooling == "gem",
        size=(settings.height, settings.width),
    )
    check_tuning(settings)


def check_tuning(settings: ModelSettings) -> None:
    """Refuse to freeze a patch embedding, or to tell apart depths, that a network does not have.

    Raises:
        SettingsError: If it has none.
    """
    structure = backbone_spec(settings.backbone).structure
    if settings.layer_decay != 1 and not structure.has_depths:
        raise SettingsError(f"timm does not say what the blocks of {settings.backbone} are. Give --layer-decay 1.")
    if settings.freeze_patch_embedding and structure.patch is None:
        raise SettingsError(
            f"--freeze-patch-embedding needs a network that cuts crops into patches, as transformers do; "
            f"{settings.backbone} does not. Leave it out."
        )


def freeze_patch_embedding(backbone: nn.Module) -> None:
    """Let the layer that makes patches of crops keep its weights."""
    backbone.get_submodule("patch_embed").requires_grad_(False)


def learning_groups(backbone: nn.Module, *, rate: float, layer_decay: float) -> list[dict[str, Any]]:
    """Return the parameters that learn, for an optimiser: in one group, or one for each depth of the network.

    A group keeps its rate as "initial_lr" too, the base of a schedule (torch's name for it).

    Args:
        backbone: Of timm.
        rate: Of its last block, and of what is behind it.
        layer_decay: What the rate falls by from each block to the one before it; 1 makes one group.
    """
    learning = {name: parameter for name, parameter in backbone.named_parameters() if parameter.requires_grad}
    if layer_decay == 1:
        return [{"params": list(learning.values()), "lr": rate, "initial_lr": rate}]
    depths = block_of_each(backbone)
    groups: dict[int, list[nn.Parameter]] = {}
    for name, parameter in learning.items():
        groups.setdefault(depths[name], []).append(parameter)
    rates = {depth: rate * layer_decay ** (max(depths.values()) - depth) for depth in groups}
    return [{"params": groups[d], "lr": rates[d], "initial_lr": rates[d]} for d in sorted(groups)]


def check_computed_anew(name: str) -> None:
    """Refuse to compute maps a second time where batch norms would count each batch twice, or timm cannot.

    Raises:
        SettingsError: If so.
    """
    structure = backbone_spec(name).structure
    reason = "" if structure.can_recompute else f"timm does not offer it for {name}"
    if structure.norms:
        reason = f"{name} has batch norms, whose statistics would count each batch twice"
    if reason:
        raise SettingsError(
            f"--engine.gradient-checkpointing cannot be: {reason}. Compute batches in parts instead (--engine.parts)."
        )
