"""From Python as from the command line: rounds are measured, reported, and the model is calibrated in the end."""

import io
import json
import logging
from dataclasses import replace

import pytest

import iics
from iics import trained_run
from iics.errors import DataError
from iics.reports.pictures import run_figures
from iics.reports.told_run import ToldRun
from iics.runs import rounds
from iics.training.losses import LOSSES, ClassifierAndTriplet


class Stopped(BaseException):
    """Nothing catches it, as nothing catches a killed process."""


@pytest.fixture(scope="module")
def stopped(people, tiny_settings, tmp_path_factory):
    """A run of two rounds, stopped in the second."""
    out = tmp_path_factory.mktemp("stopped") / "run"

    def stop(event):
        if event.round_number == 2 and event.phase == "stage 1: train":
            raise Stopped

    settings = replace(tiny_settings, stages="stage1", rounds=2, loggers=())
    with pytest.raises(Stopped):
        iics.train(people.train, settings=settings, out=out, progress=stop)
    return out


def test_a_stopped_run_has_a_report_of_its_rounds(stopped):
    assert "round 1 of 2 (not finished)." in (stopped / "report.html").read_text()
    assert not (stopped / "model.md").exists()  # written when training ends


def test_resuming_reports_what_follows_and_a_fault_of_the_report_ends_no_run(stopped, people, monkeypatch, caplog):
    def fail(folder):
        raise ZeroDivisionError("no page today")

    (stopped / "report.html").unlink()
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(trained_run, "write_report", fail)
        run = iics.resume(stopped, people.train)
    assert run.history[-1]["round"] == 2
    assert (stopped / "model.md").exists()
    assert f"The report of {stopped} was not written (ZeroDivisionError: no page today)." in caplog.text
    trained_run.keep_report(stopped)
    assert "round 2 of 2." in (stopped / "report.html").read_text()


def test_records_are_told_of_once_written_and_not_before_training(people, tiny_settings, tmp_path):
    told = []
    settings = replace(tiny_settings, stages="stage1", rounds=2, loggers=())
    rounds.train(
        people.train,
        settings=settings,
        out=tmp_path / "run",
        after_round=lambda model, round_number: {},
        after_record=lambda folder: told.append(len((folder / "metrics.jsonl").read_text().splitlines())),
    )
    assert told == [2, 3]  # the first line is that of round 0


# --- query and gallery


@pytest.fixture(scope="module")
def measured(people, tiny_settings, tmp_path_factory):
    """A run of one round that is measured, with its folder."""
    out = tmp_path_factory.mktemp("measured") / "run"
    settings = replace(tiny_settings, rounds=1, loggers=())
    run = iics.train(people.train, settings=settings, out=out, query=people.query, gallery=people.gallery)
    return out, run


def test_query_and_gallery_are_measured_before_training_and_after_every_round(measured):
    records = [json.loads(line) for line in (measured[0] / "metrics.jsonl").read_text().splitlines()]
    assert [record["round"] for record in records] == [0, 1]
    assert all(0 < record["evaluation"]["mean_ap"] <= 1 for record in records)


def test_a_measured_run_leaves_rankings_a_card_and_a_calibrated_model(measured):
    out, run = measured
    assert all((out / name).exists() for name in ("contact_sheet.png", "camera_pairs.json", "model.md", "report.html"))
    assert iics.load_model(out / "model.safetensors").header.match_thresholds == run.model.header.match_thresholds
    assert run.model.header.match_thresholds.split == "query against gallery"


def test_a_finished_run_is_compared_with_the_query_it_was_measured_on(measured, people):
    out, _ = measured
    same = iics.resume(out, people.train, query=people.query, gallery=people.gallery)
    assert same.model.header.match_thresholds is not None
    with pytest.raises(iics.IicsError, match="are not the same"):
        iics.resume(out, people.train, query=people.gallery, gallery=people.query)


