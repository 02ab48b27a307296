"""Camera proxies as a method: rounds of one stage, density labels and losses against clusters' parts in cameras."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from iics.config import ProxySettings, Settings
from iics.crops import CropSet
from iics.errors import TrainingError, check_setting
from iics.methods.adam import AdamSettings
from iics.methods.camera_proxies.loss import ProxyLoss
from iics.methods.density_round import (
    IGNORED,
    LabelSettings,
    RoundSettings,
    batch_of,
    check_label_choices,
    check_labelling,
    costs_like,
    train_round,
)
from iics.methods.method import Method, Stage, StageResult, State
from iics.training.context import TrainingContext
from iics.training.step_memory import StepBatch


@dataclass(frozen=True)
class CameraProxiesSettings:
    """What only this method is told."""

    labels: Annotated[LabelSettings, tyro.conf.arg(name="")] = field(default_factory=LabelSettings)
    work: Annotated[RoundSettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: RoundSettings(camera_diverse=True)
    )
    rates: Annotated[AdamSettings, tyro.conf.arg(name="")] = field(default_factory=AdamSettings)
    proxies: Annotated[ProxySettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: ProxySettings(weight=0.5, positives="both")
    )

    def __post_init__(self) -> None:
        check_setting(
            self.proxies.weight > 0,
            f"own.weight must be above 0, got {self.proxies.weight:g}: without it, nothing is learned across cameras.",
        )


def train_camera_proxies(context: TrainingContext, state: State) -> StageResult:
    """Label all crops, train against the proxies of their clusters; see `train_round`."""
    own: CameraProxiesSettings = context.settings.own
    return train_round(
        context,
        state,
        lambda _features, _labels: ProxyLoss(own.proxies),
        labels=own.labels,
        work=own.work,
        rates=own.rates,
    )


def _check_choices(settings: Settings) -> None:
    check_label_choices(settings, settings.own.labels)


def _check(crops: CropSet, settings: Settings) -> None:
    if crops.num_cameras < 2:
        raise TrainingError(
            f"All {len(crops)} crops of {crops.name} are of one camera; camera proxies need at least 2. Train with "
            "--method cluster-contrast, which needs no cameras."
        )
    check_labelling(crops, settings, settings.own.labels)


def _batch(_crops: CropSet, settings: Settings) -> StepBatch:
    return batch_of(settings.own.work)


def _costs_like(settings: Settings) -> Settings:
    return costs_like(settings, labels=settings.own.labels, work=settings.own.work)


_STAGE = Stage("proxies", "proxies", stream=5, train=train_camera_proxies, batch=_batch)

CAMERA_PROXIES = Method(
    stages=lambda _: (_STAGE,),
    check_choices=_check_choices,
    check=_check,
    costs_like=_costs_like,
    settings=CameraProxiesSettings,
    ignores=lambda _: IGNORED,
)
