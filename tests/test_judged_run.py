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
from iics.models.reid_model import ReidModel
from iics.pixels.images import load_pixels
from iics.reports.judgement_file import CLUSTER_SHEET, JUDGEMENT, MATCH_SHEET, MISTAKE_SHEET, Judgement
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


def test_where_identities_are_known_the_mistakes_of_labels_are_shown(copied, finished, people):
    table = copied.folder / "pseudo_labels/round-001.csv"
    head, *lines = table.read_text().splitlines()
    table.write_text("\n".join([head, *(line.rsplit(",", 1)[0] + ",0" for line in lines)]) + "\n")
    judge(copied, people.train)
    assert not (finished.folder / MISTAKE_SHEET).exists()
    assert (copied.folder / MISTAKE_SHEET).stat().st_size < 300_000
    assert "What the labels get wrong" in write_report(copied.folder).read_text()
    assert vars(Judgement.read(copied.folder).after) == vars(Judgement.read(finished.folder).after)


def test_pictures_are_small(finished):
    for name in (CLUSTER_SHEET, MATCH_SHEET):
        with Image.open(finished.folder / name) as picture:
            assert picture.width < 1200
        assert (finished.folder / name).stat().st_size < 300_000


def test_pixels_that_training_had_are_not_decoded_again(copied, finished, crops, monkeypatch):
    header, embed, seen = finished.model.header, ReidModel.embed, []

    def watched(model, images, **options):
        seen.append(type(images))
        return embed(model, images, **options)

    monkeypatch.setattr(ReidModel, "embed", watched)
    order = np.random.default_rng(0).permutation(len(crops))
    pixels = load_pixels(crops, height=header.height, width=header.width)
    judge(replace(copied, decoded=(crops.subset(order), pixels[order])), crops)
    assert set(seen) == {np.ndarray}
    before, after = (vars(Judgement.read(run.folder).after) for run in (finished, copied))
    assert after == pytest.approx(before, abs=1e-3)


def test_of_one_camera_clusters_alone_are_shown(copied, crops):
    judge(copied, crops.subset(crops.camera_ids == 0))
    assert [(copied.folder / name).exists() for name in (JUDGEMENT, CLUSTER_SHEET, MATCH_SHEET)] == [False, True, False]


@pytest.mark.slow
def test_one_camera_is_trained_measured_and_told_of(people, tiny_settings, tmp_path, caplog):
    alone, tested = (crops.subset(crops.camera_ids == 0) for crops in (people.train, people.gallery))
    settings = replace(tiny_settings, rounds=1, loggers=())
    run = iics.train(alone, settings=settings, out=tmp_path / "run", query=tested, gallery=tested)
    assert "are of one camera, so rounds are stage 1 alone" in caplog.text
    assert json.loads((run.folder / "settings.json").read_text())["stages"] == "stage1"
    assert run.history[-1]["evaluation"]["within_camera"] == 1
    assert not (run.folder / "camera_pairs.json").exists()
    assert (run.folder / CLUSTER_SHEET).is_file()
    page, card = ((run.folder / name).read_text() for name in ("report.html", "model.md"))
    assert "All crops are of one camera" in page
    assert "camera mix" not in page
    assert "Within one camera (protocol same-camera)" in card
    assert run.model.header.match_thresholds.calibration == "identities in one camera"
    assert [record["round"] for record in iics.resume(run.folder, alone, query=tested, gallery=tested).history] == [
        0,
        1,
    ]


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
