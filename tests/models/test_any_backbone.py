"""Any network of timm with batch norms is a backbone: what is found in it, and that it computes what timm's does."""

import copy
import functools
import re

import pytest
import torch
from torch import nn

from iics.errors import SettingsError
from iics.export.deployed_network import DeployedNetwork
from iics.layers.normalization import AdaptiveInstanceBatchNorm2d, GroupedBatchNorm2d
from iics.model_settings import ModelSettings
from iics.models.backbone import build_network, create_backbone
from iics.models.backbone_spec import backbone_spec
from iics.models.foreign_model import load_foreign_weights
from iics.models.norm_replacement import group_batch_norms
from iics.models.reid_model import create_model, load_model
from iics.models.timm_networks import create_network

EFFICIENT_LATER = ("blocks.3", "blocks.4", "blocks.5", "blocks.6", "bn2")
FOUND = {
    "resnet34": (512, ("layer3", "layer4"), ("layer4.0.conv1", "layer4.0.downsample.0")),
    "resnext50_32x4d": (2048, ("layer3", "layer4"), ("layer4.0.conv2", "layer4.0.downsample.0")),
    "regnetx_002": (368, ("s3", "s4"), ("s4.b1.conv2.conv", "s4.b1.downsample.conv")),
    "regnety_002": (368, ("s3", "s4"), ("s4.b1.conv2.conv", "s4.b1.downsample.conv")),
    "mobilenetv2_050": (1280, EFFICIENT_LATER, ("blocks.5.0.conv_dw",)),
    "mobilenetv3_small_050": (1024, ("blocks.2", "blocks.3", "blocks.4", "blocks.5"), ("blocks.4.0.conv_dw",)),
    "efficientnet_b0": (1280, EFFICIENT_LATER, ("blocks.5.0.conv_dw",)),
    "tf_efficientnetv2_b0": (1280, ("blocks.3", "blocks.4", "blocks.5", "bn2"), ("blocks.5.0.conv_dw",)),
    "hardcorenas_a": (1280, ("blocks.3", "blocks.4", "blocks.5", "blocks.6"), ("blocks.5.0.conv_dw",)),
    "ghostnet_050": (
        1280,
        ("blocks.5", "blocks.6", "blocks.7", "blocks.8", "blocks.9"),
        ("blocks.7.0.conv_dw", "blocks.7.0.shortcut.0"),
    ),
    "dla46_c": (256, ("level4", "level5"), ("level5.downsample", "level5.tree1.conv2")),
    "repvgg_a0": (1280, ("stages.2", "stages.3"), ("stages.3.0.conv_1x1.conv", "stages.3.0.conv_kxk.conv")),
    "densenet121": (
        1024,
        (
            "features.transition2",
            "features.denseblock3",
            "features.transition3",
            "features.denseblock4",
            "features.norm5",
        ),
        ("features.transition3.pool",),
    ),
}
LARGE = ("resnet34", "resnext50_32x4d", "densenet121")
TRAINED = [name for name in FOUND if name not in LARGE]
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in LARGE]


@functools.cache
def default(name):
    """A backbone with the default norms; shared, so never changed or trained by a test."""
    return create_backbone(name, weights="none", norm="aibn").eval()


def aibn_of(backbone):
    return {path: m for path, m in backbone.named_modules() if isinstance(m, AdaptiveInstanceBatchNorm2d)}


def images(count=4, height=64, width=32):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


# --- what is found


@pytest.mark.parametrize("name", FOUND)
def test_features_later_half_and_strided_layers_are_found(name):
    spec = backbone_spec(name)
    assert (spec.num_features, spec.later_half, spec.structure.strided) == FOUND[name]


def test_resnet101_is_a_resnet50_with_more_blocks_in_layer_3():
    longer, shorter = backbone_spec("resnet101").structure, backbone_spec("resnet50").structure
    assert (longer.num_features, longer.later_half, longer.strided) == (2048, shorter.later_half, shorter.strided)
    blocks = [{place.block for place in found.norms.values()} - {None} for found in (longer, shorter)]
    assert {block for block in blocks[0] if not block.startswith("layer3.")} <= blocks[1]
    assert [sum(block.startswith("layer3.") for block in found) for found in blocks] == [23, 6]


@pytest.mark.parametrize(
    ("name", "activated", "num_norms"),
    [
        ("resnet50", r"(layer\d\.\d+\.bn2|(.+\.)?bn1)", 53),
        ("resnet18", r"(.+\.)?bn1", 20),
        ("efficientnet_lite0", r"nothing", 49),  # its norms carry their activations
    ],
)
def test_the_relu_behind_a_norm_is_found_but_not_that_behind_a_shortcut(name, activated, num_norms):
    places = backbone_spec(name).structure.norms
    assert len(places) == num_norms
    for path, place in places.items():
        expected = re.sub(r"bn(\d)$", r"act\1", path) if re.fullmatch(activated, path) else None
        assert place.activation == expected, path


