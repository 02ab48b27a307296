"""The model file: crops in, features out, and back from disk to the same bits."""

import dataclasses
import json
import os
import re
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from iics.crops import CropSet
from iics.errors import DataError, SettingsError, WeightsError
from iics.layers.normalization import AdaptiveInstanceBatchNorm2d
from iics.model_settings import ModelSettings
from iics.models.reid_model import FORMAT_VERSION, create_model, load_model

SETTINGS = ModelSettings(backbone="test_resnet", weights="none", height=64, width=32)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model():
    """A small model as training leaves it: statistics and alphas that are not the starting ones, in training mode."""
    torch.manual_seed(0)
    made = create_model(SETTINGS, device=CPU)
    made.backbone.train()
    with torch.no_grad():
        for number, layer in enumerate(aibn_layers(made.backbone)):
            layer.mix.alpha.fill_(0.1 + 0.01 * number)  # the last layer of a block decides
        made.backbone(torch.randn(8, 3, 64, 32))
    return made


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (5, 64, 32, 3), dtype=np.uint8)


@pytest.fixture
def saved(model, tmp_path):
    path = tmp_path / "model.safetensors"
    model.save(path)
    return path


def aibn_layers(backbone):
    return [module for module in backbone.modules() if isinstance(module, AdaptiveInstanceBatchNorm2d)]


def header_of(path):
    """Read the metadata as anything but safetensors would: the length, then JSON."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length])["__metadata__"]["iics"]


def rewrite(path, model, **changes):
    """Store the model's tensors under another header."""
    header = json.loads(header_of(path)) | changes
    tensors = {key: value.contiguous().clone() for key, value in model.backbone.state_dict().items()}
    save_file(tensors, path, metadata={"iics": json.dumps(header)})


# --- features


def test_features_are_rows_of_length_one_in_float32(model, pixels):
    features = model.embed(pixels)
    assert features.shape == (5, 96)
    assert features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
    assert np.abs(features[0] - features[1]).max() > 1e-3


def test_a_feature_is_the_mean_over_the_crop_and_its_mirror_image(model, pixels):
    images = (torch.tensor(pixels).permute(0, 3, 1, 2) / 255 - torch.tensor(model.header.mean)[:, None, None]) / (
        torch.tensor(model.header.std)[:, None, None]
    )
    model.backbone.eval()
    with torch.no_grad():
        raw = (model.backbone(images) + model.backbone(images.flip(3))) / 2
    model.backbone.train()
    np.testing.assert_allclose(model.embed(pixels), (raw / raw.norm(dim=1, keepdim=True)).numpy(), rtol=1e-3, atol=1e-5)


