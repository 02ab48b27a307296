"""A network that starts from a model of ours computes what that model computed, or the start is refused."""

import contextlib
import dataclasses
import itertools
import logging
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from iics.errors import WeightsError
from iics.layers.normalization import AdaptiveInstanceBatchNorm2d
from iics.model_settings import ModelSettings
from iics.models.model_file import HEADER_KEY, header_text, is_model_file
from iics.models.model_header import FORMAT_VERSION, ModelHeader
from iics.models.reid_model import create_model
from iics.models.transfer import _check_fits, model_file_of, weights_file

SETTINGS = ModelSettings(backbone="test_resnet", weights="none", height=64, width=32)
NORMS = ("aibn", "aibn-fixed", "bn", "in", "ibn")
CPU = torch.device("cpu")


def trained(**changes):
    """A model with statistics, weights and (where they are learned) alphas that no new network has."""
    torch.manual_seed(0)
    made = create_model(dataclasses.replace(SETTINGS, **changes), device=CPU)
    made.backbone.train()
    with torch.no_grad():
        made.backbone(torch.randn(8, 3, 64, 32))
        for number, layer in enumerate(aibn_layers(made)):
            if layer.mix.alpha.requires_grad:
                layer.mix.alpha.fill_(0.1 + 0.01 * number)
    return made


def aibn_layers(model):
    return [module for module in model.backbone.modules() if isinstance(module, AdaptiveInstanceBatchNorm2d)]


def start_from(place, **changes):
    return create_model(dataclasses.replace(SETTINGS, weights=str(place), **changes), device=CPU)


@pytest.fixture
def stored(tmp_path):
    """Make a trained model and store it as a run does."""

    def store(**changes):
        model = trained(**changes)
        model.save(tmp_path / "model.safetensors")
        return model, tmp_path / "model.safetensors"

    return store


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (4, 64, 32, 3), dtype=np.uint8)


# --- what starts what


@pytest.mark.parametrize("norm", NORMS)
def test_a_network_of_the_same_kind_computes_what_the_model_computed(stored, pixels, norm):
    model, file = stored(norm=norm)
    started = start_from(file, norm=norm)
    np.testing.assert_array_equal(started.embed(pixels), model.embed(pixels))
    assert started.backbone.state_dict().keys() == model.backbone.state_dict().keys()


def test_learned_alphas_are_kept_and_shared_as_before(stored):
    model, file = stored()
    alphas = [layer.mix.alpha.item() for layer in aibn_layers(start_from(file))]
    assert alphas == [layer.mix.alpha.item() for layer in aibn_layers(model)]
    assert 0.5 not in alphas
    assert len(set(alphas)) == 2


@pytest.mark.parametrize("norm", ["aibn", "aibn-fixed"])
def test_a_bn_model_starts_aibn_with_every_alpha_at_a_half(stored, norm):
    model, file = stored(norm="bn")
    started = start_from(file, norm=norm)
    assert {layer.mix.alpha.item() for layer in aibn_layers(started)} == {0.5}
    state = started.backbone.state_dict()
    for key, value in model.backbone.state_dict().items():
        assert torch.equal(state[key], value), key


def test_a_bn_model_in_aibn_with_alpha_1_is_the_bn_model(stored, pixels):
    model, file = stored(norm="bn")
    started = start_from(file, norm="aibn", alpha_sharing="stage", norm_stages=("layer2", "layer4"))
    with torch.no_grad():
        for layer in aibn_layers(started):
            layer.mix.alpha.fill_(1.0)
    np.testing.assert_allclose(started.embed(pixels), model.embed(pixels), rtol=1e-3, atol=1e-5)


def test_a_fixed_alpha_may_be_learned_from_there(stored, pixels):
    model, file = stored(norm="aibn-fixed", alpha_sharing="none")
    started = start_from(file, norm="aibn")
    np.testing.assert_array_equal(started.embed(pixels), model.embed(pixels))
    assert all(layer.mix.alpha.requires_grad for layer in aibn_layers(started))


def test_stages_in_another_order_are_the_same_stages(stored, pixels):
    model, file = stored(norm_stages=("layer4", "layer3"))
    np.testing.assert_array_equal(start_from(file).embed(pixels), model.embed(pixels))


def test_bn_starts_all_every_norm_itself_and_a_fixed_alpha_a_learned_one_and_nothing_else_starts_another():
    headers = [ModelHeader.from_settings(dataclasses.replace(SETTINGS, norm=norm)) for norm in NORMS]
    accepted = set()
    for found, wanted in itertools.product(headers, headers):
        with contextlib.suppress(WeightsError):
            _check_fits(found, wanted, Path("model.safetensors"))
            accepted.add((found.norm, wanted.norm))
    assert accepted == {("bn", norm) for norm in NORMS} | {(norm, norm) for norm in NORMS} | {("aibn-fixed", "aibn")}


