"""A calibrated model's file and the card beside it say the same."""

from dataclasses import replace

import pytest

import iics
from iics.models.model_file import read_header
from iics.models.score_meaning import NOT_CALIBRATED


@pytest.mark.usefixtures("unreported")
def test_calibrating_a_run_from_python_writes_its_model_and_its_card(people, tmp_path, tiny_settings):
    run = iics.train(people.train, settings=tiny_settings, out=tmp_path / "run")
    assert NOT_CALIBRATED in (tmp_path / "run" / "model.md").read_text()
    found = iics.calibrate(tmp_path / "run" / "model.safetensors", people)
    assert run.folder == tmp_path / "run"
    assert read_header(tmp_path / "run" / "model.safetensors").match_thresholds == found
    assert NOT_CALIBRATED not in (tmp_path / "run" / "model.md").read_text()
    assert (found.num_people, found.is_trained_on) == (3, False)


@pytest.mark.usefixtures("unreported")
def test_a_model_outside_of_a_run_is_calibrated_without_a_card(people, tmp_path, tiny_settings):
    iics.train(people.train, settings=replace(tiny_settings, rounds=1), out=tmp_path / "run")
    file = (tmp_path / "run" / "model.safetensors").rename(tmp_path / "model.safetensors")
    found = iics.calibrate(file, people)
    assert (read_header(file).match_thresholds, found.is_trained_on) == (found, None)
    assert not (tmp_path / "model.md").exists()