def test_a_mirror_image_has_the_same_feature(model, pixels):
    mirrored = np.ascontiguousarray(pixels[:, :, ::-1])
    np.testing.assert_allclose(model.embed(mirrored), model.embed(pixels), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_features_do_not_depend_on_the_batch_size(model, pixels, batch_size):
    np.testing.assert_allclose(
        model.embed(pixels, batch_size=batch_size), model.embed(pixels, batch_size=128), rtol=1e-3, atol=1e-5
    )


def test_embedding_leaves_the_mode_and_the_statistics_alone(model, pixels):
    before = {key: value.clone() for key, value in model.backbone.state_dict().items()}
    for training in (True, False):
        model.backbone.train(training)
        model.embed(pixels)
        assert model.backbone.training is training
    model.backbone.train()
    assert all(torch.equal(value, before[key]) for key, value in model.backbone.state_dict().items())


def test_pixels_files_pictures_and_crop_sets_agree(model, pixels, tmp_path):
    paths = []
    for number, crop in enumerate(pixels):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(crop).resize((40, 90)).save(paths[-1])  # resized on the way in
    pictures = [Image.open(path) for path in paths]
    crops = CropSet(paths=tuple(paths), camera_ids=np.arange(5) % 2, camera_names=("a", "b"))
    expected = model.embed(crops)
    np.testing.assert_array_equal(model.embed(paths), expected)
    np.testing.assert_array_equal(model.embed([str(path) for path in paths]), expected)
    np.testing.assert_array_equal(model.embed(pictures), expected)
    resized = np.stack([np.asarray(picture.resize((32, 64), Image.Resampling.BICUBIC)) for picture in pictures])
    np.testing.assert_array_equal(model.embed(resized), expected)


def test_a_grey_or_transparent_picture_is_taken_as_rgb(model, pixels):
    grey = Image.fromarray(pixels[0]).convert("L")
    np.testing.assert_array_equal(model.embed([grey]), model.embed([grey.convert("RGB")]))
    clear = Image.fromarray(pixels[0]).convert("RGBA")
    np.testing.assert_array_equal(model.embed([clear]), model.embed(pixels[:1]))


def test_arrays_of_any_size_are_resized_as_pictures_are(model):
    crops = [np.random.default_rng(size).integers(0, 256, (2 * size, size, 3), dtype=np.uint8) for size in (20, 45)]
    expected = model.embed([Image.fromarray(crop) for crop in crops])
    np.testing.assert_array_equal(model.embed(crops), expected)
    np.testing.assert_array_equal(model.embed([crops[0], Image.fromarray(crops[1])]), expected)
    np.testing.assert_array_equal(model.embed(np.stack([crops[0], crops[0]])), expected[[0, 0]])
    np.testing.assert_array_equal(model.embed(crops[0]), expected[:1])
    np.testing.assert_array_equal(model.embed(Image.fromarray(crops[0])), expected[:1])
    np.testing.assert_array_equal(model.embed(crops[0][..., ::-1][..., ::-1]), expected[:1])  # a view is no trap


def test_one_crop_of_the_input_size_is_one_feature(model, pixels):
    np.testing.assert_array_equal(model.embed(pixels[0]), model.embed(pixels[:1]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.full((2, 64, 32, 3), 0.5, np.float32), r"got float32 .*From 0 to 1, .* \(pixels \* 255\)\.round\(\)"),
        (np.full((2, 64, 32, 3), 7.0, np.float32), r"got float32 .*From 0 to 255, .* pixels\.astype\('uint8'\)"),
        (np.zeros((2, 64, 32, 3), np.uint16), r"got uint16 \(2, 64, 32, 3\)"),
        (np.full((2, 64, 32, 3), 40000, np.uint16), r"Of 16 bits, .* \(pixels >> 8\)"),
        (np.full((2, 64, 32, 3), 256, np.int32), r"Numbers above 255 are no bytes"),
        (np.full((2, 64, 32, 3), -1.0), r"Needed are whole numbers from 0 to 255\.$"),
        (np.ones((2, 64, 32, 3), np.bool_), r"White being True, .* \* 255\.$"),
        (np.zeros((2, 3, 64, 32), np.uint8), r"got uint8 \(2, 3, 64, 32\)\. Put the channels last"),
        (np.zeros((64, 32), np.uint8), r"got uint8 \(64, 32\)\. Pass it as a picture"),
        (np.zeros((64, 32, 4), np.uint8), r"got uint8 \(64, 32, 4\)\. Pass it as a picture"),
        (np.zeros((1, 0, 32, 3), np.uint8), r"there is nothing in it"),
        ([np.zeros((1, 64, 32, 3), np.uint8)], r"Each array of a list is one crop"),
        ([torch.zeros(64, 32, 3)], r"got torch\.Tensor\. Take crop\.cpu\(\)\.numpy\(\)\.$"),
        ([None], r"Each crop is a picture of Pillow or an array"),
        (torch.zeros(1, 64, 32, 3), r"pixels\.cpu\(\)\.numpy\(\)"),
    ],
)
def test_arrays_that_are_no_crops_are_refused_with_a_way_out(model, wrong, message):
    with pytest.raises(ValueError, match=message):
        model.embed(wrong)


def test_a_mixture_of_pictures_and_files_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"^Pass pictures and arrays, or files, not a mixture of both\.$"):
        model.embed([Image.new("RGB", (32, 64)), tmp_path / "a.png"])


def test_a_file_that_cannot_be_read_is_named(model, tmp_path):
    with pytest.raises(DataError, match=r"gone\.png"):
        model.embed([tmp_path / "gone.png"])


# --- the file


def test_a_loaded_model_gives_the_same_bits_and_needs_no_settings(model, saved, pixels):
    loaded = load_model(saved)
    np.testing.assert_array_equal(loaded.embed(pixels), model.embed(pixels))
    assert loaded.header == model.header
    assert not loaded.backbone.training


