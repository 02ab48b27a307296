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
from iics.methods.density_labels import LabelSettings
from iics.methods.density_round import RoundSettings, density_method, train_round
from iics.methods.method import StageResult, State
from iics.training.context import TrainingContext


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


def _check(crops: CropSet, _settings: Settings) -> None:
    if crops.num_cameras < 2:
        raise TrainingError(
            f"All {len(crops)} crops of {crops.name} are of one camera; camera proxies need at least 2. Train with "
            "--method cluster-contrast, which needs no cameras."
        )


CAMERA_PROXIES = density_method(
    "proxies", stream=5, train=train_camera_proxies, settings=CameraProxiesSettings, check=_check
)
