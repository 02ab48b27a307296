"""Checkpoints of other programs give the features that their own networks compute, or are refused by name."""

import re

import numpy as np
import pytest
import torch

from iics.errors import WeightsError
from iics.export.deployed_network import DeployedNetwork
from iics.models.foreign_layouts import recognised
from iics.models.foreign_model import load_foreign_weights
from iics.models.reid_model import load_model
from tests.models.foreign_networks import (
    fast_reid,
    layumi,
    normalised,
    plain,
    resnet18,
    strong_baseline,
    torchreid,
    torchreid_fc512,
)

OWN_RANGE = {"scale": 1.0, "average": (110.0, 105.0, 100.0), "deviation": (60.0, 59.0, 58.0)}
# What each checkpoint is, how its pixels are normalised, its last stride and how crops are resized.
PROGRAMS = {
    "torchvision": (plain, {}, 2, "bilinear"),
    "torchreid": (torchreid, {}, 2, "bilinear"),
    "torchreid fc512": (torchreid_fc512, {}, 1, "bilinear"),
    "BoT": (strong_baseline, {}, 1, "bilinear"),
    "BoT without neck": (lambda: strong_baseline(has_neck=False), {}, 1, "bilinear"),
    "BoT with IBN-a": (lambda: strong_baseline(ibn=True), {}, 1, "bilinear"),
    "fast-reid": (fast_reid, {}, 1, "bicubic"),
    "fast-reid, GeM and a range of its own": (lambda: fast_reid(power=2.7, has_range=True), OWN_RANGE, 1, "bicubic"),
    "fast-reid, version 0": (lambda: fast_reid(bnneck_name="bnneck."), {}, 1, "bicubic"),
    "fast-reid, 32 numbers": (lambda: fast_reid(width=32), {}, 1, "bicubic"),
    "fast-reid with IBN-a": (lambda: fast_reid(ibn=True), {}, 1, "bicubic"),
    "layumi": (layumi, {}, 2, "bicubic"),
    "layumi, linear_num 0": (lambda: layumi(linear=False), {}, 2, "bicubic"),
}
RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 200, (3, 4, 2, 3)).repeat(16, axis=1).repeat(16, axis=2)  # patches, another set for each crop
PIXELS = (COLOURS + RNG.integers(0, 56, (3, 64, 32, 3))).astype(np.uint8)


def load(checkpoint, folder, **options):
    file = folder / "weights.pth"
    torch.save(checkpoint, file)
    return load_foreign_weights(file, backbone="resnet18", height=64, width=32, **options)


def cosines(forward, features, **pixel_range):
    images = normalised(PIXELS, **pixel_range)
    with torch.no_grad():
        theirs = forward(images) + forward(images.flip(3))
    return (torch.nn.functional.normalize(theirs).numpy() * features).sum(axis=1)


