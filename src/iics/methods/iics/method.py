"""IICS as a method (Fig. 2): rounds of stage 1 then stage 2, or of one of them alone (Table 1)."""

from __future__ import annotations

from dataclasses import replace

from iics.config import Settings
from iics.crops import CropSet
from iics.methods.iics.stage1 import STAGE_1
from iics.methods.iics.stage2 import STAGE_2
from iics.methods.method import Method, Stage
from iics.methods.trainable import check_choices, check_trainable

STAGES: dict[str, tuple[Stage, ...]] = {"both": (STAGE_1, STAGE_2), "stage1": (STAGE_1,), "stage2": (STAGE_2,)}


def _stages(settings: Settings) -> tuple[Stage, ...]:
    return STAGES[settings.stages]


def _for_crops(crops: CropSet, settings: Settings) -> tuple[Settings, str]:
    """Return settings of stage 1 alone for crops of one camera: stage 2 has no other one to compare with."""
    if settings.stages != "both" or crops.num_cameras > 1:
        return settings, ""
    return replace(settings, stages="stage1"), (
        f"All {len(crops)} crops of {crops.name} are of one camera, so rounds are stage 1 alone: the model learns to "
        "tell apart those whom this camera sees, and nothing of how they look in another one (docs/weak_cameras.md)."
    )


def _ignores(settings: Settings) -> tuple[str, ...]:
    unused = {"both": (), "stage1": ("stage2.",), "stage2": ("stage1.",)}[settings.stages]
    return ("supervised.", "stage1.clusters.least", *unused)


IICS = Method(
    stages=_stages,
    check_choices=check_choices,
    check=check_trainable,
    costs_like=lambda settings: settings,
    ignores=_ignores,
    for_crops=_for_crops,
)
