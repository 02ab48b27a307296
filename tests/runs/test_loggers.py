"""The three loggers, for real: what they write is read back with their own readers. W&B offline, MLflow in a file."""

import importlib.util
import json
import os
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from iics.config import Settings
from iics.errors import SettingsError
from iics.runs.loggers import (
    LoggerStart,
    MlflowLogger,
    TensorBoardLogger,
    WandbLogger,
    check_loggers,
    flatten,
    histograms,
)
from iics.runs.record import RoundRecord
from iics.runs.rounds import resume, train


def record(number, loss=1.5, **changes):
    return RoundRecord.of(line(number, loss) | changes)


def line(number, loss=1.5):
    labels = {"num_clusters": 3, "size_counts": [[1, 2], [4, 1]], "pairwise_recall": None}
    return {
        "round": number,
        "stage1": {"loss": loss, "pseudo_labels": {"door": labels, "car park (2)": {"size_counts": [[2, 3]]}}},
        "stage2": {"loss": 2.5, "pseudo_labels": {"size_counts": [[5, 2]]}},
        "alpha": {"layer3.0.bn1": 0.25, "layer4.0.bn1": 0.75},
        "evaluation": {"mean_ap": 0.5},
    }


@pytest.fixture
def start(tmp_path):
    """Make what a logger of the run folder tmp_path/first is opened with."""

    def make(run_id=None, last_round=-1):
        (tmp_path / "first").mkdir(exist_ok=True)
        return LoggerStart(tmp_path / "first", Settings(seed=7), run_id, last_round)

    return make


def test_numbers_are_named_by_where_they_stand():
    assert dict(flatten(record(3))) == {
        "round": 3,
        "stage1/loss": 1.5,
        "stage1/pseudo_labels/door/num_clusters": 3,
        "stage2/loss": 2.5,
        "alpha/layer3.0.bn1": 0.25,
        "alpha/layer4.0.bn1": 0.75,
        "evaluation/mean_ap": 0.5,
    }


def test_histograms_hold_every_cluster_and_every_alpha():
    found = {name: values.tolist() for name, values in histograms(record(1)).items()}
    assert found == {
        "alphas": [0.25, 0.75],
        "stage1/cluster_sizes": [1, 1, 4, 2, 2, 2],
        "stage1/cluster_sizes/door": [1, 1, 4],
        "stage1/cluster_sizes/car park (2)": [2, 2, 2],
        "stage2/cluster_sizes": [5, 5],
    }


def test_any_stage_s_clusters_have_a_histogram():
    found = histograms(RoundRecord.of({"round": 1, "memory": {"pseudo_labels": {"size_counts": [[3, 2]]}}}))
    assert {name: values.tolist() for name, values in found.items()} == {"memory/cluster_sizes": [3, 3]}


def test_bytes_of_a_camera_that_are_no_letters_are_named_by_number():
    cameras = {"caf\udce9": {"num_clusters": 1, "size_counts": [[2, 1]]}}
    numbers = {"round": 1, "alpha": {}, "stage1": {"pseudo_labels": cameras}}
    numbers = RoundRecord.of(numbers)
    assert "stage1/pseudo_labels/caf\\udce9/num_clusters" in dict(flatten(numbers))
    assert "stage1/cluster_sizes/caf\\udce9" in histograms(numbers)


def test_round_without_stages_and_alphas_has_no_histogram():
    assert histograms(RoundRecord.of({"round": 0, "alpha": {}})) == {}


# --- Refused before a run starts


@pytest.mark.parametrize(("name", "package"), [("wandb", "wandb"), ("mlflow", "mlflow"), ("mlflow", "sqlalchemy")])
def test_logger_without_its_package_is_refused(monkeypatch, name, package):
    found = importlib.util.find_spec("json")
    monkeypatch.setattr(importlib.util, "find_spec", lambda asked: None if asked == package else found)
    with pytest.raises(SettingsError) as caught:
        check_loggers((name,))
    assert str(caught.value) == f"Logger {name} needs the package {package}: pip install 'iics[{name}]'."


