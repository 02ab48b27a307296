import csv
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from iics.computing_settings import PixelSettings
from iics.config import ClusterSettings
from iics.errors import RunFolderError, SettingsError, TrainingError
from iics.methods import trainable
from iics.methods.by_name import METHODS
from iics.methods.iics.stage1 import STAGE_1
from iics.models.reid_model import load_model
from iics.pixels.images import load_pixels
from iics.readers.benchmarks import load_market_layout
from iics.reports.report import write_report
from iics.runs.rounds import resume, train, with_resolved_settings
from iics.runs.run_folder import RunFolder
from iics.runs.run_hold import held
from iics.training.randomness import crop_order

MEASURED = (
    "adjusted_rand_index",
    "normalized_mutual_information",
    "pairwise_precision",
    "pairwise_recall",
    *(f"{identity}_identity_{camera}_camera" for identity in ("same", "other") for camera in ("same", "other")),
)


@pytest.fixture(scope="module")
def one_round(tiny_settings):
    return replace(tiny_settings, rounds=1)


@pytest.fixture(scope="module")
def first_run(people, one_round, tmp_path_factory):
    return train(people.train, settings=one_round, out=tmp_path_factory.mktemp("first") / "run")


def without_measurements(value):
    """Drop what identities are needed for, at any depth."""
    if isinstance(value, dict):
        return {key: without_measurements(inner) for key, inner in value.items() if key not in MEASURED}
    return value


def test_run_folder_holds_everything(unbroken, people, tiny_settings, read_metrics):
    folder = unbroken.run.folder
    assert {entry.name for entry in folder.iterdir()} - {".lock"} == {
        "crops.csv",
        "settings.json",
        "data.json",
        "metrics.jsonl",
        "model.safetensors",
        "checkpoints",
        "pseudo_labels",
        "tensorboard",
        "loggers.json",
    }
    assert RunFolder.open(folder).settings() == with_resolved_settings(tiny_settings)
    assert RunFolder.open(folder).settings().distance.max_dense_crops > 0  # another machine resumes the same way
    assert json.loads((folder / "data.json").read_text())["data"] == "people"
    assert [file.name for file in sorted((folder / "checkpoints").iterdir())] == [
        "round-002-stage1.ckpt",
        "round-002-stage2.ckpt",
    ]
    assert read_metrics(folder) == unbroken.run.history


def test_metrics_start_with_the_round_before_training(unbroken):
    records = unbroken.run.history
    assert [record["round"] for record in records] == [0, 1, 2]
    assert [record["evaluation"] for record in records] == [{"score": 0}, {"score": 1}, {"score": 2}]
    assert set(records[0]["alpha"].values()) == {0.5}
    assert set(records[2]["alpha"].values()) != {0.5}


def test_metrics_describe_each_stage(unbroken, people):
    for record in unbroken.run.history[1:]:
        stage1, stage2 = record["stage1"], record["stage2"]
        assert list(stage1["pseudo_labels"]) == list(people.train.camera_names)
        assert stage1["num_steps"] > 0
        assert np.isfinite(stage1["loss"])
        assert stage2["pseudo_labels"]["num_clusters"] == 6
        assert 0 <= stage2["pseudo_labels"]["pairwise_precision"] <= 1
        assert set(record["seconds"]) == {"stage1", "stage2"}
        assert list(record["phases"]) == [f"stage{n}_{p}" for n in (1, 2) for p in ("features", "cluster", "train")]
    assert [record["stage2"]["mu"] for record in unbroken.run.history[1:]] == [0.5, pytest.approx(0.5 * 0.5**0.6)]


def test_metrics_describe_pairs_and_stability_without_needing_identities(unbroken, people):
    first, second = unbroken.run.history[1:]
    for stage in ("stage1", "stage2"):
        assert first[stage]["stability"] is None
        assert -1 <= second[stage]["stability"]["adjusted_rand_index"] <= 1
        similarity = first[stage]["similarity"]
        assert similarity["num_sampled"] == len(people.train)
        # 3 cameras of 18 crops, each crop compared with all others.
        assert similarity["pairs"]["same_camera"]["num_pairs"] == 54 * 17
        assert similarity["pairs"]["other_camera"]["num_pairs"] == 54 * 36
    assert first["stage1"]["similarity"] != first["stage2"]["similarity"]


