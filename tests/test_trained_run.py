"""A run folder holds a report whenever a round is recorded, and a report that fails ends no run."""

import logging
from dataclasses import replace

import pytest

import iics
from iics import trained_run as reported_training
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


def test_resuming_reports_what_follows_and_a_fault_of_the_report_ends_no_run(stopped, people, monkeypatch, caplog):
    def fail(folder):
        raise ZeroDivisionError("no page today")

    (stopped / "report.html").unlink()
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(reported_training, "write_report", fail)
        run = iics.resume(stopped, people.train)
    assert run.history[-1]["round"] == 2
    assert f"The report of {stopped} was not written (ZeroDivisionError: no page today)." in caplog.text
    reported_training.keep_report(stopped)
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