def test_folder_named_like_the_package_is_no_package(monkeypatch, tmp_path):
    (tmp_path / "wandb").mkdir()  # W&B itself makes one where it works
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    with pytest.raises(SettingsError, match="needs the package wandb"):
        check_loggers(("wandb",))


def test_tensorboard_is_there():
    check_loggers(("tensorboard",))


# --- TensorBoard


def test_tensorboard_reads_scalars_alphas_and_histograms(start, tmp_path, read_events):
    logger = TensorBoardLogger(start())
    for number in (0, 1):
        logger.log_round(record(number, loss=number / 2))
    logger.close(is_finished=True)
    events = read_events(tmp_path / "first")
    assert [(scalar.step, scalar.value) for scalar in events.Scalars("stage1/loss")] == [(0, 0.0), (1, 0.5)]
    assert [scalar.value for scalar in events.Scalars("alpha/layer4.0.bn1")] == [0.75, 0.75]
    sizes = events.Histograms("stage1/cluster_sizes")[1]
    assert sizes.step == 1
    assert (sizes.histogram_value.min, sizes.histogram_value.max) == (1, 4)
    assert (sizes.histogram_value.num, sizes.histogram_value.sum) == (6, 12)
    limits, counts = np.array(sizes.histogram_value.bucket_limit), np.array(sizes.histogram_value.bucket)
    assert [counts[(limits > low) & (limits <= low + 1)].sum() for low in (0.5, 1.5, 3.5)] == [2, 3, 1]
    assert events.Histograms("alphas")[0].histogram_value.sum == 1.0


def test_tensorboard_round_written_by_a_killed_session_counts_once(start, tmp_path, read_events, monkeypatch):
    from tensorboard.summary.writer import event_file_writer

    # Files of one process and second are told apart, and read, by a count as text: 10 would come before 9.
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(0))
    killed = TensorBoardLogger(start())
    killed.log_round(record(0))
    killed.log_round(record(1, loss=9.0))
    killed.close(is_finished=False)
    again = TensorBoardLogger(start(last_round=0))
    again.log_round(record(1, loss=1.0))
    again.close(is_finished=True)
    events = read_events(tmp_path / "first")
    assert [(scalar.step, scalar.value) for scalar in events.Scalars("stage1/loss")] == [(0, 1.5), (1, 1.0)]
    assert [histogram.step for histogram in events.Histograms("alphas")] == [0, 1]


# --- Weights & Biases


@pytest.fixture
def wandb_offline(monkeypatch, tmp_path):
    pytest.importorskip("wandb")
    for name in ("WANDB_PROJECT", "WANDB_NAME", "WANDB_DIR", "WANDB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")