@pytest.mark.usefixtures("unreported")
@pytest.mark.parametrize(("when", "expected"), [("end", [True, False, True]), ("never", [])])
def test_a_run_is_measured_when_it_is_asked_to(people, tiny_settings, tmp_path, when, expected):
    settings = replace(tiny_settings, stages="stage1", rounds=2, loggers=())
    splits = people.query, people.gallery
    run = iics.train(
        people.train, settings=settings, out=tmp_path / "run", query=splits[0], gallery=splits[1], evaluate=when
    )
    measured = [
        json.loads(line)["evaluation"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    ]
    assert ([bool(values) for values in measured] if when != "never" else [v for v in measured if v]) == expected
    assert (tmp_path / "run" / "camera_pairs.json").exists() == (when != "never")
    assert (run.model.header.match_thresholds is None) == (when == "never")


@pytest.mark.usefixtures("unreported")
def test_what_the_caller_measures_stands_beside_the_scores(people, tiny_settings, tmp_path):
    def own(model, round_number):
        return {"own": round_number} if round_number else None

    settings = replace(tiny_settings, stages="stage1", rounds=1, loggers=())
    tests = {"query": people.query, "gallery": people.gallery}
    iics.train(people.train, settings=settings, out=tmp_path / "run", **tests, after_round=own)
    before, after = map(json.loads, (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    assert "own" not in before["evaluation"]
    assert after["evaluation"]["own"] == 1
    assert 0 < after["evaluation"]["mean_ap"] <= 1


def test_a_query_without_a_gallery_is_refused(people, tiny_settings, tmp_path):
    with pytest.raises(iics.IicsError) as caught:
        iics.train(people.train, settings=tiny_settings, out=tmp_path / "run", query=people.query)
    assert str(caught.value) == "There is a query and no gallery; one is searched in the other. Give both or none."


def test_a_gallery_without_identities_is_refused(people, tiny_settings, tmp_path):
    nameless = people.gallery.without_identities()
    with pytest.raises(iics.IicsError, match=r"has no identities to measure against\. Leave out both\."):
        iics.train(people.train, settings=tiny_settings, out=tmp_path / "run", query=people.query, gallery=nameless)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("unreported")
def test_progress_is_shown_on_request(people, tiny_settings, tmp_path, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    settings = replace(tiny_settings, stages="stage1", rounds=1, loggers=())
    iics.train(people.train, settings=settings, out=tmp_path / "run", progress=True)
    assert "round 1/1  stage 1: train" in shown.getvalue()


def test_whatever_is_measured_and_whenever_there_is_a_report_and_a_card(people, tiny_settings, tmp_path, caplog):
    measured = [
        None,
        {},
        {"rank1": 0.5},
        {"by_camera": {"door": {"rank1": 0.25}}, "note": "words", "is_best": True},
        {"mean_ap": float("nan"), "rank5": "high", "rank10": [0.5, 0.75], "rank1": 0.75},
    ]
    settings = replace(tiny_settings, stages="stage1", rounds=4, loggers=())
    with caplog.at_level(logging.WARNING):
        run = iics.train(
            people.train,
            settings=settings,
            out=tmp_path / "run",
            after_round=lambda model, round_number: measured[round_number],
        )
    assert "was not written" not in caplog.text
    assert [record["evaluation"] for record in run.history][:4] == [{}, *measured[1:4]]
    assert "rank-1</dt><dd>75.0 %" in (run.folder / "report.html").read_text()
    assert "| after round 4 | - | 75.0 | - | - | - |" in (run.folder / "model.md").read_text()


@pytest.mark.usefixtures("unreported")
def test_what_a_loss_names_is_recorded_and_drawn(people, tiny_settings, tmp_path, monkeypatch):
    class WithTerms(ClassifierAndTriplet):
        def forward(self, features, labels, crop_ids):
            terms = super().forward(features, labels, crop_ids)
            return {**terms, "spread": features.var(dim=0).mean(), "empty": features.new_tensor(float("nan"))}

    def with_terms(num_features, num_labels, settings, generator):
        weights = {"triplet_weight": settings.triplet_weight, "triplet_margin": settings.triplet_margin}
        return WithTerms(num_features, num_labels, generator=generator, **weights)

    monkeypatch.setitem(LOSSES, "with-terms", with_terms)
    stage2 = replace(tiny_settings.stage2, similarity="cnn", loss="with-terms")
    settings = replace(tiny_settings, stages="stage2", stage2=stage2, rounds=1, loggers=())
    run = iics.train(people.train, settings=settings, out=tmp_path / "run")
    (record,) = run.history
    assert record["stage2"]["spread"] > 0
    assert record["stage2"]["empty"] is None
    assert ToldRun.read(run.folder).records[0].term("stage2", "spread") == record["stage2"]["spread"]
    (picture,) = [one for one in run_figures(ToldRun.read(run.folder)) if one.title == "Other terms by round"]
    assert picture.figure.axes[0].get_legend_handles_labels()[1] == ["stage 2, spread"]


def test_data_in_place_of_its_crops_is_refused_with_the_way_out(people, tiny_settings, tmp_path):
    with pytest.raises(
        DataError, match=r"^What is trained on is one split of .*; it has \.train, \.query, \.gallery\.$"
    ):
        iics.train(people, settings=tiny_settings, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
