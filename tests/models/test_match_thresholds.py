"""Thresholds in a model file: there and back to the same numbers, the weights untouched, damage named."""

import json
import math
import re
import struct
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from iics.errors import WeightsError, WriteError
from iics.model_settings import ModelSettings
from iics.models.match_thresholds import MatchThreshold, MatchThresholds
from iics.models.model_file import read_header, write_match_thresholds
from iics.models.model_header import header_values
from iics.models.reid_model import create_model, load_model


@pytest.fixture(scope="module")
def model():
    return create_model(
        ModelSettings(backbone="test_resnet", weights="none", height=64, width=32), device=torch.device("cpu")
    )


@pytest.fixture
def saved(model, tmp_path):
    path = tmp_path / "model.safetensors"
    model.save(path)
    return path


def threshold(rate, similarity, **changes):
    values = {"rate_low": rate / 2, "rate_high": 2 * rate, "num_independent": 400, "found": 0.5} | changes
    return MatchThreshold(
        rate, similarity, similarity_low=similarity - 0.02, similarity_high=similarity + 0.03, **values
    )


def measured(**changes):
    values = {
        "thresholds": (MatchThreshold(0.001), threshold(0.01, 0.68), threshold(0.05, 0.5, same_camera_rate=0.11)),
        "calibration": "identities",
        "data": 'Türen "7"',
        "split": "query against gallery",
        "num_people": 40,
        "num_different": 5000,
        "num_people_pairs": 780,
        "num_same": 300,
        "is_trained_on": False,
        "limits": "Other cameras may differ.",
    }
    return MatchThresholds(**values | changes)


def content_of(path):
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def test_thresholds_come_back_from_the_file(saved):
    write_match_thresholds(saved, measured())
    assert read_header(saved).match_thresholds == measured()
    assert load_model(saved).header == replace(read_header(saved), match_thresholds=measured())


def test_writing_thresholds_changes_nothing_else(saved):
    tensors, before = load_file(saved), content_of(saved)
    for _ in range(2):
        write_match_thresholds(saved, measured())
    after = content_of(saved)
    assert after[1] == before[1]  # the bytes of the weights
    assert {key: value for key, value in after[0].items() if key != "__metadata__"} == {
        key: value for key, value in before[0].items() if key != "__metadata__"
    }
    values, values_before = (json.loads(header["__metadata__"]["iics"]) for header in (after[0], before[0]))
    assert values.pop("match_thresholds")
    assert values == values_before
    assert all(torch.equal(value, tensors[key]) for key, value in load_file(saved).items())
    assert [path.name for path in saved.parent.iterdir()] == ["model.safetensors"]


def test_metadata_of_others_stays(saved):
    metadata = content_of(saved)[0]["__metadata__"] | {"format": "pt", "author": "somebody"}
    save_file(load_file(saved), saved, metadata=metadata)
    write_match_thresholds(saved, measured())
    ours = {"iics": "", "iics_contents": ""}
    assert content_of(saved)[0]["__metadata__"] | ours == metadata | ours


def test_a_file_without_thresholds_loads_and_names_none(saved):
    assert "match_thresholds" not in json.loads(content_of(saved)[0]["__metadata__"]["iics"])
    assert load_model(saved).header.match_thresholds is None


def test_a_calibrated_model_keeps_its_thresholds_when_saved_again(saved, tmp_path):
    write_match_thresholds(saved, measured())
    load_model(saved).save(tmp_path / "again.safetensors")
    assert read_header(tmp_path / "again.safetensors").match_thresholds == measured()


def test_a_model_started_from_a_calibrated_one_is_not_calibrated(saved):
    write_match_thresholds(saved, measured())
    settings = ModelSettings(backbone="test_resnet", weights=str(saved), height=64, width=32)
    assert create_model(settings, device=torch.device("cpu")).header.match_thresholds is None