def wandb_records(file):
    """Return what a .wandb file holds: records in blocks of 32 KiB as in LevelDB's log, after a header of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, body, found = file.read_bytes(), 7, b"", []
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        body += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            found.append(Record.FromString(body))
            body = b""
    return found


def wandb_history(folder):
    """Return round and values of every step in every session of a run folder, oldest session first."""
    steps = []
    for file in sorted(folder.glob("wandb/offline-run-*/*.wandb"), key=lambda file: file.stat().st_mtime_ns):
        for entry in wandb_records(file):
            if entry.WhichOneof("record_type") == "history":
                items = {item.key or "/".join(item.nested_key): item.value_json for item in entry.history.item}
                steps.append((entry.history.step.num, {key: json.loads(value) for key, value in items.items()}))
    return steps


def test_wandb_run_goes_on_under_its_id_with_the_round_as_step(wandb_offline, start, tmp_path):
    first = WandbLogger(start())
    first.log_round(record(0))
    first.close(is_finished=False)
    second = WandbLogger(start(run_id=first.run_id, last_round=0))
    second.log_round(record(1, loss=0.25))
    second.close(is_finished=True)
    assert (second.run_id, second.last_round) == (first.run_id, 0)
    history = wandb_history(tmp_path / "first")
    assert [step for step, _ in history] == [0, 1]
    assert [values["stage1/loss"] for _, values in history] == [1.5, 0.25]
    assert history[1][1]["alpha/layer3.0.bn1"] == 0.25
    assert history[1][1]["stage1/cluster_sizes/_type"] == "histogram"
    assert sum(history[1][1]["stage1/cluster_sizes/values"]) == 6


def test_wandb_run_has_the_folders_name_the_project_and_the_settings(wandb_offline, start, tmp_path):
    logger = WandbLogger(start())
    logger.close(is_finished=True)
    (file,) = (tmp_path / "first").glob("wandb/offline-run-*/*.wandb")
    run = next(entry.run for entry in wandb_records(file) if entry.WhichOneof("record_type") == "run")
    assert (run.run_id, run.display_name, run.project) == (logger.run_id, "first", "iics")
    config = {update.key: json.loads(update.value_json) for update in run.config.update}
    assert config["seed"] == 7
    assert config["stage2"]["clusters"]["number"] == 800
    exit_codes = [entry.exit.exit_code for entry in wandb_records(file) if entry.WhichOneof("record_type") == "exit"]
    assert exit_codes == [0]


def test_wandb_obeys_its_environment(wandb_offline, start, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("WANDB_PROJECT", "people")
    monkeypatch.setenv("WANDB_NAME", "monday")
    WandbLogger(start()).close(is_finished=True)
    (file,) = (tmp_path / "elsewhere").glob("wandb/offline-run-*/*.wandb")
    run = next(entry.run for entry in wandb_records(file) if entry.WhichOneof("record_type") == "run")
    assert (run.display_name, run.project) == ("monday", "people")
    assert list((tmp_path / "first").iterdir()) == []


def test_wandb_online_holds_what_its_server_has(wandb_offline, start, monkeypatch):
    online = SimpleNamespace(id="abc", offline=False, starting_step=2)  # where the server would have it go on
    monkeypatch.setattr("wandb.init", lambda **arguments: online)
    assert WandbLogger(start(run_id="abc", last_round=5)).last_round == 1


@pytest.mark.slow
def test_wandb_offline_has_the_rounds_of_a_session_that_was_killed_later(wandb_offline, tmp_path):
    script = """
import os, pathlib, signal, time
from iics.config import Settings
from iics.runs.loggers import LoggerStart, WandbLogger

WandbLogger(LoggerStart(pathlib.Path.cwd(), Settings(), None, -1)).log_round({"round": 0, "alpha": {}, "score": 0.5})
time.sleep(3)
os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], env=environment, cwd=tmp_path, check=False)
    assert [(step, values["score"]) for step, values in wandb_history(tmp_path)] == [(0, 0.5)]


def test_wandb_offline_needs_no_key(wandb_offline):
    check_loggers(("wandb",))


def test_wandb_without_a_key_is_refused_and_asks_for_none(tmp_path):
    pytest.importorskip("wandb")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    environment |= {"HOME": str(tmp_path), "NETRC": str(tmp_path / "netrc"), "PYTHONPATH": os.pathsep.join(sys.path)}
    script = "from iics.runs.loggers import check_loggers; check_loggers(('wandb',))"
    finished = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.stderr.splitlines()[-1] == (
        "iics.errors.SettingsError: Logger wandb has no API key. Run `wandb login`, or set WANDB_MODE=offline and "
        "upload later with `wandb sync`."
    )


# --- MLflow


@pytest.fixture
def mlflow_client(monkeypatch, tmp_path):
    """Make a client of a store; nothing of the environment, nothing sent anywhere."""
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tmp_path)  # where it would put what it puts beside a store

    def make(database: Path):
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=f"sqlite:///{database}")

    return make


def history_of(client, run_id, name):
    return [(metric.step, metric.value) for metric in client.get_metric_history(run_id, name)]


