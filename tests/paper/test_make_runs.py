"""Runs are made once, used again, gone on with, and fail alone."""

import json
import logging
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

from iics.errors import RunFolderError, SettingsError, TrainingError
from iics.paper.make_runs import make_runs
from iics.paper.planned_runs import PlannedRun, plan_rows
from iics.paper.run_store import RunStore
from iics.paper.study import Study
from iics.runs.run_folder import RunFolder


@pytest.fixture(scope="module")
def study(people, tiny_settings):
    settings = replace(tiny_settings, rounds=1, loggers=())
    return Study("quick", settings, replace(settings, method="supervised"), people, replace(people, name="elsewhere"))


@pytest.fixture(scope="module")
def runs(study):
    """Stage 1 alone and, of Table 3, AIBN: the quickest runs there are."""
    return [
        plan_rows("table1", study, num_seeds=1)[0].runs[0],
        plan_rows("table3", study, num_seeds=1)[1].runs[0],
    ]


@pytest.fixture(scope="module")
def made(runs, tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("reproduced") / "runs")
    started = []
    failures = make_runs(
        runs,
        store,
        source_of=lambda run: {"data": "people"},
        before_run=lambda run, place: started.append((place, run.name)),
    )
    assert failures == {}
    assert started == [(1, runs[0].name), (2, runs[1].name)]
    return store


def fail(*arguments, **named):
    raise AssertionError("trained again")


def test_finished_runs_are_ordinary_run_folders_with_scores(made, runs):
    for run in runs:
        assert made.state(run) == "finished"
        assert made.seconds(run) > 0
        assert 0 < made.scores(run)["mean_ap"] <= 1
        source = RunFolder.open(made.folder(run)).source()
        assert (source["data"], source["evaluate"], source["crops"]) == ("people", "end", "people train")


def test_runs_hold_a_report_with_ranked_lists_and_pairs_of_cameras(made, runs):
    for run in runs:
        page = (made.folder(run) / "report.html").read_text()
        assert "Ranked lists" in page
        assert "by pair of cameras" in page


def test_only_the_last_round_is_measured(made, runs):
    lines = (made.folder(runs[0]) / "metrics.jsonl").read_text().splitlines()
    assert [bool(json.loads(line)["evaluation"]) for line in lines] == [False, True]


def test_a_run_of_table_3_is_measured_on_both_sides(made, runs):
    scores = made.scores(runs[1])
    # The other side is the same people under another name here.
    assert scores["other_mean_ap"] == scores["mean_ap"]
    assert "other_mean_ap" not in made.scores(runs[0])


def test_finished_runs_are_not_made_again(made, runs, monkeypatch):
    monkeypatch.setattr(RunStore, "make", fail)
    told = []
    assert make_runs(runs, made, source_of=lambda run: {}, after_run=told.append) == {}
    assert told == []


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_scores_of_the_unbroken_one(made, runs, tmp_path):
    store, run = RunStore(tmp_path), runs[0]

    class Stopped(BaseException):
        pass

    def stop(event):
        if event.phase == "stage 1: train":
            raise Stopped

    with pytest.raises(Stopped):
        make_runs([run], store, source_of=lambda run: {}, display=lambda: nullcontext(stop))
    assert store.state(run) == "started"
    assert make_runs([run], store, source_of=lambda run: {}) == {}
    assert store.scores(run) == made.scores(run)


def test_a_run_that_fails_does_not_stop_the_others(runs, tmp_path, monkeypatch):
    made, told = [], []

    def make(store, run, **_):
        made.append(run.name)
        if run is runs[0]:
            raise TrainingError("All crops are of camera 1.")

    monkeypatch.setattr(RunStore, "make", make)
    failures = make_runs(
        runs, RunStore(tmp_path), source_of=lambda run: {}, after_run=lambda now: told.append(dict(now))
    )
    assert failures == {runs[0].name: "All crops are of camera 1."}
    assert made == [run.name for run in runs]
    assert told == [failures, failures]


def test_crops_that_cannot_be_trained_on_fail_with_their_reason_and_leave_no_folder(study, tmp_path):
    one_crop_a_camera = study.splits.train.subset(np.unique(study.splits.train.camera_ids, return_index=True)[1])
    run = PlannedRun("few", study.settings, one_crop_a_camera, (study.splits,))
    failures = make_runs([run], RunStore(tmp_path), source_of=lambda run: {})
    assert failures["few"].startswith("No camera has 2 crops or more;")
    assert RunStore(tmp_path).state(run) == "to do"


def test_a_run_that_fails_by_a_bug_is_named_and_its_traceback_kept(runs, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(RunStore, "make", lambda *arguments, **named: 1 / 0)
    with caplog.at_level(logging.ERROR):
        failures = make_runs([runs[0]], RunStore(tmp_path), source_of=lambda run: {})
    assert failures == {runs[0].name: "ZeroDivisionError: division by zero"}
    assert caplog.records[0].exc_info is not None


def test_a_test_set_without_a_match_fails_before_training(study, tmp_path):
    splits = study.splits
    strangers = replace(splits.gallery, identity_ids=splits.gallery.identity_ids + 100)
    run = PlannedRun("strangers", study.settings, splits.train, (splits, replace(splits, gallery=strangers)))
    failures = make_runs([run], RunStore(tmp_path), source_of=lambda run: {})
    assert failures["strangers"].startswith("None of 9 queries has a valid match among 18 gallery crops")
    assert not (tmp_path / "strangers").exists()


def test_damaged_metrics_are_named(runs, tmp_path):
    (tmp_path / runs[0].name).mkdir()
    (tmp_path / runs[0].name / "metrics.jsonl").write_text('{"round": 1')
    with pytest.raises(
        RunFolderError, match=r"metrics\.jsonl, line 1, is no valid JSON.* or delete it: iics train --resume"
    ):
        RunStore(tmp_path).scores(runs[0])


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (lambda record: record.pop("evaluation"), "evaluation"),
        (lambda record: record["evaluation"].pop("mean_ap"), "mean_ap"),
        (lambda record: record["evaluation"].pop("other_mean_ap"), "other_mean_ap"),
        (lambda record: record["evaluation"].update(rank5="high"), "rank5"),
        (lambda record: record["evaluation"].update(mean_ap=True), "mean_ap"),
    ],
)
def test_a_finished_run_without_its_scores_is_named(made, runs, tmp_path, damage, name):
    run, folder = runs[1], tmp_path / runs[1].name
    *before, last = (made.folder(run) / "metrics.jsonl").read_text().splitlines()
    record = json.loads(last)
    damage(record)
    folder.mkdir()
    (folder / "metrics.jsonl").write_text("\n".join([*before, json.dumps(record)]) + "\n")
    with pytest.raises(RunFolderError, match=rf"{folder}/metrics\.jsonl, last line, has no number at {name}, where"):
        RunStore(tmp_path).scores(run)


def test_several_processes_are_refused(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SettingsError, match="runs in one process; start it without torchrun"):
        make_runs(runs, RunStore(tmp_path), source_of=lambda run: {})


def test_one_process_at_a_time_makes_runs_in_a_folder(tmp_path):
    refused = pytest.raises(RunFolderError, match=r"Another process is making runs in .*runs\. Wait for it")
    with RunStore(tmp_path / "runs").alone(), refused, RunStore(tmp_path / "runs").alone():
        pass
    with RunStore(tmp_path / "runs").alone():
        pass