@pytest.mark.parametrize(
    "damage",
    [
        {"thresholds": []},
        {"thresholds": 7},
        {"thresholds": [{"rate": 0.01, "similarity": 0.5}]},
        {"thresholds": [{"rate": math.nan}]},
        {"thresholds": [{"rate": "0.01"}]},
        {"thresholds": [{"rate": 0.01, "surprise": 1}]},
        {"calibration": "a guess"},
        {"num_same": -1},
        {"data": None},
        {"surprise": 1},
    ],
)
def test_damaged_thresholds_are_named(saved, damage):
    values = json.loads(content_of(saved)[0]["__metadata__"]["iics"])
    values["match_thresholds"] = asdict(measured()) | damage
    save_file(load_file(saved), saved, metadata={"iics": json.dumps(values)})
    for read in (load_model, read_header, lambda file: write_match_thresholds(file, measured())):
        with pytest.raises(WeightsError, match=rf"^{re.escape(str(saved))} has a damaged iics header: "):
            read(saved)


def test_thresholds_that_are_no_object_are_damage(saved):
    values = json.loads(content_of(saved)[0]["__metadata__"]["iics"]) | {"match_thresholds": [1, 2]}
    save_file(load_file(saved), saved, metadata={"iics": json.dumps(values)})
    with pytest.raises(WeightsError, match="has a damaged iics header"):
        read_header(saved)


def test_files_of_others_and_torn_files_are_refused_and_stay(saved, tmp_path):
    other = tmp_path / "other.safetensors"
    save_file({"a": torch.ones(1)}, other)
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(saved.read_bytes()[:-100])
    for file, reason in ((other, "no iics header"), (torn, "is damaged"), (tmp_path / "gone", "No model file at")):
        before = file.read_bytes() if file.exists() else None
        with pytest.raises(WeightsError, match=reason):
            write_match_thresholds(file, measured())
        assert (file.read_bytes() if file.exists() else None) == before


def test_a_file_that_cannot_be_written_stays_as_it_was(saved, monkeypatch):
    before = saved.read_bytes()
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(WriteError, match="No space left"):
        write_match_thresholds(saved, measured())
    assert saved.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": 1.5}, "rate must lie between 0 and 1, got 1.5"),
        ({"similarity": -2.0}, "similarity must lie between -1 and 1, got -2.0"),
        ({"found": math.inf}, "found must lie between 0 and 1, got inf"),
        ({"rate_low": None}, "needs the interval of its rate"),
        ({"rate_low": 0.3, "rate_high": 0.2}, "ends before it begins"),
        ({"similarity_low": 0.9}, "the interval 0.9 to 0.7100000000000001 does not hold the similarity 0.68"),
    ],
)
def test_a_threshold_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        replace(threshold(0.01, 0.68), **changes)


def test_a_threshold_of_too_few_people_holds_nothing_but_its_rate():
    with pytest.raises(ValueError, match="holds nothing but its rate"):
        MatchThreshold(0.01, found=0.5)


def test_higher_rates_have_lower_similarities():
    with pytest.raises(ValueError, match="the higher the rate, the lower the similarity"):
        measured(thresholds=(threshold(0.01, 0.5), threshold(0.05, 0.6)))
    with pytest.raises(ValueError, match="rates that rise"):
        measured(thresholds=(threshold(0.05, 0.5), threshold(0.01, 0.6)))


def test_the_strictest_threshold_is_the_one_of_the_lowest_rate():
    assert measured().strictest(0.7).rate == 0.01
    assert measured().strictest(0.68).rate == 0.05  # to exceed is to be above
    assert measured().strictest(0.5) is None


def test_the_header_says_nothing_of_thresholds_that_were_not_measured(model):
    assert "match_thresholds" not in header_values(model.header)
    values = header_values(replace(model.header, match_thresholds=measured()))
    assert values["match_thresholds"]["thresholds"][1]["similarity"] == 0.68
    assert np.isclose(values["match_thresholds"]["thresholds"][2]["same_camera_rate"], 0.11)
