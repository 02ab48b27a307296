"""A run folder holds a report whenever a round is recorded, and a report that fails ends no run."""

import logging
from dataclasses import replace

import pytest

import iics
from iics import trained_run as reported_training
from iics.runs import rounds


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
        patch.setattr(reported_training, "write_report", fail)
        run = iics.resume(stopped, people.train)
    assert run.history[-1]["round"] == 2
    assert (stopped / "model.md").exists()
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