def test_stability_compares_the_clusters_of_successive_rounds(unbroken):
    clusters = []
    for name in ("round-001.csv", "round-002.csv"):
        with (unbroken.run.folder / "pseudo_labels" / name).open() as file:
            clusters.append([int(row["stage2_cluster"]) for row in csv.DictReader(file)])
    recorded = unbroken.run.history[2]["stage2"]["stability"]["adjusted_rand_index"]
    assert recorded == pytest.approx(adjusted_rand_score(*clusters))


def test_model_file_is_the_model_after_the_last_round(unbroken, people):
    loaded = load_model(unbroken.run.folder / "model.safetensors")
    assert loaded.header.trained_rounds == 2
    assert np.array_equal(loaded.embed(people.query), unbroken.run.model.embed(people.query))


def test_pseudo_labels_of_each_round_are_kept(unbroken, people):
    for name in ("round-001.csv", "round-002.csv"):
        with (unbroken.run.folder / "pseudo_labels" / name).open() as file:
            rows = list(csv.DictReader(file))
        assert [row["path"] for row in rows] == sorted(path.as_posix() for path in people.train.paths)
        assert {int(row["stage2_cluster"]) for row in rows} == set(range(6))


def test_tensorboard_events_hold_the_metrics(unbroken, read_events):
    events = read_events(unbroken.run.folder)
    losses = [(scalar.step, pytest.approx(scalar.value)) for scalar in events.Scalars("stage2/loss")]
    assert losses == [(record["round"], record["stage2"]["loss"]) for record in unbroken.run.history[1:]]
    block, alphas = next(iter(unbroken.run.history[2]["alpha"])), unbroken.run.history[2]["alpha"].values()
    assert [scalar.step for scalar in events.Scalars(f"alpha/{block}")] == [0, 1, 2]
    assert events.Histograms("alphas")[2].histogram_value.num == len(alphas)
    assert events.Histograms("stage2/cluster_sizes")[1].histogram_value.num == 6


def test_sizes_of_clusters_add_up_to_the_crops(unbroken, people):
    for record in unbroken.run.history[1:]:
        cameras = record["stage1"]["pseudo_labels"].values()
        for statistics in ([record["stage2"]["pseudo_labels"]], cameras):
            pairs = [pair for one in statistics for pair in one["size_counts"]]
            assert sum(size * clusters for size, clusters in pairs) == len(people.train)


def test_failing_logger_does_not_end_a_run(
    first_run, people, one_round, tmp_path, monkeypatch, without_seconds, caplog
):
    def fail(logger, record):
        raise OSError("No space left on device")

    monkeypatch.setattr("iics.runs.loggers.TensorBoardLogger.log_round", fail)
    run = train(people.train, settings=one_round, out=tmp_path / "run")
    assert without_seconds(run.history) == without_seconds(first_run.history)
    assert [message.split(" (")[0] for message in caplog.messages if "Logger" in message] == [
        "Logger tensorboard failed in round 1 and is left out"
    ]


def test_logger_gets_what_it_missed_when_the_run_is_resumed(first_run, people, tmp_path, read_events):
    folder = shutil.copytree(first_run.folder, tmp_path / "run")
    shutil.rmtree(folder / "tensorboard")
    (folder / "loggers.json").unlink()
    resume(folder, people.train)
    assert [scalar.step for scalar in read_events(folder).Scalars("stage2/loss")] == [1]


def test_run_without_loggers_leaves_its_metrics(people, one_round, tmp_path, read_metrics):
    run = train(people.train, settings=replace(one_round, loggers=()), out=tmp_path / "run")
    assert read_metrics(run.folder) == run.history
    assert not (run.folder / "tensorboard").exists()
    assert not (run.folder / "loggers.json").exists()


