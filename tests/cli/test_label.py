"""`iics label` without its page: pairs are drawn, a program answers them, and what cannot be used is refused."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch

from iics.evaluation.answers import read_answers
from iics.evaluation.marks import read_marks
from iics.models.model_file import read_header
from iics.models.reid_model import create_model


@pytest.fixture
def cameras(folder_people, tmp_path):
    """54 crops of three cameras; a file's name begins with its person."""
    return shutil.copytree(folder_people, tmp_path / "cameras")


@pytest.fixture
def model_file(tiny_settings, tmp_path):
    torch.manual_seed(0)
    create_model(tiny_settings.model, device=torch.device("cpu")).save(tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


@pytest.fixture
def run(tiny_settings, model_file, cameras, tmp_path):
    """A run on the crops, as training leaves it."""
    from iics.models.reid_model import load_model
    from iics.readers.folders import load_folder
    from iics.runs.run_crops import RunCrops
    from iics.runs.run_folder import RunFolder
    from iics.runs.same_pictures import digests_of

    crops = load_folder(cameras).train
    pictures = RunCrops.of({"train": (crops, digests_of(crops, tiny_settings))})
    source = {"data": "folder", "data_dir": str(cameras)}
    folder = RunFolder.create(tmp_path / "run", settings=tiny_settings, crops=crops, source=source, pictures=pictures)
    folder.save_model(load_model(model_file))
    return tmp_path / "run"


def draw(iics, *asked):
    finished = iics("label", *asked, "--draw-only")
    assert finished.code == 0, finished.stderr
    return Path(finished.stdout.split(": fill in")[0])


def fill(table, said=lambda row: "yes" if person(row["first"]) == person(row["second"]) else "no"):
    """Answer the pairs of a table as a program does."""
    with table.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    for row in rows:
        row["answer"] = said(row)
    with table.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def person(place):
    return Path(place).name[0]


def test_a_program_answers_and_the_model_is_calibrated(iics, model_file, cameras, tmp_path):
    data = "folder", "--data-dir", cameras
    table = draw(iics, model_file, *data)
    assert table == tmp_path / "mine_label_answers.csv"
    fill(table)
    found = iics("label", model_file, *data, "--answers", table, "--json")
    assert found.code == 0, found.stderr
    result = json.loads(found.stdout)
    different = len({pair.crops for pair in read_answers(table)})  # of 50 that are drawn; of few crops, some twice
    assert (result["num_pairs"], result["num_answered"]) == (different, different)
    assert result["rank_one"]["low"] < result["rank_one"]["share"] <= result["rank_one"]["high"]
    thresholds = read_header(model_file).match_thresholds
    assert (thresholds.calibration, thresholds.is_trained_on) == ("answers", None)
    assert [at.similarity for at in thresholds.thresholds] == [
        at["similarity"] for at in result["match_thresholds"]["thresholds"]
    ]
    marks = tmp_path / "mine_label_marks.csv"
    assert len(read_marks(marks)) == 25
    told = iics("evaluate", model_file, "--marks", marks, "--json")
    right = result["rank_one"]["num_yes"]
    assert json.loads(told.stdout)["by_rank"][0]["precision"] == pytest.approx(right / 25)


def test_a_run_knows_its_crops_and_its_card_tells_of_the_answers(iics, run):
    fill(draw(iics, run))
    found = iics("label", run, "--answers", run / "label_answers.csv")
    assert found.code == 0, found.stderr
    assert "Rank-1 across cameras: " in found.stdout
    assert "pairs of crops of two cameras that people looked at" in found.stdout
    assert found.stdout.rstrip().endswith(f"Written into {run / 'model.safetensors'} and {run / 'label_marks.csv'}.")
    assert read_header(run / "model.safetensors").match_thresholds.is_trained_on
    assert "that people looked at" in (run / "model.md").read_text(encoding="utf-8")


def test_what_was_drawn_before_is_gone_on_with(iics, refusal, run):
    table = draw(iics, run, "--pairs=20", "--seed=3")
    before = table.read_text()
    assert draw(iics, run) == table
    assert table.read_text() == before
    assert "holds the 20 pairs that were drawn before" in refusal("label", run, "--draw-only", "--pairs=30")


def test_answers_to_another_models_pairs_are_refused(iics, refusal, tiny_settings, model_file, cameras):
    fill(table := draw(iics, model_file, "folder", "--data-dir", cameras))
    torch.manual_seed(1)
    other = create_model(tiny_settings.model, device=torch.device("cpu"))
    other.save(model_file)
    message = refusal("label", model_file, "folder", "--data-dir", cameras, "--answers", table)
    assert "were drawn for model" in message
    assert "similarities of different models do not compare" in message
    assert message == refusal("label", model_file, "folder", "--data-dir", cameras, "--draw-only")


def test_a_crop_that_was_moved_or_changed_is_named(iics, refusal, model_file, cameras):
    asked = "label", model_file, "folder", "--data-dir", cameras
    fill(table := draw(iics, *asked[1:]))
    with table.open(newline="") as opened:
        first, other = next((row["first"], row["second"]) for row in csv.DictReader(opened))
    shutil.copy(cameras / other, cameras / first)
    assert f"pair 1: {first} holds another picture than when pairs were drawn" in refusal(*asked, "--answers", table)
    (cameras / first).rename(cameras / first.replace(".png", "moved.png"))
    assert f"pair 1: {first} is not among the 54 crops of cameras" in refusal(*asked, "--answers", table)


def test_a_run_whose_crops_changed_or_went_says_how_to_name_them(refusal, run, cameras):
    victim = sorted(cameras.rglob("*.png"))[0]
    victim.unlink()
    message = refusal("label", run, "--draw-only")
    assert "1 of 54 are gone or changed" in message
    assert victim.name in message
    cameras.rename(cameras.with_name("elsewhere"))
    message = refusal("label", run, "--draw-only")
    assert message.startswith(f"The crops that {run} was trained on cannot be read: ")
    assert message.endswith(f"Name where they lie: iics label {run} DATA --data-dir PLACE.")


def test_crops_that_were_moved_as_a_whole_go_on(iics, run, cameras):
    table = draw(iics, run)
    fill(table)
    elsewhere = cameras.rename(cameras.with_name("elsewhere"))
    found = iics("label", run, "folder", "--data-dir", elsewhere, "--answers", table)
    assert found.code == 0, found.stderr
    assert read_header(run / "model.safetensors").match_thresholds.is_trained_on


def test_contradictory_answers_are_refused_and_nothing_is_written(iics, refusal, run):
    table = draw(iics, run)
    content = (run / "model.safetensors").read_bytes()
    fill(table, lambda row: "yes" if row["pair"] != "50" else "no")
    text = table.read_text().splitlines()
    twice = text[1].split(",")
    last = text[50].split(",")
    last[2:6] = twice[2:6]  # the first pair again
    last[11:13] = twice[11:13]
    table.write_text("\n".join([*text[:50], ",".join(last)]) + "\n")
    assert "The answers contradict each other: pair 1 (" in refusal("label", run, "--answers", table)
    assert (run / "model.safetensors").read_bytes() == content
    assert not (run / "label_marks.csv").exists()


def test_too_few_answers_are_refused(iics, refusal, run):
    table = draw(iics, run)
    fill(table, lambda row: "no" if int(row["pair"]) <= 5 else "unsure")
    message = refusal("label", run, "--answers", table)
    assert message.startswith("Too few answers: ")
    assert message.endswith("at least 8 of each are needed. Answer more.")


def test_few_crops_are_refused_also_of_one_camera(refusal, model_file, cameras):
    data = "folder", "--data-dir", cameras
    one, other, _ = sorted(cameras.iterdir())
    for file in sorted(one.iterdir())[4:] + sorted(other.iterdir())[4:]:
        file.unlink()
    assert "asking about 50 pairs takes at least 50 crops" in refusal("label", model_file, *data, "--draw-only")
    shutil.rmtree(one)
    shutil.rmtree(other)
    message = refusal("label", model_file, *data, "--draw-only")
    assert "pairs of two crops; asking about 50 pairs takes at least 50" in message


def test_flags_that_do_not_go_together_are_refused(refusal, model_file, tmp_path):
    assert "Which crops? A model file does not say" in refusal("label", model_file, "--draw-only")
    assert "--json prints the result of --answers" in refusal("label", model_file, "--json")
    assert "leave out --pairs and --seed" in refusal("label", model_file, "--answers", tmp_path / "a", "--seed=1")
    assert "call iics label once with each" in refusal("label", model_file, "--answers", tmp_path / "a", "--draw-only")
    assert "--pairs must be a whole number from 20 to 500" in refusal("label", model_file, "--pairs=5")


def test_another_address_without_a_password_is_refused(refusal, model_file, monkeypatch):
    monkeypatch.delenv("IICS_PASSWORD", raising=False)
    assert "so the page needs a log-in" in refusal("label", model_file, "--host", "0.0.0.0")
