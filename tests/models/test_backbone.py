"""Backbones by name: their strides, which of their norms are replaced, and who shares an alpha."""

import functools
import re

import pytest
import torch
from torch import nn

from iics.errors import SettingsError, WeightsError
from iics.layers.normalization import AdaptiveInstanceBatchNorm2d, GroupedBatchNorm2d
from iics.models import imagenet_weights
from iics.models.backbone import alpha_by_block, create_backbone
from iics.models.backbone_spec import backbone_spec
from iics.models.norm_replacement import group_batch_norms, replace_norms
from iics.models.timm_networks import create_network

NAMES = ("resnet50", "resnet18", "efficientnet_lite0")


@functools.cache
def default(name):
    """A backbone with the default norms; shared, so never changed or trained by a test."""
    return create_backbone(name, weights="none", norm="aibn").eval()


def create(name="resnet18", *, norm="aibn", **options):
    return create_backbone(name, weights="none", norm=norm, **options)


def paths_of(backbone, kind=AdaptiveInstanceBatchNorm2d):
    return [path for path, module in backbone.named_modules() if isinstance(module, kind)]


def distinct_alphas(backbone):
    return {id(module.mix.alpha) for module in backbone.modules() if isinstance(module, AdaptiveInstanceBatchNorm2d)}


# --- by name


def test_an_unknown_stage_is_refused_with_examples():
    with pytest.raises(
        SettingsError, match=r"^No batch norm below 'layer9' in this backbone\. Norm stages are e\.g\. "
    ):
        create(norm_stages=("layer4", "layer9"))
    with pytest.raises(SettingsError, match=r"No batch norm below 'layer' in"):  # a prefix, but no module
        create(norm_stages=("layer",))
    with pytest.raises(SettingsError, match=r"No batch norm below 'layer9' in"):  # also where nothing is replaced
        create(norm="bn", norm_stages=("layer9",))


def test_weights_that_cannot_be_downloaded_are_an_error_with_a_way_out(monkeypatch):
    monkeypatch.setattr(imagenet_weights, "_stored_file", lambda name: None)
    monkeypatch.setattr(imagenet_weights, "download_problem", lambda known: f"There is no {known.name} to be had.")
    with pytest.raises(WeightsError, match=r"no resnet18\.tv_in1k .*--weights FILE, .*--backbone efficientnet_lite0"):
        create_backbone("resnet18", weights="imagenet", norm="bn")


# --- shape


@pytest.mark.parametrize(("name", "channels"), [("resnet50", 2048), ("resnet18", 512), ("efficientnet_lite0", 1280)])
def test_the_last_stage_keeps_its_resolution(name, channels):
    backbone = default(name)
    with torch.no_grad():
        maps = backbone.forward_features(torch.zeros(1, 3, 128, 64))
        assert maps.shape == (1, channels, 8, 4)  # a sixteenth; ImageNet's stride would leave 4 x 2
        assert backbone(torch.zeros(1, 3, 128, 64)).shape == (1, channels)


@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_features_is_known_without_a_backbone(name):
    with torch.no_grad():
        assert default(name)(torch.zeros(1, 3, 32, 32)).shape == (1, backbone_spec(name).num_features)


def test_features_are_the_mean_over_the_last_map():
    backbone, images = default("resnet18"), torch.rand(2, 3, 64, 32)
    with torch.no_grad():
        torch.testing.assert_close(backbone(images), backbone.forward_features(images).mean(dim=(2, 3)))


# --- which norms are replaced


def test_by_default_layers_3_and_4_of_a_resnet_are_aibn_downsampling_included():
    backbone = default("resnet18")
    expected = [
        f"layer{stage}.{block}.{norm}"
        for stage in (3, 4)
        for block in (0, 1)
        for norm in (("bn1", "bn2", "downsample.1") if block == 0 else ("bn1", "bn2"))
    ]
    assert paths_of(backbone) == expected
    assert [path.split(".")[0] for path in paths_of(backbone, GroupedBatchNorm2d)] == ["bn1"] + ["layer1"] * 4 + [
        "layer2"
    ] * 5


def test_by_default_29_norms_of_resnet50_are_aibn():
    paths = paths_of(default("resnet50"))
    assert len(paths) == 19 + 10  # three a bottleneck, six and three bottlenecks, one downsampling each
    assert {path.split(".")[0] for path in paths} == {"layer3", "layer4"}
    assert {"layer3.0.downsample.1", "layer4.0.downsample.1"} <= set(paths)


def test_by_default_the_last_ten_blocks_and_the_final_norm_of_lite0_are_aibn_and_nothing_else():
    backbone = default("efficientnet_lite0")
    blocks = [
        f"blocks.{stage}.{number}" for stage, modules in enumerate(backbone.blocks) for number in range(len(modules))
    ]
    assert len(blocks) == 16
    replaced = paths_of(backbone)
    assert {path.rpartition(".")[0] or path for path in replaced} == {*blocks[-10:], "bn2"}
    assert len(replaced) == 10 * 3 + 1
    untouched = paths_of(backbone, GroupedBatchNorm2d)
    assert {path.rpartition(".")[0] or path for path in untouched} == {*blocks[:6], "bn1"}
    assert not paths_of(backbone, nn.BatchNorm2d)


@pytest.mark.parametrize(
    ("stages", "count"), [(("layer4",), 5), (("layer1", "layer2"), 9), (("layer2.1",), 2), (("bn1",), 1)]
)
def test_named_stages_are_replaced_and_no_others(stages, count):
    paths = paths_of(create(norm_stages=stages))
    assert len(paths) == count
    assert all(path == stage or path.startswith(stage + ".") for path in paths for stage in stages if stage in path)
    assert {path for path in paths if path.startswith(stages)} == set(paths)


