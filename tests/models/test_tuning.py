"""Rates that fall from block to block, a frozen patch embedding, maps computed anew for the gradient."""

import copy
from dataclasses import replace

import pytest
import torch

from iics.computing_settings import EngineSettings
from iics.errors import SettingsError
from iics.methods.adam import AdamSettings, adam
from iics.model_settings import ModelSettings
from iics.models.backbone_spec import backbone_spec
from iics.models.map_memory import map_numbers
from iics.models.reid_model import create_model
from iics.models.tuning import learning_groups
from iics.training.engine import Engine, choose_engine

CPU = torch.device("cpu")


def model(backbone="test_vit", **values):
    norm = "own" if backbone == "test_vit" else "bn"
    given = {"weights": "none", "norm": norm, "height": 64, "width": 32} | values
    return create_model(ModelSettings(backbone=backbone, **given), device=CPU)


def rates_of(backbone, groups):
    rate = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    return {name: rate[id(parameter)] for name, parameter in backbone.named_parameters() if id(parameter) in rate}


def test_each_block_learns_at_a_share_of_the_rate_of_the_one_behind_it():
    backbone = model(neck="batchnorm").backbone
    groups = learning_groups(backbone, rate=1.0, layer_decay=0.5)
    rates = rates_of(backbone, groups)
    assert [group["initial_lr"] for group in groups] == [group["lr"] for group in groups]
    assert len(rates) == len([p for p in backbone.parameters() if p.requires_grad])
    last = len(backbone.blocks) - 1
    assert rates["head.0.norm.weight"] == 1.0
    for number in range(last):
        ratio = rates[f"blocks.{number}.mlp.fc1.weight"] / rates[f"blocks.{number + 1}.mlp.fc1.weight"]
        assert ratio == pytest.approx(0.5)
    assert rates["patch_embed.proj.weight"] == rates["pos_embed"] == rates["blocks.0.norm1.bias"] / 2
    assert rates[f"blocks.{last}.mlp.fc1.weight"] < 1.0


def test_a_cnn_has_depths_too_and_an_alpha_learns_as_its_block():
    backbone = model("resnet18", norm="aibn").backbone
    rates = rates_of(backbone, learning_groups(backbone, rate=1.0, layer_decay=0.9))
    assert rates["conv1.weight"] < rates["layer1.0.conv1.weight"] < rates["layer4.1.conv1.weight"] <= 1.0
    assert rates["layer3.0.bn1.mix.alpha"] == rates["layer3.0.conv1.weight"]


def test_without_decay_there_is_one_group_as_ever():
    backbone = model("resnet18").backbone
    (group,) = learning_groups(backbone, rate=0.1, layer_decay=1.0)
    assert [id(parameter) for parameter in group["params"]] == [id(parameter) for parameter in backbone.parameters()]
    assert len(adam(backbone, AdamSettings(), layer_decay=0.5).param_groups) > 5


def test_a_frozen_patch_embedding_keeps_its_weights_in_a_step():
    backbone = model(freeze_patch_embedding=True).backbone
    before = copy.deepcopy(backbone.state_dict())
    optimiser = torch.optim.SGD(learning_groups(backbone, rate=0.1, layer_decay=0.8))
    backbone.train()(torch.rand(2, 3, 64, 32)).square().sum().backward()
    optimiser.step()
    after = backbone.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name for name in before if name.startswith("patch_embed.")} == set(before) - moved


def test_a_network_without_patches_has_none_to_freeze():
    with pytest.raises(SettingsError, match=r"^--freeze-patch-embedding needs a network that cuts crops into patches"):
        model("resnet18", freeze_patch_embedding=True)


def test_maps_computed_anew_give_the_same_gradient_and_are_fewer():
    plain = model(freeze_patch_embedding=True).backbone.train()
    anew = copy.deepcopy(plain)
    images = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    engine = choose_engine(
        EngineSettings(precision="float32", gradient_checkpointing=True), backbone="test_vit", device=CPU
    )
    assert "maps computed anew" in str(engine)
    Engine().network(plain)(images).square().sum().backward()
    engine.network(anew)(images).square().sum().backward()
    assert anew.grad_checkpointing
    for (name, one), other in zip(plain.named_parameters(), anew.parameters(), strict=True):
        if one.requires_grad:
            torch.testing.assert_close(other.grad, one.grad, msg=name)
    numbers = map_numbers(plain, height=64, width=32)
    assert numbers.kept_at_blocks < numbers.kept / 2


def test_batch_norms_would_count_a_batch_twice():
    with pytest.raises(SettingsError, match=r"^--engine\.gradient-checkpointing cannot be: resnet18 has batch norms"):
        choose_engine(EngineSettings(gradient_checkpointing=True), backbone="resnet18", device=CPU)


def test_what_timm_cannot_recompute_or_tell_the_depths_of_is_refused_before_training(monkeypatch):
    spec = backbone_spec("test_vit")
    poor = replace(spec, structure=replace(spec.structure, has_depths=False, can_recompute=False))
    monkeypatch.setattr("iics.models.tuning.backbone_spec", lambda _: poor)
    with pytest.raises(SettingsError, match=r"timm does not offer it for test_vit\."):
        choose_engine(EngineSettings(gradient_checkpointing=True), backbone="test_vit", device=CPU)
    with pytest.raises(SettingsError, match=r"^timm does not say what the blocks of test_vit are"):
        model(layer_decay=0.5)


def test_what_attention_keeps_is_counted():
    backbone = model().backbone
    tokens, width, blocks = 4 * 2 + 1, 64, len(backbone.blocks)
    hidden = backbone.blocks[0].mlp.fc1.out_features
    # Of a block: two norms, four linear layers, queries, keys and values, the activation.
    of_block = tokens * (2 * width + 3 * width + hidden + 3 * width + hidden)
    beside = 3 * 64 * 32 + tokens * width  # patches, last norm
    assert map_numbers(backbone, height=64, width=32).kept == blocks * of_block + beside
