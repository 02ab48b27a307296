"""Methods whose rounds label by density: what they refuse, and the loss of camera-proxies against plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from iics.config import ProxySettings
from iics.errors import SettingsError, TrainingError
from iics.methods.by_name import method_of, with_own_settings
from iics.methods.camera_proxies.loss import ProxyLoss
from iics.methods.camera_proxies.method import CameraProxiesSettings
from iics.methods.cluster_contrast.method import ClusterContrastSettings
from iics.training.camera_proxies import CameraProxies
from iics.training.losses import LabelledCrops

METHODS = ("cluster-contrast", "camera-proxies")
CAMERAS = [0, 0, 1, 0, 1, 1, 1, 1, 1, 0]


def test_one_camera_will_do_for_cluster_contrast_alone(people, tiny_settings):
    crops = people.train.subset(people.train.camera_ids == 0)
    for name in METHODS:
        settings = with_own_settings(replace(tiny_settings, method=name))
        if name == "cluster-contrast":
            method_of(settings).check(crops, settings)
            continue
        with pytest.raises(
            TrainingError, match=r"camera proxies need at least 2\. Train with --method cluster-contrast"
        ):
            method_of(settings).check(crops, settings)


@pytest.mark.parametrize(("name", "value"), [("temperature", 0), ("memory_momentum", 1.1)])
def test_settings_of_the_memory_out_of_range_are_refused(name, value):
    with pytest.raises(SettingsError, match=rf"own\.{name}"):
        ClusterContrastSettings(**{name: value})


def test_camera_proxies_without_a_weight_are_refused():
    with pytest.raises(SettingsError, match="nothing is learned across cameras"):
        CameraProxiesSettings(proxies=ProxySettings(weight=0))


# --- the loss of camera-proxies


def test_loss_within_cameras_is_that_of_a_plain_loop():
    generator = torch.Generator().manual_seed(0)
    features = normalize(torch.randn(10, 5, generator=generator))
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2, -1])
    crops = LabelledCrops(labels, torch.tensor(CAMERAS), features)
    settings = ProxySettings(weight=0.5, positives="both")
    loss = ProxyLoss(settings)
    loss.start(crops)
    now, batch = torch.randn(6, 5, generator=generator), torch.tensor([0, 2, 3, 5, 6, 7])
    terms = loss(now, labels[batch], batch)

    proxies = {
        (label, camera): normalize(features[(labels == label) & (crops.camera_ids == camera)].mean(dim=0), dim=0)
        for label, camera in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1)]
    }
    expected = []
    for f, crop in zip(normalize(now), batch.tolist(), strict=True):
        camera = CAMERAS[crop]
        scores = {label: float(f @ p) / 0.07 for (label, seen), p in proxies.items() if seen == camera}
        expected.append(np.log(sum(np.exp(s) for s in scores.values())) - scores[int(labels[crop])])
    across = CameraProxies(crops, settings)(now, batch)
    assert terms["intra_camera"].item() == pytest.approx(np.mean(expected), rel=1e-4)
    assert terms["proxies"].item() == pytest.approx(across.item(), rel=1e-6)
    assert terms["loss"].item() == pytest.approx(np.mean(expected) + 0.5 * across.item(), rel=1e-4)
    assert 0 <= terms["accuracy"].item() <= 1
