"""Camera means in a model file: what is stored, what older files lack, what damage is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from iics.errors import WeightsError
from iics.model_settings import ModelSettings
from iics.models.camera_means import MOST_CROPS_PER_CAMERA, CameraMeans, spread_crops
from iics.models.fingerprint import model_fingerprint
from iics.models.match_thresholds import MatchThreshold, MatchThresholds
from iics.models.model_file import (
    HEADER_KEY,
    header_text,
    read_header,
    read_model_file,
    write_camera_means,
    write_match_thresholds,
)
from iics.models.reid_model import create_model, load_model

SETTINGS = ModelSettings(backbone="test_efficientnet", weights="none", height=64, width=32)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return create_model(SETTINGS, device=torch.device("cpu"))


def means_of(dimension, *, names=("hall", "Straße 2")):
    features = np.random.default_rng(0).standard_normal((30, dimension)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return CameraMeans.of(features, np.arange(30) % 3 // 2, names)


@pytest.fixture
def saved(model, tmp_path):
    """A model file with means, and these."""
    means = means_of(model.num_features)
    model.camera_means = means
    try:
        model.save(tmp_path / "with.safetensors")
    finally:
        model.camera_means = None
    return tmp_path / "with.safetensors", means


def are_equal(one, other):
    return (
        (one.names, one.num_crops) == (other.names, other.num_crops)
        and np.array_equal(one.means, other.means)
        and np.array_equal(one.of_all, other.of_all)
    )


def test_means_are_those_of_each_camera_and_of_all_crops():
    features = np.array([[1, 0], [0, 1], [1, 0], [0.6, 0.8]], dtype=np.float32)
    means = CameraMeans.of(features, np.array([2, 0, 2, 0]), ["a", "nobody", "c"])
    assert (means.names, means.num_crops) == (("a", "c"), (2, 2))
    np.testing.assert_allclose(means.means, [[0.3, 0.9], [1, 0]], atol=1e-6)
    np.testing.assert_allclose(means.of_all, [0.65, 0.45], atol=1e-6)


def test_a_large_camera_is_taken_evenly_and_a_small_one_whole():
    cameras = np.concatenate([np.zeros(3 * MOST_CROPS_PER_CAMERA), np.ones(7)]).astype(np.int64)
    chosen = spread_crops(cameras)
    assert np.array_equal(chosen[cameras[chosen] == 0], np.arange(0, 3 * MOST_CROPS_PER_CAMERA, 3))
    assert np.array_equal(chosen[cameras[chosen] == 1], np.arange(len(cameras) - 7, len(cameras)))


def test_a_model_comes_back_with_its_means_and_the_same_features(saved, model):
    file, means = saved
    loaded = load_model(file)
    assert are_equal(loaded.camera_means, means)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 64, 32, 3), dtype=np.uint8)
    assert np.array_equal(loaded.embed(pixels), model.embed(pixels))
    assert model_fingerprint(loaded) == model_fingerprint(model), "galleries of the model stay its own"
    assert set(read_model_file(file).weights) == set(model.backbone.state_dict())


def test_a_file_of_an_older_version_has_none(model, tmp_path):
    file = tmp_path / "old.safetensors"
    model.save(file)
    tensors = load_file(file)
    text = json.dumps(json.loads(header_text(file)) | {"format": 2})
    save_file(tensors, file, metadata={HEADER_KEY: text})  # without a hash, too
    assert load_model(file).camera_means is None


def test_thresholds_and_means_are_written_beside_each_other(saved, model, tmp_path):
    file, means = saved
    thresholds = MatchThresholds(
        (MatchThreshold(0.01),), "identities", "people", "query against gallery", 3, 10, 3, 2, False, "none"
    )
    write_match_thresholds(file, thresholds)
    assert are_equal(read_model_file(file).camera_means, means)
    other = means_of(model.num_features, names=("x", "y"))
    write_camera_means(file, other)
    assert are_equal(load_model(file).camera_means, other)
    assert read_header(file).match_thresholds == thresholds
    model.save(tmp_path / "without.safetensors")
    write_camera_means(tmp_path / "without.safetensors", means)
    assert are_equal(load_model(tmp_path / "without.safetensors").camera_means, means)


def test_a_mean_that_was_changed_is_refused_by_the_hash(saved):
    file, _ = saved
    tensors = load_file(file)
    with safe_open(file, framework="pt") as opened:
        metadata = dict(opened.metadata())
    tensors["camera_means.of_cameras"][0, 0] += 1e-3
    save_file(tensors, file, metadata=metadata)
    with pytest.raises(WeightsError, match="is damaged: its weights or its header are not what was written"):
        load_model(file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors, values: tensors.pop("camera_means.of_all"), "need their tensors and their names"),
        (lambda tensors, values: values.pop("camera_means"), "need their tensors and their names"),
        (lambda tensors, values: values["camera_means"].update(names=["a", "a"]), "each once"),
        (lambda tensors, values: values["camera_means"].update(names="ab"), "a list of names"),
        (lambda tensors, values: values["camera_means"].update(num_crops=[1, 0]), "the crops behind each"),
        (lambda tensors, values: tensors["camera_means.of_cameras"].mul_(100), "longer than 1"),
        (
            lambda tensors, values: tensors.update({"camera_means.of_all": torch.zeros(3)}),
            r"must have shape \(2, 3\)",
        ),
    ],
)
def test_means_that_do_not_belong_together_are_refused(saved, change, words):
    file, _ = saved
    tensors, values = load_file(file), json.loads(header_text(file))
    change(tensors, values)
    save_file(tensors, file, metadata={HEADER_KEY: json.dumps(values)})
    with pytest.raises(WeightsError, match=f"has damaged camera means: .*{words}"):
        load_model(file)


def test_means_of_another_network_are_refused(saved):
    file, _ = saved
    write_camera_means(file, means_of(7))
    with pytest.raises(WeightsError, match="its camera means have 7 numbers, its features 256"):
        load_model(file)
