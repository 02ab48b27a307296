"""IICS as a method (Fig. 2): rounds of stage 1 then stage 2, or of one of them alone (Table 1)."""

from __future__ import annotations

from iics.config import Settings
from iics.methods.iics.stage1 import STAGE_1
from iics.methods.iics.stage2 import STAGE_2
from iics.methods.method import Method, Stage
from iics.methods.trainable import check_trainable

STAGES: dict[str, tuple[Stage, ...]] = {"both": (STAGE_1, STAGE_2), "stage1": (STAGE_1,), "stage2": (STAGE_2,)}


def _stages(settings: Settings) -> tuple[Stage, ...]:
    return STAGES[settings.stages]


IICS = Method(stages=_stages, check=check_trainable, costs_like=lambda settings: settings)