def test_a_loaded_model_shares_its_alphas_as_the_saved_one_did(model, saved):
    loaded = load_model(str(saved)).backbone
    layers = aibn_layers(loaded)
    assert len(layers) == 7
    assert len({id(layer.mix.alpha) for layer in layers}) == 2
    assert len({layer.mix.alpha.item() for layer in layers}) == 2
    for ours, theirs in zip(layers, aibn_layers(model.backbone), strict=True):
        assert torch.equal(ours.mix.alpha, theirs.mix.alpha)


@pytest.mark.parametrize(
    "changes",
    [
        {"norm": "ibn"},
        {"norm": "in", "norm_stages": ("layer4",)},
        {"alpha_sharing": "none", "norm_stages": ("layer2", "layer4.0")},
        {"norm": "bn"},
    ],
)
def test_every_kind_of_norm_survives_the_file(tmp_path, pixels, changes):
    made = create_model(dataclasses.replace(SETTINGS, **changes), device=CPU)
    made.save(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(load_model(tmp_path / "m.safetensors").embed(pixels), made.embed(pixels))


def test_the_header_is_json_that_can_be_read_without_the_tensors(model, saved):
    header = json.loads(header_of(saved))
    assert header["format"] == FORMAT_VERSION
    assert {key: header[key] for key in ("backbone", "norm", "alpha_sharing", "height", "width", "trained_rounds")} == {
        "backbone": "test_resnet",
        "norm": "aibn",
        "alpha_sharing": "block",
        "height": 64,
        "width": 32,
        "trained_rounds": 0,
    }
    assert header["norm_stages"] == ["layer3", "layer4"]
    assert (header["mean"], header["std"]) == (list(model.header.mean), list(model.header.std))
    assert set(header["versions"]) == {"iics", "torch", "timm"}


def test_saving_leaves_no_other_file_behind(model, saved):
    model.save(saved)
    assert [path.name for path in saved.parent.iterdir()] == ["model.safetensors"]


# --- files that are refused


def test_a_missing_file_is_named_with_where_a_run_keeps_its_own(tmp_path):
    message = f"No model file at {tmp_path / 'gone'}; a run folder keeps its own as model.safetensors."
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        load_model(tmp_path / "gone")


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: b"x" * 500, lambda content: content[:-100]])
def test_a_corrupt_file_is_named(saved, damage):
    saved.write_bytes(damage(saved.read_bytes()))
    with pytest.raises(WeightsError, match=rf"^{re.escape(str(saved))} is no safetensors file or is damaged: "):
        load_model(saved)


