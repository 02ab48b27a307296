"""Runs of cluster-contrast and camera-proxies from start to end: what they leave, and that resuming changes nothing."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from iics.config import ClusterSettings
from iics.errors import TrainingError
from iics.methods.adam import AdamSettings
from iics.methods.camera_proxies.method import CameraProxiesSettings
from iics.methods.cluster_contrast.method import ClusterContrastSettings
from iics.methods.density_labels import LabelSettings
from iics.methods.density_round import RoundSettings
from iics.models.reid_model import load_model
from iics.reports.report import write_report
from iics.runs.rounds import resume, train
from iics.runs.run_folder import RunFolder

LABELS = LabelSettings(distance="jaccard", k1=8, k2=3, clusters=ClusterSettings(rule="density", eps=0.6, min_crops=3))
SHARED = {
    "labels": LABELS,
    "work": RoundSettings(epochs=1, clusters_per_batch=3, crops_per_cluster=4),
    "rates": AdamSettings(warmup_rounds=0.5, decay_rounds=1),
}
OWN = {"cluster-contrast": ClusterContrastSettings(**SHARED), "camera-proxies": CameraProxiesSettings(**SHARED)}
STAGE = {"cluster-contrast": "contrast", "camera-proxies": "proxies"}
TERMS = {
    "cluster-contrast": {"loss", "accuracy"},
    "camera-proxies": {"loss", "accuracy", "intra_camera", "proxies"},
}


@pytest.fixture(scope="module", params=["cluster-contrast", "camera-proxies"])
def method(request):
    return request.param


@pytest.fixture(scope="module")
def settings(method, tiny_settings):
    """Two rounds, with GeM pooling and a neck."""
    model = replace(tiny_settings.model, pooling="gem", neck="batchnorm")
    return replace(tiny_settings, method=method, own=OWN[method], model=model)


@pytest.fixture(scope="module")
def finished(people, settings, tmp_path_factory):
    """A run without a break, and its folder as it was when round 2 began."""
    root = tmp_path_factory.mktemp("density")

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


def same_optimisers(first, second):
    """Compare Adam's moments in the newest checkpoints, bit by bit."""
    one, other = (RunFolder.open(folder).latest_checkpoint().state["optimiser"] for folder in (first, second))
    assert len(one["state"]) > 20
    return one["param_groups"] == other["param_groups"] and all(
        torch.equal(value, other["state"][at][name])
        for at, held in one["state"].items()
        for name, value in held.items()
    )


def test_metrics_table_and_report_tell_of_the_stage(finished, method, people, tmp_path):
    run, _ = finished
    stage = STAGE[method]
    assert [record["round"] for record in run.history] == [0, 1, 2]
    for record in run.history[1:]:
        found = record[stage]
        assert found.keys() - {"stability"} == TERMS[method] | {"num_steps", "pseudo_labels", "similarity"}
        sizes = sum(size * count for size, count in found["pseudo_labels"]["size_counts"])
        assert found["pseudo_labels"]["labelled_share"] == pytest.approx(sizes / len(people.train))
        assert all(np.isfinite(found[name]) for name in TERMS[method])
    header = (run.folder / "pseudo_labels" / "round-002.csv").read_text().splitlines()[0]
    assert f"{stage}_cluster" in header
    assert "labelled %" in write_report(run.folder, out=tmp_path / "report.html").read_text()


def test_the_model_file_keeps_pooling_and_neck(finished, people):
    run, _ = finished
    model = load_model(run.folder / "model.safetensors")
    np.testing.assert_array_equal(model.embed(people.query), run.model.embed(people.query))
    assert model.backbone.state_dict()["global_pool.p"].item() != 3


def test_run_stopped_between_rounds_resumes_to_the_same_result(
    finished, people, tmp_path, without_seconds, read_metrics, same_weights
):
    run, at_round_2 = finished
    folder = shutil.copytree(at_round_2, tmp_path / "run")
    torch.manual_seed(99)
    resumed = resume(folder, people.train, after_round=lambda model, round_number: {"score": round_number})
    assert without_seconds(resumed.history) == without_seconds(run.history)
    assert read_metrics(folder) == resumed.history
    assert same_weights(folder, run.folder)
    assert same_optimisers(folder, run.folder)


def test_run_stopped_within_round_2_resumes_to_the_same_result(
    finished, method, people, settings, tmp_path, same_weights
):
    run, _ = finished

    def stop(event):
        if (event.round_number, event.phase, event.done) == (2, f"{STAGE[method]}: train", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(people.train, settings=settings, out=tmp_path / "run", progress=stop)
    resume(tmp_path / "run", people.train)
    assert same_weights(tmp_path / "run", run.folder)
    assert same_optimisers(tmp_path / "run", run.folder)


def test_crops_without_clusters_are_refused_with_a_way_out(people, settings, tmp_path):
    labels = replace(LABELS, clusters=ClusterSettings(rule="density", eps=0.01, min_crops=20))
    settings = replace(settings, own=replace(settings.own, labels=labels))
    with pytest.raises(
        TrainingError, match=r"There is no cluster of 54 crops; training needs at least 2\. Raise .*eps"
    ):
        train(people.train, settings=settings, out=tmp_path / "run")
