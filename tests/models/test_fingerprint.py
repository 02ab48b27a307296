"""Which model made a feature."""

import json
from dataclasses import replace

import pytest
import torch

from iics.model_settings import ModelSettings
from iics.models.fingerprint import _decisive_values, model_fingerprint
from iics.models.network_parts import NetworkParts
from iics.models.reid_model import ReidModel, create_model, load_model


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    settings = ModelSettings(backbone="test_efficientnet", weights="none", height=64, width=32)
    return create_model(settings, device=torch.device("cpu"))


def test_a_saved_model_keeps_its_fingerprint(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    assert model_fingerprint(load_model(tmp_path / "model.safetensors")) == model_fingerprint(model)
    assert len(model_fingerprint(model)) == 16


def test_one_weight_or_the_preprocessing_makes_another_model(model):
    resized = ReidModel(model.backbone, replace(model.header, height=128), device=model.device)
    assert model_fingerprint(resized) != model_fingerprint(model)
    before = model_fingerprint(model)
    with torch.no_grad():
        weight = next(model.backbone.parameters())
        weight[0, 0, 0, 0] += 1e-3
    assert model_fingerprint(model) != before


def test_rounds_of_training_are_not_part_of_it(model):
    later = ReidModel(model.backbone, replace(model.header, trained_rounds=7), device=model.device)
    assert model_fingerprint(later) == model_fingerprint(model)


def test_what_networks_of_others_compute_otherwise_counts_and_ours_keep_their_fingerprint(model):
    """Galleries remember fingerprints, so those of our networks are what they were before there were others."""
    names = ("backbone", "norm", "norm_stages", "alpha_sharing", "height", "width", "mean", "std")
    assert _decisive_values(model.header) == json.dumps({n: getattr(model.header, n) for n in names}, sort_keys=True)
    others = [
        {"last_stride": 2},
        {"interpolation": "bilinear"},
        {"parts": NetworkParts(stem_relu=False)},
        {"parts": NetworkParts(pooling="gem")},
    ]
    found = {_decisive_values(replace(model.header, **change)) for change in [{}, *others]}
    assert len(found) == 5
