"""Settings by name: the paper's for its three benchmarks, two for your own cameras, one for the sample that ships."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from iics.config import ClusterSettings, DistanceSettings, ProxySettings, Settings, Stage1Settings, Stage2Settings
from iics.model_settings import ModelSettings
from iics.subjects import SUBJECTS, SubjectName

MARKET1501 = Settings()
"""Sec. 4.2: 40 rounds of 2 + 2 epochs, 600 clusters a camera and 800 over all."""

DUKEMTMC = MARKET1501
"""Sec. 4.2 gives DukeMTMC-reID the settings of Market-1501."""

MSMT17 = replace(
    MARKET1501,
    stage1=replace(MARKET1501.stage1, epochs=12),
    stage2=replace(MARKET1501.stage2, clusters=ClusterSettings(number=1200, quantile=0.0017)),
)
"""Sec. 4.2: 12 epochs in stage 1, 1200 clusters in stage 2."""

IICS = replace(
    MARKET1501,
    stage1=Stage1Settings(steps_per_epoch="mean", clusters=ClusterSettings(rule="auto")),
    stage2=Stage2Settings(clusters=ClusterSettings(rule="auto")),
)
"""The paper's method on data of unknown size: numbers of clusters chosen without labels, small cameras cycled."""

SAMPLE = replace(
    IICS,
    model=ModelSettings(backbone="efficientnet_lite0", height=128, width=64),
    stage2=replace(IICS.stage2, mu=0.05),
    rounds=4,
)
"""Minutes on two cores, offline: efficientnet_lite0 on 128x64 crops, and a larger mu because the rounds are few."""

OWN_CAMERAS = replace(
    IICS,
    distance=DistanceSettings(k1=15, k2=4, lambda_value=0.0),
    stage1=replace(
        IICS.stage1,
        rounds=1,
        epochs=1,
        backbone_learning_rate=0.001,
        head_learning_rate=0.01,
        rates="cosine",
    ),
    stage2=Stage2Settings(
        epochs=3,
        backbone_learning_rate=0.002,
        head_learning_rate=0.02,
        rates="cosine",
        mu=0.05,
        clusters=ClusterSettings(rule="density", eps=0.5, min_crops=4, grow=0.75, least=16),
        centring="mean",
        one_camera_clusters="drop",
        camera_diverse=True,
        proxies=ProxySettings(weight=0.5),
    ),
)
"""The best that was found without labels, on the sample and on real crops (docs/experiments.md, "Own cameras").

Beyond the paper: labels from dense places that grow by average linkage, on features less their camera's mean; clusters
of several cameras alone; camera-diverse batches; camera proxies; rates that fall in every round; stage 1 in the first
round only, so that there are more rounds in the same time. This is the method. Network, size, rounds and parts of a
batch are those of a GPU here; `iics train` and `iics.fit_settings` (`iics.runs.fitted_settings`) fit
them to crops and machine.
"""

OWN_CAMERAS_OFFLINE = replace(OWN_CAMERAS, model=SAMPLE.model)
"""`own-cameras` without a download: the small network whose ImageNet weights are a package, on 128x64 crops."""

FITTED: dict[str, bool] = {"own-cameras": True, "own-cameras-offline": False}
"""The presets that are fitted to crops and machine, and whether weights may be downloaded for that."""

BY_NAME: dict[str, Settings] = {
    "market1501": MARKET1501,
    "dukemtmc": DUKEMTMC,
    "msmt17": MSMT17,
    "iics": IICS,
    "own-cameras": OWN_CAMERAS,
    "sample": SAMPLE,
    "own-cameras-offline": OWN_CAMERAS_OFFLINE,
}

_SIDES = 32
"""Sides of square inputs are multiples of it: most backbones halve their maps five times."""


def for_subject(settings: Settings, subject: SubjectName, *, keeping: Collection[str] = ()) -> Settings:
    """Return settings with the defaults of what crops show: mirror, fit and shape of the network's input.

    Args:
        settings: To change.
        subject: What crops show.
        keeping: Settings that stay as they are, e.g. "model.mirror", "model.height".
    """
    chosen, model = SUBJECTS[subject], settings.model
    changed = replace(
        model,
        subject=subject,
        mirror=model.mirror if "model.mirror" in keeping else chosen.mirror,
        fit=model.fit if {"model.fit", "model.letterbox_colour"} & set(keeping) else chosen.fit,
    )
    return replace(settings, model=shaped(changed, keeping=keeping))


def shaped(model: ModelSettings, *, keeping: Collection[str] = ()) -> ModelSettings:
    """Return a network with an input of its subject's shape: for most a square of about as many pixels.

    Args:
        model: To change.
        keeping: As in `for_subject`; if it names one side, the other is as long.
    """
    kept = [getattr(model, side) for side in ("height", "width") if f"model.{side}" in keeping]
    if not SUBJECTS[model.subject].is_square or len(kept) == 2:
        return model
    side = kept[0] if kept else _SIDES * round((model.height * model.width) ** 0.5 / _SIDES)
    return replace(model, height=side, width=side)