@pytest.mark.parametrize(
    ("name", "block"), [("resnet50", r"(layer\d)\.\d+"), ("efficientnet_lite0", r"(blocks\.\d+)\.\d+")]
)
def test_blocks_and_stages_are_the_papers(name, block):
    for path, place in backbone_spec(name).structure.norms.items():
        found = re.match(block, path)
        assert (place.block, place.stage) == ((found[0], found[1]) if found else (None, path))


def test_a_relu_that_serves_two_norms_stays_where_it_is():
    places = backbone_spec("dla34").structure.norms
    assert places["level3.tree1.tree1.bn1"].activation is None
    assert places["level0.1"].activation == "level0.2"


@pytest.mark.parametrize(
    ("name", "block", "others"),
    [
        ("rexnet_100", "features.5", {"conv_exp.bn", "conv_dw.bn", "se.bn", "conv_pwl.bn"}),  # lists blocks as stages
        ("hgnet_tiny", "stages.2.blocks.0", {"layers.0.bn", "aggregation.0.bn"}),  # a list within a stage
        ("densenet121", "features.denseblock3.denselayer1", {"norm1", "norm2"}),
    ],
)
def test_blocks_are_found_however_they_are_nested(name, block, others):
    found = {
        path.removeprefix(f"{block}.")
        for path, place in backbone_spec(name).structure.norms.items()
        if place.block == block
    }
    assert others <= found


