"""What people hand to the public functions by mistake: None for a split, a path for what has to be read first, ..."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import iics
from iics.errors import DataError, EvaluationError, SettingsError
from iics.model_settings import ModelSettings
from iics.models.reid_model import create_model


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A folder with a model in it, as a run leaves it."""
    folder = tmp_path_factory.mktemp("run")
    settings = ModelSettings(backbone="test_efficientnet", weights="none", height=64, width=32)
    create_model(settings, device=torch.device("cpu")).save(folder / "model.safetensors")
    return folder


@pytest.fixture
def cameras(folder_people):
    """Data without query and gallery, as folders of cameras are."""
    return iics.load_folder(folder_people)


def test_a_run_folder_stands_for_its_model(run_folder):
    pixels = np.zeros((1, 64, 32, 3), np.uint8)
    by_folder, by_file = (iics.load_model(place) for place in (str(run_folder), run_folder / "model.safetensors"))
    np.testing.assert_array_equal(by_folder.embed(pixels), by_file.embed(pixels))


def test_a_split_that_the_data_does_not_have_is_not_embedded(run_folder, cameras):
    with pytest.raises(DataError, match=r"^What is embedded is None: the data has no such split\. .* have train alone"):
        iics.load_model(run_folder).embed(cameras.query)


def test_a_whole_data_set_is_not_embedded(run_folder, cameras):
    with pytest.raises(DataError, match=r"^What is embedded is one split of .*; it has \.train\.$"):
        iics.load_model(run_folder).embed(cameras)


def test_a_path_is_not_embedded(run_folder, folder_people):
    with pytest.raises(DataError, match=r"for a folder, load_folder\(path\)\.train\.$"):
        iics.load_model(run_folder).embed(str(folder_people))


def test_data_without_a_query_is_not_evaluated(run_folder, cameras):
    with pytest.raises(
        EvaluationError, match=r"^The data has no query \(None\); .* iics evaluate RUN DATA says what can"
    ):
        iics.evaluate(iics.load_model(run_folder), cameras.query, cameras.gallery)


def test_a_whole_data_set_is_no_query(run_folder, people):
    with pytest.raises(DataError, match=r"^The query is one split of .*; it has \.train, \.query, \.gallery\.$"):
        iics.evaluate(iics.load_model(run_folder), people, people.gallery)


def test_a_path_is_no_model(run_folder, people):
    with pytest.raises(EvaluationError, match=r"^A model is needed, got '.*'\. Load it first: iics\.load_model\("):
        iics.evaluate(str(run_folder), people.query, people.gallery)
    with pytest.raises(DataError, match=r"^A model is needed, got '.*'\. Load it first: iics\.load_model\("):
        iics.embed_detections(str(run_folder), np.zeros((9, 9, 3), np.uint8), None, channels="rgb")


def test_a_frame_that_was_not_read_is_refused(run_folder):
    with pytest.raises(DataError, match=r"^The frame is None, as cv2\.imread and a video at its end give"):
        iics.embed_detections(iics.load_model(run_folder), None, None, channels="bgr")


@pytest.mark.parametrize("wrong", ["sample", None])
def test_settings_by_name_are_refused(cameras, tmp_path, wrong):
    with pytest.raises(SettingsError, match=r"^Training needs settings, and .*settings=iics\.presets\.SAMPLE"):
        iics.train(cameras.train, settings=wrong, out=tmp_path / "run")


def test_training_says_what_it_was_not_given(cameras, tmp_path):
    with pytest.raises(SettingsError, match=r"^Training needs settings, and none were given: .*fit_settings"):
        iics.train(cameras.train, out=tmp_path / "run")
    with pytest.raises(SettingsError, match=r"^Training needs a folder to keep its run in, .* out='runs/first'"):
        iics.train(cameras.train, settings=iics.presets.SAMPLE)
    with pytest.raises(SettingsError, match=r"^Training needs settings"):
        iics.train_seeds(cameras.train, seeds=2)


def test_crops_print_in_a_line(cameras):
    assert repr(cameras.train).startswith("<CropSet ")
    assert len(repr(cameras.train)) < 120
    assert "cameras" in repr(cameras.train)


def test_settings_are_fitted_to_one_split(cameras):
    with pytest.raises(DataError, match=r"^What settings are fitted to is one split of .*; it has \.train\.$"):
        iics.fit_settings(cameras)


def test_a_path_is_not_trained_on(folder_people, tmp_path):
    with pytest.raises(
        DataError, match=r"^What is trained on is a CropSet, got '.*Readers make one, e\.g\. iics\.load_folder"
    ):
        iics.train(str(folder_people), settings=iics.presets.SAMPLE, out=tmp_path / "run")


def test_one_split_is_neither_checked_nor_calibrated_on(run_folder, cameras):
    message = r" takes a whole data set, got the crops of one split, .*iics\.DataSplits\('name', train=crops\)\.$"
    with pytest.raises(DataError, match=f"^The check{message}"):
        iics.check_data(cameras.train)
    with pytest.raises(DataError, match=f"^Calibration{message}"):
        iics.calibrate(run_folder, cameras.train)


@pytest.mark.parametrize("wrong", [None, "cameras", Path("cameras")])
def test_what_is_no_data_set_is_neither_checked_nor_calibrated_on(run_folder, wrong):
    for of in (iics.check_data, lambda data: iics.calibrate(run_folder, data)):
        with pytest.raises(DataError, match=r" takes a whole data set, got .*e\.g\. iics\.load_folder\('cameras'\)\.$"):
            of(wrong)


@pytest.mark.parametrize(
    "load",
    [
        iics.load_csv,
        iics.load_folder,
        iics.load_market1501,
        iics.load_mars,
        iics.load_model,
        iics.load_msmt17,
        iics.load_parquet,
        lambda path: iics.load_pattern(path, "{camera}/{}.jpg"),
    ],
)
def test_no_path_at_all_is_refused(load):
    with pytest.raises(DataError, match=r"^A path is needed, as text or as a pathlib\.Path, got None\.$"):
        load(None)
