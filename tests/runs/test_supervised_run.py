"""Supervised runs from start to end: what they leave, that labels decide, and that resuming changes nothing."""

import math
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from iics.config import SupervisedSettings
from iics.errors import RunFolderError, SettingsError, TrainingError
from iics.methods import trainable
from iics.methods.by_name import method_of
from iics.models.reid_model import load_model
from iics.runs.rounds import resume, train
from iics.runs.run_folder import RunFolder


@pytest.fixture(scope="module")
def settings(tiny_settings):
    """Two rounds of four steps."""
    supervised = SupervisedSettings(epochs=1, identities_per_batch=4, crops_per_identity=4)
    return replace(tiny_settings, method="supervised", supervised=supervised)


@pytest.fixture(scope="module")
def finished(people, settings, tmp_path_factory):
    """A run without a break, and its folder as it was when round 2 began."""
    root = tmp_path_factory.mktemp("supervised")

    def keep_folder(event):
        if event.round_number == 2 and not (root / "round 2").exists():
            shutil.copytree(root / "run", root / "round 2")

    run = train(
        people.train,
        settings=settings,
        out=root / "run",
        after_round=lambda model, round_number: {"score": round_number},
        progress=keep_folder,
    )
    return run, root / "round 2"


def test_folder_holds_all_but_pseudo_labels(finished):
    run, _ = finished
    assert {entry.name for entry in run.folder.iterdir()} == {
        ".lock",
        "settings.json",
        "data.json",
        "crops.csv",
        "metrics.jsonl",
        "model.safetensors",
        "checkpoints",
        "tensorboard",
        "loggers.json",
    }
    assert [file.name for file in sorted((run.folder / "checkpoints").iterdir())] == [
        "round-001-supervised.ckpt",
        "round-002-supervised.ckpt",
    ]
    assert load_model(run.folder / "model.safetensors").header.trained_rounds == 2


def test_metrics_describe_each_round(finished):
    run, _ = finished
    assert [record["round"] for record in run.history] == [0, 1, 2]
    assert [record["evaluation"] for record in run.history] == [{"score": 0}, {"score": 1}, {"score": 2}]
    for record in run.history[1:]:
        assert not {"stage1", "stage2"} & record.keys()
        assert set(record["seconds"]) == {"supervised"}
        numbers = record["supervised"]
        assert numbers.keys() == {"loss", "cross_entropy", "triplet", "accuracy", "num_steps", "num_identities"}
        assert (numbers["num_steps"], numbers["num_identities"]) == (math.ceil(54 / 16), 6)
        assert 0 <= numbers["accuracy"] <= 1


def test_tensorboard_events_hold_the_metrics(finished):
    run, _ = finished
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # tensorboard's own imports
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    events = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    losses = [(scalar.step, pytest.approx(scalar.value)) for scalar in events.Scalars("supervised/loss")]
    assert losses == [(record["round"], record["supervised"]["loss"]) for record in run.history[1:]]


# --- labels


@pytest.mark.parametrize("change", ["renumbered", "exchanged"])
def test_who_is_who_decides_and_what_they_are_called_does_not(
    finished, people, settings, tmp_path, same_weights, change
):
    run, _ = finished
    identity_ids = 100 + 7 * people.train.identity_ids
    if change == "exchanged":
        identity_ids = np.random.default_rng(0).permutation(identity_ids)
    other = train(replace(people.train, identity_ids=identity_ids), settings=settings, out=tmp_path / "run")
    assert same_weights(other.folder, run.folder) == (change == "renumbered")


def test_crops_of_one_camera_will_do(people, settings, tmp_path):
    crops = people.train.subset(people.train.camera_ids == 1)
    run = train(crops, settings=replace(settings, rounds=1), out=tmp_path / "run")
    assert run.history[0]["supervised"]["num_identities"] == 6