def test_a_file_of_somebody_else_is_refused(tmp_path):
    save_file({"a": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(
        WeightsError,
        match=r"other\.safetensors has no iics header; it is not a model that iics saved\. Measure it by: iics",
    ):
        load_model(tmp_path / "other.safetensors")


def test_a_newer_format_asks_for_an_upgrade(model, saved):
    rewrite(saved, model, format=FORMAT_VERSION + 1, something_new=True)
    with pytest.raises(WeightsError, match=r" was written by a newer iics \(\{.*'iics'.*\}\); upgrade to read it\.$"):
        load_model(saved)


@pytest.mark.parametrize("header", ["{", "[]", "{}", '{"format": 1, "versions": {}, "backbone": "resnet18"}'])
def test_a_damaged_header_is_named(saved, header):
    save_file({"a": torch.ones(1)}, saved, metadata={"iics": header})
    with pytest.raises(WeightsError, match=rf"^{re.escape(str(saved))} has a damaged iics header: "):
        load_model(saved)


def test_tensors_that_the_header_does_not_describe_are_refused(model, saved):
    rewrite(saved, model, norm="bn")
    with pytest.raises(WeightsError, match=r" does not hold the tensors its header describes: .*mix\.alpha") as raised:
        load_model(saved)
    assert "\n" not in str(raised.value)  # the command line prints one line


def test_settings_that_name_no_backbone_are_refused():
    with pytest.raises(SettingsError, match=r"^Unknown backbone 'vgg'"):
        create_model(dataclasses.replace(SETTINGS, backbone="vgg"), device=CPU)


# --- weights and values that make no sense


def test_weights_that_are_no_numbers_are_refused(model, saved):
    tensors = {key: value.contiguous().clone() for key, value in model.backbone.state_dict().items()}
    tensors["conv1.0.weight"][0, 0, 0, 0] = float("nan")
    save_file(tensors, saved, metadata={"iics": header_of(saved)})
    with pytest.raises(WeightsError, match=r"holds NaN or infinite weights \(conv1\.0\.weight\)"):
        load_model(saved)


def test_features_that_are_no_numbers_are_refused(saved, pixels):
    loaded = load_model(saved)
    with torch.no_grad():
        loaded.backbone.conv1[0].weight.fill_(float("inf"))
    with pytest.raises(WeightsError, match=r"no numbers \(NaN\) for 5 of 5 crops, the first is number 1"):
        loaded.embed(pixels)


def test_a_file_of_the_first_format_is_a_network_of_ours(model, saved, pixels):
    header = json.loads(header_of(saved)) | {"format": 1}
    for key in ("last_stride", "interpolation", "parts"):
        del header[key]
    tensors = {key: value.contiguous().clone() for key, value in model.backbone.state_dict().items()}
    save_file(tensors, saved, metadata={"iics": json.dumps(header)})
    loaded = load_model(saved)
    assert (loaded.header.last_stride, loaded.header.interpolation) == (1, "bicubic")
    np.testing.assert_array_equal(loaded.embed(pixels), model.embed(pixels))


@pytest.mark.parametrize(
    "changes",
    [
        {"height": -1},
        {"height": 10**9},
        {"width": "32"},
        {"height": True},
        {"mean": [0.5, 0.5]},
        {"mean": [0.5, float("nan"), 0.5]},
        {"std": [0, 1, 1]},
        {"std": "abc"},
        {"backbone": "vgg"},
        {"backbone": ["resnet18"]},
        {"norm": "batch"},
        {"norm_stages": "layer4"},
        {"norm_stages": [1]},
        {"norm_stages": ["layer9"]},
        {"alpha_sharing": None},
        {"last_stride": 3},
        {"interpolation": "nearest"},
        {"trained_rounds": -1},
        {"parts": {"pooling": "max"}},
        {"parts": {"neck": ["linear"], "neck_features": 10**12}},
        {"parts": {"neck_features": 5}},
        {"parts": []},
        {"match_thresholds": {"thresholds": []}},
        {"format": "2"},
    ],
)
def test_a_header_of_impossible_values_is_a_sentence(model, saved, changes):
    rewrite(saved, model, **changes)
    with pytest.raises(WeightsError, match=re.escape(str(saved))) as raised:
        load_model(saved)
    assert "\n" not in str(raised.value)


def test_a_header_nested_without_end_is_a_sentence(saved):
    save_file({"a": torch.ones(1)}, saved, metadata={"iics": "[" * 100_000})
    with pytest.raises(WeightsError, match="has a damaged iics header"):
        load_model(saved)


@pytest.mark.parametrize("place", ["weights", "header"])
def test_a_file_that_lost_a_bit_is_refused(saved, tmp_path, place):
    content = bytearray(saved.read_bytes())
    content[-1000 if place == "weights" else content.index(b"trained_rounds") + len(b'trained_rounds\\": ')] ^= 1
    file = tmp_path / "changed.safetensors"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=f"^{file} is damaged: its weights or its header are not what was written"):
        load_model(file)


def test_a_file_of_an_older_version_has_no_hash_and_is_read(saved, tmp_path):
    with safe_open(saved, framework="pt") as opened:
        metadata = {"iics": opened.metadata()["iics"]}
    save_file(load_file(saved), tmp_path / "older.safetensors", metadata=metadata)
    assert load_model(tmp_path / "older.safetensors").header == load_model(saved).header


@pytest.mark.slow
def test_equal_models_are_equal_files_in_every_process(model, tmp_path):
    program = "import sys; from iics.models.reid_model import load_model; load_model(sys.argv[1]).save(sys.argv[2])"
    model.save(tmp_path / "0")
    for number in range(2):
        files = [str(tmp_path / str(number)), str(tmp_path / str(number + 1))]
        environment = {**os.environ, "PYTHONHASHSEED": str(number)}
        subprocess.run([sys.executable, "-c", program, *files], check=True, env=environment)
    assert len({(tmp_path / str(number)).read_bytes() for number in range(3)}) == 1