@pytest.mark.parametrize("program", PROGRAMS)
def test_features_are_those_of_the_network_that_was_trained(program, tmp_path):
    build, pixel_range, last_stride, interpolation = PROGRAMS[program]
    checkpoint, forward = build()
    model = load(checkpoint, tmp_path)
    features = model.embed(PIXELS)
    assert features[0] @ features[1] < 0.999  # features that could tell a difference
    np.testing.assert_allclose(cosines(forward, features, **pixel_range), 1, atol=1e-5)
    assert (model.header.last_stride, model.header.interpolation) == (last_stride, interpolation)
    assert features.shape == (3, model.num_features)
    model.save(tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    assert again.header == model.header
    np.testing.assert_array_equal(again.embed(PIXELS), features)
    exported = DeployedNetwork(again)(torch.from_numpy(PIXELS)).detach().numpy()
    np.testing.assert_allclose((exported * features).sum(axis=1), 1, atol=1e-5)


def test_the_stride_can_be_said(tmp_path):
    checkpoint, forward = plain()
    other = load(checkpoint, tmp_path, last_stride=1)
    assert other.header.last_stride == 1
    assert cosines(forward, other.embed(PIXELS)).min() < 0.999
    as_said = resnet18(last_stride=1)
    np.testing.assert_allclose(cosines(lambda x: as_said_maps(as_said, x), other.embed(PIXELS)), 1, atol=1e-5)


def as_said_maps(network, images):
    network.fc = torch.nn.Identity()
    return network(images)


@pytest.mark.parametrize(("options", "stride"), [("stride: 1\n", 1), ("name: x\nstride: 2\n", 2), ("", 2)])
def test_layumis_stride_is_that_of_the_options_beside_the_file(options, stride, tmp_path):
    (tmp_path / "opts.yaml").write_text(f"PCB: false\n{options}train_all: true\n")
    checkpoint, forward = layumi(stride=stride)
    model = load(checkpoint, tmp_path)
    assert model.header.last_stride == stride
    np.testing.assert_allclose(cosines(forward, model.embed(PIXELS)), 1, atol=1e-5)


def test_what_a_file_does_not_say_is_named_as_assumed(tmp_path, caplog):
    caplog.set_level("INFO", logger="iics")
    load(fast_reid()[0], tmp_path)
    assert caplog.messages == [
        "A checkpoint of fast-reid: last stride 1; first pooling without a border; mean over the last map; then "
        "batchnorm; crops resized bicubic; mean of crop and mirror image. Not in the file, as that program does by "
        "default: last stride, resizing, pooling, mean and deviation of pixels."
    ]


def test_a_range_from_zero_to_one_is_taken_as_it_is(tmp_path):
    checkpoint, _ = fast_reid(has_range=True)
    checkpoint["model"] |= {key: checkpoint["model"][key] / 255 for key in ("pixel_mean", "pixel_std")}
    header = load(checkpoint, tmp_path).header
    np.testing.assert_allclose(header.mean, np.array([110, 105, 100]) / 255, rtol=1e-6)


def test_blue_first_is_refused(tmp_path):
    checkpoint, _ = fast_reid(has_range=True)
    checkpoint["model"]["pixel_mean"] = torch.tensor([103.53, 116.28, 123.675])
    with pytest.raises(WeightsError, match=r"takes blue first .* Swap the channels of backbone\.conv1\.weight"):
        load(checkpoint, tmp_path)


@pytest.mark.parametrize(
    ("key", "part"),
    [
        ("backbone.NL_2.0.g.weight", "non-local blocks"),
        ("base.layer1.0.se_module.fc1.weight", "squeeze-and-excitation"),
        ("usam_1.weight", "USAM attention"),
        ("classifier0.add_block.0.weight", "parts (PCB)"),
        ("b1_head.weight", "branches (MGN)"),
        ("model.features.denseblock1.denselayer1.norm1.weight", "DenseNet's blocks"),
        ("conv2.0.conv2a.0.conv1.weight", "OSNet's blocks"),
        ("base.blocks.0.attn.qkv.weight", "attention (a transformer)"),
    ],
)
def test_a_network_that_is_not_computed_here_is_refused_by_name(key, part, tmp_path):
    with pytest.raises(
        WeightsError, match=rf"network with {re.escape(part)}.*\({re.escape(key)}\), which is not computed"
    ):
        recognised({key: torch.ones(1)}, tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("build", "key"),
    [
        (strong_baseline, "attention_head.weight"),
        (lambda: (fast_reid()[0]["model"], None), "heads.b1_pool.p"),
        (layumi, "classifier.attention.weight"),
    ],
)
def test_tensors_that_nobody_knows_are_refused_by_name(build, key, tmp_path):
    state = dict(build()[0]) | {key: torch.ones(1)}
    with pytest.raises(WeightsError, match=key.removeprefix("heads.")):
        load(state, tmp_path)


def test_another_resnet_is_named(tmp_path):
    torch.save(plain()[0], tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"It looks like a resnet18\.$"):
        load_foreign_weights(tmp_path / "w.pth", backbone="resnet50")


def test_names_below_base_alone_are_not_taken_for_reid_strong_baseline(tmp_path):
    state = {key: value for key, value in strong_baseline()[0].items() if key.startswith("base.")}
    with pytest.raises(WeightsError, match=r"does not fit the backbone: it lacks"):
        load(state, tmp_path)