def test_crops_without_identities_are_refused_before_anything_is_written(people, settings, tmp_path):
    with pytest.raises(TrainingError, match=r"^--supervised needs identities, and people train has none\."):
        train(people.train.without_identities(), settings=settings, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_no_memory_is_asked_for_clustering(people, settings, monkeypatch):
    monkeypatch.setattr(trainable, "free_memory", lambda: 1)
    method_of(settings).check(people.train, settings)
    with pytest.raises(TrainingError, match="needs about"):
        method_of(replace(settings, method="iics")).check(people.train, replace(settings, method="iics"))


# --- resuming


def same_checkpoints(first, second):
    """Compare head and optimiser of the newest checkpoints, bit by bit."""
    one, other = (RunFolder.open(folder).latest_checkpoint() for folder in (first, second))
    buffers = [
        [state["momentum_buffer"] for state in checkpoint.state["optimiser"]["state"].values()]
        for checkpoint in (one, other)
    ]
    assert len(buffers[0]) > 50
    return (
        one.state["optimiser"]["param_groups"] == other.state["optimiser"]["param_groups"]
        and all(torch.equal(a, b) for a, b in zip(*buffers, strict=True))
        and all(torch.equal(value, other.state["loss"][key]) for key, value in one.state["loss"].items())
    )


def test_run_stopped_in_round_2_resumes_to_the_same_result(
    finished, people, tmp_path, without_seconds, read_metrics, same_weights
):
    run, at_round_2 = finished
    folder = shutil.copytree(at_round_2, tmp_path / "run")
    torch.manual_seed(99)
    resumed = resume(folder, people.train, after_round=lambda model, round_number: {"score": round_number})
    assert without_seconds(resumed.history) == without_seconds(run.history)
    assert read_metrics(folder) == resumed.history
    assert same_weights(folder, run.folder)
    assert same_checkpoints(folder, run.folder)


def test_a_run_of_the_first_version_goes_on_to_the_same_result(
    finished, people, tmp_path, without_seconds, same_weights, as_first_version
):
    run, at_round_2 = finished
    folder = shutil.copytree(at_round_2, tmp_path / "run")
    as_first_version(folder)
    resumed = resume(folder, people.train, after_round=lambda model, round_number: {"score": round_number})
    assert without_seconds(resumed.history) == without_seconds(run.history)
    assert same_weights(folder, run.folder)
    assert same_checkpoints(folder, run.folder)


def test_an_unknown_loss_is_refused_before_anything_is_written(people, settings, tmp_path):
    settings = replace(settings, supervised=replace(settings.supervised, loss="triplet"))
    with pytest.raises(SettingsError, match=r"^There is no loss 'triplet'; there is classifier-triplet\."):
        train(people.train, settings=settings, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("in_round", "at_step"), [(1, 3), (2, 2)])
def test_run_that_an_exception_stopped_resumes_to_the_same_result(
    finished, people, settings, tmp_path, same_weights, in_round, at_step
):
    run, _ = finished

    def stop(event):
        if (event.round_number, event.phase, event.done) == (in_round, "supervised: train", at_step):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(people.train, settings=settings, out=tmp_path / "run", progress=stop)
    resume(tmp_path / "run", people.train)
    assert same_weights(tmp_path / "run", run.folder)
    assert same_checkpoints(tmp_path / "run", run.folder)


def test_failed_evaluation_does_not_lose_the_momentum(finished, people, settings, tmp_path, same_weights):
    run, _ = finished

    def fail(model, round_number):
        if round_number == 1:
            raise OSError("the gallery is gone")
        return {}

    with pytest.raises(OSError, match="gallery is gone"):
        train(people.train, settings=settings, out=tmp_path / "run", after_round=fail)
    rounds = set()
    resume(tmp_path / "run", people.train, progress=lambda event: rounds.add(event.round_number))
    assert rounds == {0, 2}  # round 0 is the reading of crops
    assert same_weights(tmp_path / "run", run.folder)


def test_resume_refuses_other_identities(finished, people):
    run, _ = finished
    identity_ids = np.roll(people.train.identity_ids, 1)
    with pytest.raises(RunFolderError, match="was trained on other identities of these crops"):
        resume(run.folder, replace(people.train, identity_ids=identity_ids))


# --- transfer


def test_a_run_of_iics_starts_from_the_supervised_model(finished, people, tiny_settings, tmp_path):
    run, _ = finished
    model = replace(tiny_settings.model, weights=str(run.folder))
    seen = []
    started = train(
        people.train,
        settings=replace(tiny_settings, model=model, rounds=1),
        out=tmp_path / "run",
        after_round=lambda model, round_number: seen.append(model.embed(people.query)) or {},
    )
    assert np.array_equal(seen[0], run.model.embed(people.query))
    assert not np.array_equal(seen[1], seen[0])
    assert started.history[0]["alpha"] == run.history[-1]["alpha"]