def test_input_and_weights_are_those_that_timm_names():
    lite, resnet = backbone_spec("efficientnet_lite0"), backbone_spec("resnet50")
    assert (lite.pretrained.mean, lite.pretrained.interpolation) == ((0.5, 0.5, 0.5), "bicubic")
    assert (resnet.timm_name, resnet.pretrained.interpolation) == ("resnet50.tv_in1k", "bilinear")
    assert backbone_spec("resnet50.a1_in1k").pretrained.interpolation == "bicubic"
    assert backbone_spec("regnetx_002").pretrained.repository == "timm/regnetx_002.pycls_in1k"
    model = create_model(
        ModelSettings(backbone="tf_efficientnetv2_b0.in1k", weights="none"), device=torch.device("cpu")
    )
    assert (model.header.mean, model.header.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_looking_at_a_network_draws_no_random_number():
    backbone_spec.cache_clear()
    before = torch.get_rng_state()
    backbone_spec("regnetx_002")
    assert torch.equal(before, torch.get_rng_state())


# --- what is built


@pytest.mark.parametrize("name", TRAINED + SLOW)
def test_with_alpha_1_it_is_timms_network_in_evaluation_and_with_bn_in_training(name):
    torch.manual_seed(0)
    ours = build_network(name, norm="aibn", last_stride=2).eval()
    theirs = create_network(backbone_spec(name).timm_name).eval()
    theirs.load_state_dict(ours.state_dict(), strict=False)
    plain = build_network(name, norm="bn", last_stride=2).double().train()
    plain.load_state_dict(ours.state_dict(), strict=False)
    with torch.no_grad():
        for layer in aibn_of(ours).values():
            layer.mix.alpha.fill_(1.0)
        torch.testing.assert_close(ours(images(2)), theirs(images(2)), rtol=1e-3, atol=1e-5)
        given = images(4, 64, 64).double()  # norms over few pixels make much of rounding
        torch.manual_seed(0)  # of a drop layer before the classifier
        expected = theirs.double().train()(given)
        torch.manual_seed(0)
        torch.testing.assert_close(plain(given), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", TRAINED + SLOW)
def test_norms_of_the_later_half_are_aibn_and_train(name):
    backbone = copy.deepcopy(default(name)).train()
    replaced, places = aibn_of(backbone), backbone_spec(name).structure.norms
    later = backbone_spec(name).later_half
    assert set(replaced) == {p for p, place in places.items() if place.stage in later and not place.is_pooled}
    assert not [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    features = backbone(images())
    assert features.shape == (4, backbone_spec(name).num_features)
    features.square().sum().backward()
    for key, parameter in backbone.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("name", TRAINED)
def test_the_last_stage_keeps_its_resolution(name):
    last = list(aibn_of(default(name)))[-1]
    sizes = []
    for network in (default(name), build_network(name, norm="aibn", last_stride=2).eval()):
        hook = network.get_submodule(last).register_forward_hook(lambda _, __, made: sizes.append(made.shape[2:]))
        with torch.no_grad():
            network(images(1, 128, 64))
        hook.remove()
    assert sizes == [(8, 4), (4, 2)]


@pytest.mark.parametrize("name", TRAINED)
def test_alphas_are_shared_by_nobody_a_block_or_a_stage(name):
    counts = {}
    for sharing in ("none", "block", "stage"):
        with torch.device("meta"):
            norms = aibn_of(build_network(name, norm="aibn", alpha_sharing=sharing))
        counts[sharing] = len({id(layer.mix) for layer in norms.values()})
    assert counts["none"] == len(norms) > counts["block"] > counts["stage"] == len(FOUND[name][1])


@pytest.mark.parametrize("name", TRAINED)
def test_names_of_tensors_stay_timms(name):
    ours = {key for key in default(name).state_dict() if not key.endswith("mix.alpha")}
    assert ours == backbone_spec(name).structure.tensors


@pytest.mark.parametrize("name", ["regnety_002", "mobilenetv3_small_050", "ghostnet_050"])
def test_a_saved_model_loads_and_gives_the_same_features(tmp_path, name):
    settings = ModelSettings(backbone=name, weights="none", height=64, width=32)
    model = create_model(settings, device=torch.device("cpu"))
    model.save(tmp_path / "model.safetensors")
    crops = torch.randint(0, 256, (3, 64, 32, 3), dtype=torch.uint8).numpy()
    loaded = load_model(tmp_path / "model.safetensors")
    assert (loaded.embed(crops) == model.embed(crops)).all()
    assert loaded.header.norm_stages == backbone_spec(name).later_half
    exported = DeployedNetwork(loaded)(torch.from_numpy(crops))
    torch.testing.assert_close(exported, torch.from_numpy(model.embed(crops)), rtol=1e-3, atol=1e-4)


def test_timms_own_file_of_a_network_with_squeeze_and_excitation_is_read(tmp_path):
    torch.manual_seed(1)
    theirs = create_network("regnety_002").eval()
    torch.save(theirs.state_dict() | {"head.fc.weight": torch.ones(2, 368)}, tmp_path / "w.pth")
    model = load_foreign_weights(tmp_path / "w.pth", backbone="regnety_002", height=64, width=32)
    with torch.no_grad():
        torch.testing.assert_close(model.backbone(images(2)), theirs(images(2)), rtol=1e-3, atol=1e-5)


def test_ibn_takes_the_first_norm_of_each_block():
    with torch.device("meta"):
        paths = list(aibn_of(build_network("regnetx_002", norm="ibn")))
    assert paths == [
        f"s{stage}.b{block}.conv1.bn" for stage, count in ((3, 4), (4, 7)) for block in range(1, count + 1)
    ]


def test_a_norm_behind_a_pooling_is_no_aibn_layer():
    norm = backbone_spec("mobilenetv4_conv_small").structure.norms["norm_head"]
    assert norm.is_pooled
    assert "norm_head" not in backbone_spec("mobilenetv4_conv_small").later_half


def test_a_norm_keeps_its_drop_layer_and_activation():
    create_network("resnet18")  # torchvision is imported in the right way
    from timm.layers import BatchNormAct2d

    norm = BatchNormAct2d(4, drop_layer=nn.Dropout, act_layer=nn.SiLU)
    norm.drop.p = 0.5
    network = nn.Sequential(copy.deepcopy(norm)).train()
    group_batch_norms(network, {})
    assert isinstance(network[0], GroupedBatchNorm2d)
    x = torch.randn(4, 4, 5, 5)
    torch.manual_seed(0)
    expected = norm.train()(x)
    torch.manual_seed(0)
    torch.testing.assert_close(network(x), expected)


# --- what is refused


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet51", r"^Unknown backbone 'resnet51': timm [\d.]+ has no network of that name\. Did you mean resnet\d+"),
        ("mobilenet_v2", r"Did you mean .*mobilenet"),
        ("hub:timm/resnet50", r"^Unknown backbone 'hub:timm/resnet50'"),
        ("resnet50.of_my_own", r"has no weights 'of_my_own' of resnet50\. It has .*tv_in1k"),
        ("levit_128s", r"^The backbone levit_128s cannot be used: it has batch norms over tokens \(BatchNorm1d\)"),
    ],
)
def test_a_name_that_is_no_backbone_is_refused_with_what_is_missing(name, message):
    with pytest.raises(SettingsError, match=message):
        backbone_spec(name)


def test_a_network_whose_branches_differ_at_stride_1_needs_stride_2():
    with torch.device("meta"):
        with pytest.raises(
            SettingsError, match=r"^The last stage of inception_v3 cannot keep .* Give --last-stride 2\.$"
        ):
            build_network("inception_v3", norm="aibn")
        assert aibn_of(build_network("inception_v3", norm="aibn", last_stride=2))