def test_mlflow_run_goes_on_under_its_id_with_the_round_as_step(mlflow_client, start, tmp_path):
    first = MlflowLogger(start())
    first.log_round(record(0))
    first.close(is_finished=False)
    client = mlflow_client(tmp_path / "first" / "mlflow.db")
    run = client.get_run(first.run_id)
    assert (run.info.run_name, run.info.status) == ("first", "KILLED")
    assert client.get_experiment(run.info.experiment_id).name == "iics"
    assert run.data.params["seed"] == "7"
    assert run.data.params["stage2.clusters.number"] == "800"
    second = MlflowLogger(start(run_id=first.run_id, last_round=0))
    assert client.get_run(first.run_id).info.status == "RUNNING"
    second.log_round(record(1, loss=0.25))
    second.close(is_finished=True)
    assert client.get_run(first.run_id).info.status == "FINISHED"
    assert history_of(client, first.run_id, "stage1/loss") == [(0, 1.5), (1, 0.25)]
    assert history_of(client, first.run_id, "alpha/layer4.0.bn1") == [(0, 0.75), (1, 0.75)]
    assert len(client.search_runs([run.info.experiment_id])) == 1


def test_mlflow_knows_the_rounds_that_a_killed_session_stored(mlflow_client, start):
    killed = MlflowLogger(start())
    killed.log_round(record(0))
    killed.log_round(record(1))
    assert MlflowLogger(start(run_id=killed.run_id, last_round=0)).last_round == 1


def test_mlflow_obeys_its_environment(mlflow_client, start, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'all.db'}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "people")
    logger = MlflowLogger(start())
    run = mlflow_client(tmp_path / "all.db").get_run(logger.run_id)
    assert mlflow_client(tmp_path / "all.db").get_experiment(run.info.experiment_id).name == "people"
    assert list((tmp_path / "first").iterdir()) == []


def test_mlflow_takes_cameras_of_any_name(mlflow_client, start, tmp_path):
    odd = line(1)
    odd["stage1"]["pseudo_labels"] = {"car park (2) @north": {"num_clusters": 3, "size_counts": [[2, 3]]}}
    logger = MlflowLogger(start())
    logger.log_round(RoundRecord.of(odd))
    client = mlflow_client(tmp_path / "first" / "mlflow.db")
    name = "stage1/pseudo_labels/car park _2_ _north/num_clusters"
    assert history_of(client, logger.run_id, name) == [(1, 3)]


def test_more_metrics_than_mlflow_takes_at_once_arrive(mlflow_client, start, tmp_path):
    logger = MlflowLogger(start())
    logger.log_round(record(1, alpha={f"layer{number}": 0.5 for number in range(1100)}))
    client = mlflow_client(tmp_path / "first" / "mlflow.db")
    assert len(client.get_run(logger.run_id).data.metrics) == 1105


# --- All of them


@pytest.mark.slow
def test_run_that_was_stopped_and_resumed_is_one_run_with_each_round_once(
    wandb_offline, mlflow_client, people, tiny_settings, tmp_path, read_events
):
    def stop(event):
        if (event.round_number, event.phase) == (2, "stage 2: train"):
            raise KeyboardInterrupt

    settings, folder = replace(tiny_settings, loggers=("tensorboard", "wandb", "mlflow")), tmp_path / "run"
    evaluate = {"after_round": lambda model, round_number: {"score": round_number}}
    with pytest.raises(KeyboardInterrupt):
        train(people.train, settings=settings, out=folder, progress=stop, **evaluate)
    client = mlflow_client(folder / "mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'iics'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "KILLED"
    resume(folder, people.train, **evaluate)
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert history_of(client, run.info.run_id, "evaluation/score") == [(0, 0), (1, 1), (2, 2)]
    assert [step for step, _ in wandb_history(folder)] == [0, 1, 2]
    assert len({file.name for file in folder.glob("wandb/offline-run-*/*.wandb")}) == 1  # sessions of one run id
    assert [scalar.step for scalar in read_events(folder).Scalars("evaluation/score")] == [0, 1, 2]