def test_a_stage_is_a_module_and_no_prefix():
    assert all(
        path.startswith("blocks.3.1.") for path in paths_of(create("efficientnet_lite0", norm_stages=("blocks.3.1",)))
    )


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0"])
def test_with_bn_nothing_is_mixed_but_every_norm_is_grouped(name):
    backbone = create(name, norm="bn")
    assert not paths_of(backbone)
    assert not paths_of(backbone, nn.BatchNorm2d)
    assert len(paths_of(backbone, GroupedBatchNorm2d)) == {"resnet18": 20, "efficientnet_lite0": 49}[name]


# --- variants and alphas


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("resnet18", {"none": 10, "block": 4, "stage": 2}),
        ("resnet50", {"block": 9}),
        ("efficientnet_lite0", {"none": 31, "block": 11, "stage": 5}),  # the final norm has its own
    ],
)
def test_alphas_are_shared_by_nobody_a_block_or_a_stage(name, counts):
    for sharing, count in counts.items():
        is_default = sharing == "block"
        backbone = default(name) if is_default else create(name, alpha_sharing=sharing)
        assert len(distinct_alphas(backbone)) == count, sharing
        assert len(alpha_by_block(backbone)) == count, sharing


def test_a_block_shares_its_alpha_with_its_downsampling_and_with_no_other_block():
    first, second = default("resnet18").layer3
    assert first.bn1.mix is first.bn2.mix is first.downsample[1].mix
    assert first.bn1.mix is not second.bn1.mix


def test_a_shared_alpha_is_one_parameter_for_the_optimiser():
    backbone = create()
    alphas = [parameter for name, parameter in backbone.named_parameters() if name.endswith("alpha")]
    assert len(alphas) == 4
    assert all(parameter.requires_grad and parameter.item() == 0.5 for parameter in alphas)


@pytest.mark.parametrize(("norm", "alpha"), [("aibn-fixed", 0.5), ("in", 0.0)])
def test_fixed_variants_do_not_learn_alpha(norm, alpha):
    for module in create(norm=norm).modules():
        if isinstance(module, AdaptiveInstanceBatchNorm2d):
            assert module.mix.alpha.item() == alpha
            assert not module.mix.alpha.requires_grad


def test_ibn_instance_norms_half_the_channels_of_the_first_norm_of_each_block():
    backbone = create(norm="ibn")
    assert paths_of(backbone) == [f"layer{stage}.{block}.bn1" for stage in (3, 4) for block in (0, 1)]
    alpha = backbone.layer3[0].bn1.mix.alpha
    assert alpha.tolist() == [0.0] * 128 + [1.0] * 128
    assert not alpha.requires_grad
    assert len(distinct_alphas(backbone)) == 4


def test_ibn_of_lite0_takes_the_first_norm_of_its_blocks_but_not_the_final_norm():
    assert [path.rpartition(".")[2] for path in paths_of(create("efficientnet_lite0", norm="ibn"))] == ["bn1"] * 10


@pytest.mark.parametrize("norm", ["bn", "ibn", "in", "aibn", "aibn-fixed"])
def test_every_variant_trains(norm):
    backbone = create(norm=norm).train()
    features = backbone(torch.rand(4, 3, 32, 32))
    features.square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in backbone.parameters() if parameter.requires_grad)


def test_alpha_by_block_tells_the_alpha_in_use_under_the_first_layer_of_its_group():
    backbone = create()
    with torch.no_grad():
        backbone.layer3[0].bn1.mix.alpha.fill_(1.5)
        backbone.layer4[1].bn1.mix.alpha.fill_(0.25)
    assert alpha_by_block(backbone) == {
        "layer3.0.bn1": 1.0,
        "layer3.1.bn1": 0.5,
        "layer4.0.bn1": 0.5,
        "layer4.1.bn1": 0.25,
    }
    assert alpha_by_block(create(norm="bn")) == {}


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "efficientnet_lite0"])
def test_replaced_norms_keep_weights_running_statistics_and_activation(name):
    spec = backbone_spec(name)
    backbone = create_network(spec.timm_name)
    generator = torch.Generator().manual_seed(0)
    norms = {path: module for path, module in backbone.named_modules() if isinstance(module, nn.BatchNorm2d)}
    before = {}
    for path, module in norms.items():
        for key in ("weight", "bias", "running_mean", "running_var"):
            getattr(module, key).data.uniform_(0.5, 1.5, generator=generator)
            before[f"{path}.{key}"] = getattr(module, key).clone()
        before[f"{path}.eps"] = module.eps
    images = torch.rand(2, 3, 64, 32, generator=generator)
    with torch.no_grad():
        plain = backbone.eval()(images)
    group_batch_norms(backbone, spec.structure.norms)
    replace_norms(backbone, "aibn", stages=spec.later_half, places=spec.structure.norms, alpha_sharing="block")
    for key, value in before.items():
        path, _, attribute = key.rpartition(".")
        kept = getattr(backbone.get_submodule(path), attribute)
        assert kept == value if attribute == "eps" else torch.equal(kept, value), key
    with torch.no_grad():
        assert not torch.allclose(backbone.eval()(images), plain)
        for module in backbone.modules():
            if isinstance(module, AdaptiveInstanceBatchNorm2d):
                module.mix.alpha.fill_(1.0)
        # With alpha 1 nothing but the batch part is left, activations included: the network it was.
        torch.testing.assert_close(backbone(images), plain, rtol=1e-4, atol=1e-5 * plain.abs().max().item())


def test_state_dict_keys_of_norms_stay_timms():
    names = create_network("resnet18").state_dict()
    ours = default("resnet18").state_dict()
    expected = {key for key in names if not key.endswith("num_batches_tracked")}
    assert {key for key in ours if not re.search(r"mix\.alpha$", key)} == expected