def test_a_started_model_has_no_rounds_of_training_yet(stored):
    model, file = stored()
    model.header = dataclasses.replace(model.header, trained_rounds=7)
    model.save(file)
    assert start_from(file).header.trained_rounds == 0


def test_another_crop_size_is_warned_of(stored, caplog):
    _, file = stored()
    with caplog.at_level(logging.WARNING):
        start_from(file)
        assert not caplog.records
        start_from(file, height=128, width=64)
    assert caplog.messages == [f"{file} was trained on crops of 64x32; here they are 128x64 (--height, --width)."]


# --- what is refused


@pytest.mark.parametrize(
    ("found", "wanted", "theirs", "ours"),
    [
        ({"norm": "aibn"}, {"norm": "bn"}, "--norm aibn", "--norm bn"),
        ({"norm": "aibn"}, {"norm": "aibn-fixed"}, "--norm aibn", "--norm aibn-fixed"),
        ({"norm": "in"}, {"norm": "aibn"}, "--norm in", "--norm aibn"),
        ({"norm": "ibn"}, {"norm": "in"}, "--norm ibn", "--norm in"),
        ({"norm": "bn"}, {"backbone": "resnet50"}, "--backbone test_resnet", "--backbone resnet50"),
        ({"alpha_sharing": "none"}, {}, "--alpha-sharing none", "--alpha-sharing block"),
        ({"norm_stages": ("layer4",)}, {}, "--norm-stages layer4", "--norm-stages layer3 layer4"),
        (
            {"norm": "aibn", "norm_stages": ("layer4",)},
            {"norm": "in"},
            "--norm aibn --norm-stages layer4",
            "--norm in --norm-stages layer3 layer4",
        ),
    ],
)
def test_weights_that_would_compute_something_else_are_refused(stored, found, wanted, theirs, ours):
    _, file = stored(**found)
    message = (
        f"{file} was made with {theirs}; with {ours} its weights would compute something else. Take over the former, "
        "or start from other weights."
    )
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        start_from(file, **wanted)


@pytest.mark.parametrize("channel_statistics", ["mean", "std"])
def test_weights_for_other_pixels_are_refused(stored, channel_statistics):
    model, file = stored()
    model.header = dataclasses.replace(model.header, **{channel_statistics: (0.1, 0.2, 0.3)})
    model.save(file)
    with pytest.raises(WeightsError, match=r"takes pixels of mean .*\(0\.1, 0\.2, 0\.3\).*start from other weights\.$"):
        start_from(file)


def test_a_model_of_a_newer_version_is_refused(stored):
    _, file = stored()
    header = header_text(file).replace(f'"format": {FORMAT_VERSION}', '"format": 99')
    save_file(load_file(file), file, metadata={HEADER_KEY: header})
    with pytest.raises(WeightsError, match="was written by a newer iics"):
        start_from(file)


def test_tensors_that_the_header_does_not_describe_are_refused(stored):
    _, file = stored()
    header, tensors = header_text(file), load_file(file)
    del tensors["layer4.0.bn1.mix.alpha"]
    save_file(tensors, file, metadata={HEADER_KEY: header})
    with pytest.raises(WeightsError, match=r"does not hold the tensors its header describes: .*mix\.alpha"):
        start_from(file)


def test_a_torn_model_is_refused(stored):
    _, file = stored()
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=rf"^Cannot read weights from {re.escape(str(file))}, it is damaged"):
        start_from(file)


# --- how it is named


def test_a_run_folder_stands_for_its_model(stored, pixels):
    model, file = stored()
    assert model_file_of(str(file.parent)) == file
    np.testing.assert_array_equal(start_from(file.parent).embed(pixels), model.embed(pixels))


def test_a_folder_without_a_model_is_named(tmp_path):
    file = tmp_path / "model.safetensors"
    message = f"No weights file at {file}; needed is a file, or `imagenet` or `none`."
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        start_from(tmp_path)


def test_a_model_of_ours_is_known_by_its_header_and_not_by_its_name(stored, tmp_path):
    _, file = stored()
    assert is_model_file(file.rename(tmp_path / "weights.bin"))
    save_file({"a": torch.ones(1)}, tmp_path / "other.safetensors")
    torch.save({"a": torch.ones(1)}, tmp_path / "other.pth")
    for name in ("other.safetensors", "other.pth", "gone.safetensors"):
        assert not is_model_file(tmp_path / name)
        assert model_file_of(str(tmp_path / name)) is None
        assert weights_file(str(tmp_path / name)) == tmp_path / name


def test_weights_of_others_start_a_network_as_before(tmp_path):
    state = create_model(dataclasses.replace(SETTINGS, norm="bn"), device=CPU).backbone.state_dict()
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "w.safetensors")
    started = start_from(tmp_path / "w.safetensors")
    assert all(torch.equal(started.backbone.state_dict()[key], value) for key, value in state.items())
