"""A run without identities judges itself: numbers before and after, pictures of its crops, a report that shows them."""

import json
import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import iics
from iics import judged_run, trained_run
from iics.evaluation.across_cameras import across_cameras
from iics.judged_run import judge, labels_of
from iics.reports.judgement_file import CLUSTER_SHEET, JUDGEMENT, MATCH_SHEET, Judgement
from iics.reports.report import write_report
from iics.runs.rounds import starting_model


@pytest.fixture(scope="module")
def crops(people):
    return people.train.without_identities()


@pytest.fixture(scope="module")
def finished(crops, tiny_settings, tmp_path_factory):
    """A run of one round without identities."""
    out = tmp_path_factory.mktemp("judged") / "run"
    return iics.train(crops, settings=replace(tiny_settings, rounds=1, loggers=()), out=out)


@pytest.fixture
def copied(finished, tmp_path):
    """The same run in a folder that may be changed, not judged yet."""
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    for name in (JUDGEMENT, CLUSTER_SHEET, MATCH_SHEET):
        (folder / name).unlink()
    return replace(finished, folder=folder)


def test_the_numbers_are_those_of_the_first_and_the_last_model(finished, crops, tiny_settings):
    judgement = Judgement.read(finished.folder)
    settings = replace(tiny_settings, rounds=1, loggers=())
    assert judgement.round_number == 1
    for model, found in ((starting_model(settings), judgement.before), (finished.model, judgement.after)):
        assert vars(found) == pytest.approx(vars(across_cameras(model.embed(crops), crops)), abs=0.02)


def test_the_report_shows_the_pictures_without_the_crops(copied, finished):
    for name in (JUDGEMENT, CLUSTER_SHEET, MATCH_SHEET):
        shutil.copy(finished.folder / name, copied.folder)
    (copied.folder / "crops.csv").unlink()
    page = write_report(copied.folder).read_text()
    assert page.count("data:image/jpeg") == 2
    for text in ("match score", "Clusters of the last round", "Matches across cameras", "before training"):
        assert text in page
    assert "data:image/jpeg" in (finished.folder / "report.html").read_text()  # by training itself


def test_pictures_are_small(finished):
    for name in (CLUSTER_SHEET, MATCH_SHEET):
        with Image.open(finished.folder / name) as picture:
            assert picture.width < 1200
        assert (finished.folder / name).stat().st_size < 300_000


def test_a_judged_run_is_not_judged_again(finished, crops, monkeypatch):
    monkeypatch.setattr(judged_run, "across_cameras", None)
    judge(finished, crops)


def test_without_the_first_weights_only_the_trained_model_is_told_of(copied, crops, monkeypatch, caplog):
    def gone(settings):
        raise iics.IicsError("the weights are gone")

    monkeypatch.setattr(judged_run, "starting_model", gone)
    with caplog.at_level(logging.WARNING):
        judge(copied, crops)
    assert Judgement.read(copied.folder).before is None
    assert "will not show what was before training: the weights are gone" in caplog.text
    assert (copied.folder / MATCH_SHEET).is_file()


def test_crops_that_were_moved_end_no_run_and_the_report_says_so(copied, crops, monkeypatch, caplog):
    moved = replace(crops, paths=tuple(path.with_name(f"moved-{path.name}") for path in crops.paths))
    with caplog.at_level(logging.WARNING):
        trained_run._look_at_crops(copied, moved)
    assert f"The report of {copied.folder} has no pictures of its crops (" in caplog.text
    assert "moved-" in caplog.text
    assert (
        "Matches across cameras are judged, and crops shown, when training ends."
        in (copied.folder / "report.html").read_text()
    )


def test_clusters_are_found_by_path(finished, crops):
    labels = labels_of(finished.folder, 1, crops)
    assert labels.shape == (len(crops),)
    backwards = crops.subset(np.arange(len(crops))[::-1])
    assert labels_of(finished.folder, 1, backwards).tolist() == labels[::-1].tolist()
    others = replace(crops, paths=tuple(path.with_name(f"moved-{path.name}") for path in crops.paths))
    assert labels_of(finished.folder, 1, others) is None
    assert labels_of(finished.folder, 2, crops) is None


def test_an_unmeasured_run_still_has_no_scores(finished):
    (line,) = (finished.folder / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["evaluation"] == {}
