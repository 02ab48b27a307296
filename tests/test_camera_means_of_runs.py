"""A run's model has camera means after every round, those of its own features, on resume too; rounds use them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from iics.models.model_file import read_model_file
from iics.models.reid_model import load_model
from iics.runs import run as run_module
from iics.runs.rounds import resume
from iics.runs.run_folder import RunFolder
from iics.trained_run import train


def means_in(folder):
    return read_model_file(folder / "model.safetensors").camera_means


def are_equal(one, other):
    return (
        (one.names, one.num_crops) == (other.names, other.num_crops)
        and np.array_equal(one.means, other.means)
        and np.array_equal(one.of_all, other.of_all)
    )


def test_means_are_of_the_trained_models_features_of_the_training_crops(unbroken, people):
    means = means_in(unbroken.run.folder)
    features = load_model(unbroken.run.folder / "model.safetensors").embed(people.train)
    assert means.names == people.train.camera_names
    assert means.num_crops == (18, 18, 18)
    for camera, mean in enumerate(means.means):
        np.testing.assert_allclose(mean, features[people.train.camera_ids == camera].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(means.of_all, features.mean(axis=0), atol=1e-5)
    assert are_equal(unbroken.run.model.camera_means, means)


def test_a_model_in_the_middle_of_a_round_has_none(unbroken):
    means = {name: means_in(folder) for name, folder in unbroken.at_stage.items()}
    assert means["round 1 stage 2"] is None, "they would be of other weights"
    assert means["round 2 stage 1"] is not None
    assert not are_equal(means["round 2 stage 1"], means_in(unbroken.run.folder))


def test_a_killed_run_resumes_to_the_same_file(unbroken, people, tmp_path):
    folder = shutil.copytree(unbroken.at_stage["round 2 stage 2"], tmp_path / "run")
    resume(folder, people.train, after_round=lambda model, number: {"score": number})
    expected = (unbroken.run.folder / "model.safetensors").read_bytes()
    assert (folder / "model.safetensors").read_bytes() == expected


def test_a_finished_run_of_an_older_version_gets_them_when_it_is_resumed(unbroken, people, tmp_path, monkeypatch):
    folder = shutil.copytree(unbroken.run.folder, tmp_path / "run")
    whole = means_in(folder)
    model = load_model(folder / "model.safetensors")
    model.camera_means = None
    RunFolder.open(folder).save_model(model)
    assert means_in(folder) is None
    resume(folder, people.train)
    assert are_equal(means_in(folder), whole)

    def no_pass(*arguments, **options):
        raise AssertionError("features were computed again")

    monkeypatch.setattr(run_module, "measured_camera_means", no_pass)
    assert are_equal(resume(folder, people.train).model.camera_means, whole)


@pytest.mark.parametrize(
    "centre", [pytest.param("off", marks=pytest.mark.slow), pytest.param("on", marks=pytest.mark.slow), "auto"]
)
def test_rounds_record_both_kinds_and_are_judged_by_the_setting(people, tiny_settings, tmp_path, centre):
    settings = replace(tiny_settings, rounds=1, centre=centre, loggers=())
    run = train(people.train, settings=settings, out=tmp_path / "run", query=people.query, gallery=people.gallery)
    before, after = (record["evaluation"] for record in run.history)
    assert not [name for name in before if name.startswith(("centred", "plain"))]
    model, crops = load_model(tmp_path / "run" / "model.safetensors"), (people.query, people.gallery)
    from iics.evaluation.evaluate import evaluate

    measured = {kind: evaluate(model, *crops, centre=kind) for kind in ("off", "on")}
    is_centred = {"off": False, "on": True}.get(centre, after.get("centre", {}).get("is_centred"))
    headline, beside, other = ("on", "plain", "off") if is_centred else ("off", "centred", "on")
    assert after["mean_ap"] == pytest.approx(measured[headline].mean_ap)
    assert after[f"{beside}_mean_ap"] == pytest.approx(measured[other].mean_ap)
    assert after[f"{beside}_rank1"] == pytest.approx(measured[other].rank(1))
    assert after.get("centre", {}).get("centre", "off") == centre
    line = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert line["evaluation"] == after
    report = (tmp_path / "run" / "report.html").read_text()
    assert f"mAP, {beside} %" in report