def test_same_seed_gives_the_same_bits(first_run, people, one_round, tmp_path, without_seconds, same_weights):
    torch.manual_seed(99)  # whatever the caller did with torch's own generator
    again = train(people.train, settings=one_round, out=tmp_path / "run")
    assert without_seconds(again.history) == without_seconds(first_run.history)
    assert same_weights(again.folder, first_run.folder)


def test_training_leaves_the_callers_random_state_alone(people, one_round, tmp_path, monkeypatch):
    monkeypatch.setattr("iics.runs.run.Run.finish", lambda run, checkpoint: None)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(people.train, settings=one_round, out=tmp_path / "run")
    assert torch.equal(torch.rand(3), expected)


def test_another_seed_gives_another_result(first_run, people, one_round, tmp_path, without_seconds, same_weights):
    other = train(people.train, settings=replace(one_round, seed=1), out=tmp_path / "run")
    assert without_seconds(other.history) != without_seconds(first_run.history)
    assert not same_weights(other.folder, first_run.folder)


def test_runs_of_all_seeds_share_one_file_of_pixels(people, one_round, tmp_path, monkeypatch):
    runs = []
    monkeypatch.setattr("iics.runs.run.Run.finish", lambda run, checkpoint: runs.append(run) or [])
    folder = tmp_path / "pixels"
    settings = replace(one_round, pixels=PixelSettings(cache_dir=str(folder)))
    for seed in range(3):
        train(people.train, settings=replace(settings, seed=seed), out=tmp_path / f"run {seed}")
    assert len(list(folder.glob("*.npy"))) == 1
    size = {"height": one_round.model.height, "width": one_round.model.width}
    for run in runs:
        np.testing.assert_array_equal(run.pixels[:], load_pixels(run.crops, **size))


def test_crops_decoded_each_time_train_the_same_model(first_run, people, one_round, tmp_path, same_weights):
    settings = replace(one_round, pixels=PixelSettings(source="decode", cache_dir=str(tmp_path / "pixels")))
    other = train(people.train, settings=settings, out=tmp_path / "run")
    assert same_weights(other.folder, first_run.folder)
    assert not (tmp_path / "pixels").exists()


@pytest.mark.parametrize("change", ["removed", "permuted"])
def test_nothing_is_learned_from_identities(
    first_run, people, one_round, tmp_path, without_seconds, same_weights, change
):
    crops = people.train.without_identities()
    if change == "permuted":
        identity_ids = np.random.default_rng(0).permutation(people.train.identity_ids)
        crops = replace(people.train, identity_ids=identity_ids)
    other = train(crops, settings=one_round, out=tmp_path / "run")
    assert other.history != first_run.history
    expected = [without_measurements(record) for record in without_seconds(first_run.history)]
    assert [without_measurements(record) for record in without_seconds(other.history)] == expected
    assert same_weights(other.folder, first_run.folder)


def test_stages_get_the_crops_in_an_order_that_knows_no_identity(people, one_round, tmp_path, monkeypatch):
    seen = []

    def stop(context, state):
        seen.append(context.crops.paths)
        raise KeyboardInterrupt

    stages = (replace(STAGE_1, train=stop),)
    monkeypatch.setitem(METHODS, "iics", replace(METHODS["iics"], stages=lambda settings: stages))
    with pytest.raises(KeyboardInterrupt):
        train(people.train, settings=one_round, out=tmp_path / "run")
    order = crop_order(one_round.seed, len(people.train))
    assert seen == [tuple(people.train.paths[i] for i in order)]
    assert seen[0] != people.train.paths


