"""The variants that the paper's tables and figures compare: a name and a change of settings each.

Every change starts from the full method with the cosine distance, which the paper's ablations use (the last rows of
Tables 1 and 2 are IICS + of Table 5). A row that changes nothing is the same run in every table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from iics.config import Settings
from iics.errors import SettingsError

TargetName = Literal["table1", "table2", "table3", "table4", "table5", "table6", "figure1", "figure3", "figure4"]

MU_FACTORS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
"""The mu of Fig. 4, as multiples of the preset's."""

_RESNET_LAYERS: dict[int, tuple[str, ...]] = {1: ("layer1",), 2: ("layer2",), 3: ("layer3",), 4: ("layer4",)}
LAYERS: dict[str, dict[int, tuple[str, ...]]] = {
    "resnet50": _RESNET_LAYERS,
    "resnet18": _RESNET_LAYERS,
    "efficientnet_lite0": {
        1: ("blocks.0", "blocks.1"),
        2: ("blocks.2", "blocks.3.0"),
        3: ("blocks.3.1", "blocks.3.2", "blocks.4"),
        4: ("blocks.5", "blocks.6", "bn2"),
    },
}
"""What Table 4's layers 1 to 4 are in each backbone. Those of efficientnet_lite0 work at a ResNet layer's resolution,
but for the first strided blocks; 3+4 is the later half, as everywhere else."""


@dataclass(frozen=True)
class Variant:
    """A row of a table."""

    label: str
    change: Callable[[Settings], Settings]


def _full_method(settings: Settings) -> Settings:
    return settings


def _stages(stages: Literal["stage1"]) -> Callable[[Settings], Settings]:
    return lambda settings: replace(settings, stages=stages)


def _similarity(similarity: Literal["cnn", "overlap"]) -> Callable[[Settings], Settings]:
    return lambda settings: replace(settings, stage2=replace(settings.stage2, similarity=similarity))


def _only_stage2(settings: Settings) -> Settings:
    return replace(_similarity("cnn")(settings), stages="stage2")


def _model(**changes: Any) -> Callable[[Settings], Settings]:
    return lambda settings: replace(settings, model=replace(settings.model, **changes))


def _in_layers(*layers: int) -> Callable[[Settings], Settings]:
    def change(settings: Settings) -> Settings:
        by_layer = LAYERS.get(settings.model.backbone)
        if by_layer is None:
            raise SettingsError(
                f"Table 4 knows the layers of {', '.join(LAYERS)}, not of {settings.model.backbone}. Take one of them."
            )
        stages = tuple(path for layer in layers for path in by_layer[layer])
        return _model(norm_stages=stages)(settings)

    return change


def _mu(factor: float) -> Callable[[Settings], Settings]:
    if factor == 0:  # Eq. 5 is then the CNN similarity, and the run Table 1's
        return _similarity("cnn")
    return lambda settings: replace(settings, stage2=replace(settings.stage2, mu=factor * settings.stage2.mu))


def _reranked(settings: Settings) -> Settings:
    return replace(settings, distance=replace(settings.distance, kind="reranked"))


FULL_METHOD = Variant("both, Eq. 5", _full_method)

TABLE1 = (
    Variant("stage 1", _stages("stage1")),
    Variant("stage 2, CNN similarity", _only_stage2),
    Variant("both, CNN similarity", _similarity("cnn")),
    Variant("both, Eq. 9", _similarity("overlap")),
    FULL_METHOD,
)
TABLE2 = (
    Variant("BN", _model(norm="bn")),
    Variant("IBN", _model(norm="ibn")),
    Variant("IN", _model(norm="in")),
    Variant("AIBN, alpha fixed", _model(norm="aibn-fixed")),
    Variant("AIBN", _full_method),
)
TABLE3 = (Variant("BN", _model(norm="bn")), Variant("AIBN", _full_method))
"""Trained with identities, on either of two sides."""
TABLE4 = (
    Variant("nowhere", _model(norm="bn")),
    Variant("all layers", _in_layers(1, 2, 3, 4)),
    Variant("layers 1+2", _in_layers(1, 2)),
    Variant("layer 4", _in_layers(4)),
    Variant("layers 2+3+4", _in_layers(2, 3, 4)),
    Variant("layers 3+4", _full_method),
    Variant("alpha shared by nobody", _model(alpha_sharing="none")),
    Variant("alpha shared by a bottleneck", _full_method),
    Variant("alpha shared by a layer", _model(alpha_sharing="stage")),
)
TABLE5 = (Variant("cosine (+)", _full_method), Variant("re-ranked (++)", _reranked))


def variants_of(target: TargetName, settings: Settings) -> tuple[Variant, ...]:
    """Return the rows of a table, or what a figure compares.

    Args:
        target: Which.
        settings: Of the full method; the labels of Fig. 4 are its mu and multiples of it.
    """
    if target == "figure4":
        return tuple(Variant(f"{factor * settings.stage2.mu:g}", _mu(factor)) for factor in MU_FACTORS)
    return {
        "table1": TABLE1,
        "table2": TABLE2,
        "table3": TABLE3,
        "table4": TABLE4,
        "table5": TABLE5,
        "table6": TABLE5,
        "figure1": (FULL_METHOD,),
        "figure3": (TABLE1[0], FULL_METHOD),
    }[target]
