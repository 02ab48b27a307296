"""Camera proxies beside a plain reference: loops over crops, straight from the formulas."""

import math

import numpy as np
import pytest
import torch

from iics.config import ProxySettings
from iics.errors import SettingsError, TrainingError
from iics.training.camera_proxies import CameraProxies, WithCameraProxies
from iics.training.losses import ClassifierAndTriplet, LabelledCrops, LabelLoss

LABELS = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, -1, 3, 0, 1])
CAMERAS = torch.tensor([0, 1, 2, 0, 1, 1, 2, 2, 0, 0, 1, 2])


def labelled(seed=0, d=6):
    raw = torch.randn(len(LABELS), d, generator=torch.Generator().manual_seed(seed))
    return LabelledCrops(LABELS, CAMERAS, torch.nn.functional.normalize(raw))


def reference_proxies(crops):
    """{(label, camera): normalised mean}"""
    found = {}
    for label, camera, feature in zip(
        crops.labels.tolist(), crops.camera_ids.tolist(), crops.features.numpy(), strict=True
    ):
        if label >= 0:
            found.setdefault((label, camera), []).append(feature)
    return {key: np.sum(rows, axis=0) / np.linalg.norm(np.sum(rows, axis=0)) for key, rows in found.items()}


def contrast(similarity, positives, negatives, settings):
    if not positives:
        return 0.0
    hardest = sorted((similarity[key] for key in negatives), reverse=True)[: settings.negatives]
    below = sum(math.exp(value / settings.temperature) for value in [*(similarity[key] for key in positives), *hardest])
    return -sum(math.log(math.exp(similarity[key] / settings.temperature) / below) for key in positives) / len(
        positives
    )


def reference_loss(crops, features, crop_ids, settings):
    proxies, total = reference_proxies(crops), 0.0
    for feature, crop in zip(features.double().numpy(), crop_ids.tolist(), strict=True):
        own = (int(crops.labels[crop]), int(crops.camera_ids[crop]))
        similarity = {key: float(feature / np.linalg.norm(feature) @ proxy) for key, proxy in proxies.items()}
        others = [key for key in proxies if key[0] != own[0]]
        if settings.positives != "online":
            positives = [key for key in proxies if key[0] == own[0] and key[1] != own[1]]
            total += contrast(similarity, positives, others, settings)
        if settings.positives != "offline":
            rank = {key: 0.15 * similarity[key] + 0.85 * float(proxies[own] @ proxies[key]) for key in proxies}
            seen = {camera for _, camera in proxies}
            best = [max((key for key in proxies if key[1] == camera), key=rank.__getitem__) for camera in seen]
            positives = sorted(best, key=rank.__getitem__, reverse=True)[:3]
            total += contrast(similarity, positives, [key for key in others if key not in positives], settings)
    return total / len(crop_ids)


@pytest.mark.parametrize("positives", ["offline", "online", "both"])
@pytest.mark.parametrize("negatives", [2, 50])
def test_the_loss_is_that_of_the_plain_formulas(positives, negatives):
    crops, settings = labelled(), ProxySettings(positives=positives, negatives=negatives, temperature=0.3)
    crop_ids = torch.tensor([0, 3, 6, 9, 10, 11, 5])
    features = torch.randn(7, 6, generator=torch.Generator().manual_seed(1), requires_grad=True)
    loss = CameraProxies(crops, settings)(features, crop_ids)
    assert loss.item() == pytest.approx(reference_loss(crops, features.detach(), crop_ids, settings), rel=1e-5)
    loss.backward()
    assert torch.isfinite(features.grad).all()


def test_a_camera_whose_crops_are_all_without_a_cluster_gives_no_online_positive():
    # Of four cameras, two have proxies: the third best camera, of none, must not stand for the first proxy.
    labels = torch.where((CAMERAS == 1) | (LABELS < 0), -1, LABELS)
    raw = torch.randn(len(labels) + 1, 6, generator=torch.Generator().manual_seed(0))
    crops = LabelledCrops(
        torch.cat([labels, torch.tensor([-1])]),
        torch.cat([CAMERAS, torch.tensor([3])]),
        torch.nn.functional.normalize(raw),
    )
    settings = ProxySettings(positives="online", temperature=0.3)
    crop_ids, features = (
        torch.tensor([0, 2, 3, 7, 9, 11]),
        torch.randn(6, 6, generator=torch.Generator().manual_seed(1)),
    )
    loss = CameraProxies(crops, settings)(features, crop_ids)
    assert loss.item() == pytest.approx(reference_loss(crops, features, crop_ids, settings), rel=1e-5)


def test_a_crop_whose_cluster_one_camera_saw_has_no_offline_positive_and_no_gradient():
    features = torch.randn(1, 6, requires_grad=True)
    loss = CameraProxies(labelled(), ProxySettings())(features, torch.tensor([6]))
    loss.backward()
    assert loss.item() == 0
    assert (features.grad == 0).all()


def test_one_cluster_alone_has_no_negatives_and_a_finite_loss():
    crops = LabelledCrops(torch.zeros(4, dtype=torch.int64), torch.tensor([0, 0, 1, 1]), torch.eye(4))
    features = torch.eye(4, requires_grad=True)
    loss = CameraProxies(crops, ProxySettings(positives="both"))(features, torch.arange(4))
    loss.backward()
    assert math.isfinite(loss.item())
    assert torch.isfinite(features.grad).all()


def test_a_step_down_the_gradient_draws_a_crop_to_its_cluster_in_other_cameras():
    crops = labelled()
    proxies = CameraProxies(crops, ProxySettings())
    features = crops.features[:1].clone().requires_grad_()
    before = proxies(features, torch.tensor([0]))
    before.backward()
    after = proxies(features.detach() - 0.1 * features.grad, torch.tensor([0]))
    assert after < before


def with_proxies(weight):
    loss = ClassifierAndTriplet(
        6, 4, triplet_weight=1.0, triplet_margin=0.3, generator=torch.Generator().manual_seed(0)
    )
    return WithCameraProxies(loss, ProxySettings(weight=weight))


def test_proxies_are_added_to_the_loss_by_their_weight_and_are_a_term_of_their_own():
    crops, crop_ids = labelled(), torch.tensor([0, 1, 3, 4])
    features = torch.randn(4, 6, generator=torch.Generator().manual_seed(2))
    terms = []
    for weight in (0.5, 2.0):
        loss = with_proxies(weight)
        loss.start(crops)
        terms.append(loss(features, LABELS[crop_ids], crop_ids))
    assert next(iter(terms[0])) == "loss"
    assert terms[0]["proxies"] > 0
    assert (terms[1]["loss"] - terms[0]["loss"]).item() == pytest.approx(1.5 * terms[0]["proxies"].item(), rel=1e-5)


def test_without_features_before_training_there_are_no_proxies():
    with pytest.raises(TrainingError, match="means of features"):
        with_proxies(0.5)(torch.randn(2, 6), torch.tensor([0, 1]), torch.tensor([0, 3]))


def test_a_loss_that_cannot_weigh_clusters_refuses_weights():
    crops = labelled()
    with pytest.raises(SettingsError, match="LabelLoss does not weigh clusters; choose "):
        LabelLoss().start(LabelledCrops(crops.labels, crops.camera_ids, crops.features, torch.ones(4)))