def test_folder_in_use_is_refused_and_stays_as_it_is(unbroken, people, one_round):
    before = (unbroken.run.folder / "metrics.jsonl").read_bytes()
    with pytest.raises(RunFolderError, match="exists already"):
        train(people.train, settings=one_round, out=unbroken.run.folder)
    assert (unbroken.run.folder / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize("stages", ["stage1", "stage2"])
def test_run_of_one_stage_leaves_the_other_out(people, one_round, tmp_path, stages):
    settings = replace(one_round, stages=stages, stage2=replace(one_round.stage2, similarity="cnn"))
    run = train(people.train, settings=settings, out=tmp_path / "run")
    other = {"stage1": "stage2", "stage2": "stage1"}[stages]
    record = run.history[0]
    assert stages in record
    assert other not in record
    assert set(record["seconds"]) == {stages}
    assert [file.name for file in (run.folder / "checkpoints").iterdir()] == [f"round-001-{stages}.ckpt"]
    with (run.folder / "pseudo_labels" / "round-001.csv").open() as file:
        row = next(csv.DictReader(file))
    assert row[f"{stages}_cluster"] != ""
    assert f"{other}_cluster" not in row
    assert load_model(run.folder / "model.safetensors").header.trained_rounds == 1


def test_rounds_after_those_of_stage_1_compare_features_alone(unbroken, people, tiny_settings, tmp_path, read_metrics):
    settings = replace(tiny_settings, stage1=replace(tiny_settings.stage1, rounds=1))
    first, second = train(people.train, settings=settings, out=tmp_path / "run").history
    assert first["stage2"] == unbroken.run.history[1]["stage2"]
    assert set(second["seconds"]) == {"stage2"}
    assert "stage1" not in second
    assert (first["stage2"]["mu"], second["stage2"]["mu"]) == (0.5, 0.0)
    files = sorted(file.name for file in (tmp_path / "run" / "checkpoints").iterdir())
    assert files[-1] == "round-002-stage2.ckpt"
    assert "stage 1" in write_report(tmp_path / "run", out=tmp_path / "report.html").read_text()


@pytest.mark.parametrize("stage", ["round 1 stage 1", "round 1 stage 2", "round 2 stage 1", "round 2 stage 2"])
def test_run_stopped_in_any_stage_resumes_to_the_same_result(
    unbroken, people, tmp_path, stage, without_seconds, read_metrics, same_weights, read_events
):
    folder = shutil.copytree(unbroken.at_stage[stage], tmp_path / "run")
    torch.manual_seed(99)
    resumed = resume(folder, people.train, after_round=lambda model, round_number: {"score": round_number})
    assert without_seconds(resumed.history) == without_seconds(unbroken.run.history)
    assert read_metrics(folder) == resumed.history
    assert [scalar.step for scalar in read_events(folder).Scalars("round")] == [0, 1, 2]
    assert same_weights(folder, unbroken.run.folder)
    for name in ("round-001.csv", "round-002.csv"):
        table = (folder / "pseudo_labels" / name).read_bytes()
        assert table == (unbroken.run.folder / "pseudo_labels" / name).read_bytes()


@pytest.mark.parametrize("stage", ["round 1 stage 2", "round 2 stage 1"])
def test_a_run_of_the_first_version_goes_on_to_the_same_result(
    unbroken, people, tmp_path, stage, without_seconds, same_weights, as_first_version
):
    folder = shutil.copytree(unbroken.at_stage[stage], tmp_path / "run")
    as_first_version(folder)
    resumed = resume(folder, people.train, after_round=lambda model, round_number: {"score": round_number})
    assert without_seconds(resumed.history) == without_seconds(unbroken.run.history)
    assert same_weights(folder, unbroken.run.folder)


@pytest.mark.parametrize(
    ("method", "stage2_loss", "hint"),
    [("icis", "classifier-triplet", "iics"), ("iics", "clasifier-triplet", "classifier-triplet")],
)
def test_an_unknown_name_is_refused_with_the_nearest_before_anything_is_written(
    people, one_round, tmp_path, method, stage2_loss, hint
):
    settings = replace(one_round, method=method, stage2=replace(one_round.stage2, loss=stage2_loss))
    with pytest.raises(
        SettingsError, match=rf"^There is no (method|loss) '.*'; there is .*{hint}.* Did you mean {hint}\?$"
    ):
        train(people.train, settings=settings, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_run_that_an_exception_stopped_resumes_to_the_same_result(
    first_run, people, one_round, tmp_path, without_seconds, same_weights
):
    def stop(event):
        if event.phase == "stage 2: train" and event.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(people.train, settings=one_round, out=tmp_path / "run", progress=stop)
    resumed = resume(tmp_path / "run", people.train)
    assert without_seconds(resumed.history) == without_seconds(first_run.history)
    assert same_weights(resumed.folder, first_run.folder)


def test_damaged_last_checkpoint_costs_a_stage_and_not_the_result(
    unbroken, people, tmp_path, without_seconds, same_weights, caplog
):
    folder = shutil.copytree(unbroken.run.folder, tmp_path / "run")
    newest = folder / "checkpoints" / "round-002-stage2.ckpt"
    newest.write_bytes(newest.read_bytes()[:-100])
    stages = set()
    resumed = resume(
        folder,
        people.train,
        after_round=lambda model, round_number: {"score": round_number},
        progress=lambda event: stages.add((event.round_number, event.phase[:7])) if event.round_number else None,
    )
    assert "is damaged" in caplog.text
    assert stages == {(2, "stage 2")}
    assert without_seconds(resumed.history) == without_seconds(unbroken.run.history)
    assert same_weights(folder, unbroken.run.folder)


def test_finished_run_resumes_to_itself(unbroken, people):
    before = (unbroken.run.folder / "model.safetensors").read_bytes()
    resumed = resume(unbroken.run.folder, people.train)
    assert resumed.history == unbroken.run.history
    assert resumed.model.header == unbroken.run.model.header
    assert (unbroken.run.folder / "model.safetensors").read_bytes() == before


def test_resume_refuses_other_crops(unbroken, people):
    with pytest.raises(
        RunFolderError, match=r"the pictures of people gallery, which it is trained on, are not the same"
    ):
        resume(unbroken.run.folder, people.gallery)


def test_a_run_goes_on_with_crops_that_lie_elsewhere_in_another_order_to_the_same_bits(
    first_run, people, market_people, one_round, tmp_path, without_seconds, same_weights
):
    def stop(event):
        if event.phase == "stage 2: train" and event.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(people.train, settings=one_round, out=tmp_path / "run", progress=stop)
    moved = load_market_layout(shutil.copytree(market_people, tmp_path / "moved"), name="people").train
    order = np.random.default_rng(0).permutation(len(moved))
    resumed = resume(tmp_path / "run", moved.subset(order))
    assert without_seconds(resumed.history) == without_seconds(first_run.history)
    assert same_weights(resumed.folder, first_run.folder)


def test_a_picture_replaced_under_its_name_is_refused_by_name(unbroken, market_people, tmp_path):
    moved = load_market_layout(shutil.copytree(market_people, tmp_path / "moved"), name="people").train
    shutil.copy(moved.paths[3], moved.paths[7])
    with pytest.raises(RunFolderError, match=rf"{moved.paths[7].name} holds another picture"):
        resume(unbroken.run.folder, moved)


def test_other_pictures_to_measure_on_are_refused(people, one_round, tmp_path):
    def stop(event):
        if event.round_number:
            raise KeyboardInterrupt

    tests = {"query": people.query, "gallery": people.gallery}
    with pytest.raises(KeyboardInterrupt):
        train(people.train, settings=one_round, out=tmp_path / "run", measured_on=tests, progress=stop)
    fewer = {**tests, "gallery": people.gallery.subset(np.arange(5), name="people gallery")}
    with pytest.raises(RunFolderError, match=r"people gallery, which it is measured on, .* is missing"):
        resume(tmp_path / "run", people.train, measured_on=fewer)


def test_rounds_of_another_run_in_metrics_are_refused(unbroken, people, tmp_path):
    folder = shutil.copytree(unbroken.run.folder, tmp_path / "run")
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    (folder / "metrics.jsonl").write_text("\n".join([lines[0], lines[1].replace("0.", "1."), lines[2]]) + "\n")
    with pytest.raises(RunFolderError, match=f"^{folder / 'metrics.jsonl'} is not this run's"):
        resume(folder, people.train, after_round=lambda model, round_number: {"score": round_number})


def test_a_folder_that_another_process_writes_is_refused(unbroken, people, tmp_path):
    folder = shutil.copytree(unbroken.run.folder, tmp_path / "run")
    with held(folder), pytest.raises(RunFolderError, match=rf"is being written by process {os.getpid()} on .*, since "):
        resume(folder, people.train)


def test_failed_evaluation_does_not_lose_the_stage_before_it(
    first_run, people, one_round, tmp_path, without_seconds, same_weights
):
    def fail(model, round_number):
        if round_number == 1:
            raise OSError("the gallery is gone")
        return {}

    with pytest.raises(OSError, match="gallery is gone"):
        train(people.train, settings=one_round, out=tmp_path / "run", after_round=fail)
    phases = set()
    resumed = resume(tmp_path / "run", people.train, progress=lambda event: phases.add(event.phase))
    assert phases == {"read crops"}
    assert without_seconds(resumed.history)[1:] == without_seconds(first_run.history)
    assert same_weights(resumed.folder, first_run.folder)


def test_another_runs_model_in_a_finished_run_is_refused_and_written_anew_once_deleted(
    first_run, people, tmp_path, same_weights
):
    run, model = tmp_path / "run", tmp_path / "run" / "model.safetensors"
    shutil.copytree(first_run.folder, run)
    other = load_model(model)
    with torch.no_grad():
        next(other.backbone.parameters()).add_(1)
    other.save(model)
    with pytest.raises(RunFolderError, match=f"^{model} is not the model of this run's last checkpoint: it is another"):
        resume(run, people.train)
    model.unlink()
    resume(run, people.train)
    assert same_weights(run, first_run.folder)


def test_the_folder_is_held_until_what_comes_at_the_end_is_done(first_run, people, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(first_run.folder, run)

    def at_end(finished):
        assert finished.folder == run
        with pytest.raises(RunFolderError, match="is being written by process"), RunFolder.open(run).writing():
            pass

    ended = []
    resume(run, people.train, at_end=lambda finished: ended.append(at_end(finished)))
    assert ended == [None]


def test_diverged_training_stops_and_keeps_the_starting_model(people, one_round, tmp_path):
    # Every step makes the weights nine times as large, until they are no numbers any more.
    stage1 = replace(one_round.stage1, backbone_learning_rate=10.0, head_learning_rate=10.0, epochs=60)
    settings = replace(one_round, weight_decay=1.0, momentum=0.0, stage1=stage1)
    with pytest.raises(TrainingError, match="has diverged"):
        train(people.train, settings=settings, out=tmp_path / "run")
    features = load_model(tmp_path / "run" / "model.safetensors").embed(people.query)
    assert np.isfinite(features).all()


def test_more_crops_than_memory_compares_are_refused_before_the_start(people, one_round, tmp_path, monkeypatch):
    monkeypatch.setattr(trainable, "free_memory", lambda: 1000)
    with pytest.raises(TrainingError, match=r"Clustering 54 crops needs about 1\.0 GB of memory, 0\.0 GB are free\."):
        train(people.train, settings=one_round, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_that_no_longer_fits_is_not_resumed(first_run, people, monkeypatch):
    monkeypatch.setattr(trainable, "free_memory", lambda: 1000)
    with pytest.raises(TrainingError, match="Clustering 54 crops needs about"):
        resume(first_run.folder, people.train)


def test_cameras_of_one_crop_are_refused_before_the_start(make_crops, one_round, tmp_path):
    with pytest.raises(TrainingError, match="No camera has 2 crops or more"):
        train(make_crops([1, 1, 1]), settings=one_round, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_two_crops_a_camera_train_with_the_automatic_number(people, one_round, tmp_path):
    few = [np.flatnonzero(people.train.camera_ids == camera)[:2] for camera in (0, 1)]
    automatic = ClusterSettings(rule="auto")
    settings = replace(
        one_round,
        stage1=replace(one_round.stage1, clusters=automatic),
        stage2=replace(one_round.stage2, clusters=automatic),
    )
    run = train(people.train.subset(np.concatenate(few)), settings=settings, out=tmp_path / "run")
    assert run.history[0]["stage2"]["pseudo_labels"]["num_clusters"] >= 2
