"""Calibration by the command line: at the end of `iics train`, and by `iics evaluate --calibrate` at any time."""

import json
import shutil

import pytest
import yaml
from safetensors.torch import load_file

from iics.models.match_thresholds import MatchThreshold, MatchThresholds
from iics.models.model_file import read_header, write_match_thresholds
from iics.models.reid_model import load_model


@pytest.fixture
def copied(trained, tmp_path):
    return shutil.copytree(trained[0], tmp_path / "run")


def test_training_leaves_thresholds_measured_on_query_and_gallery(trained):
    out, finished = trained
    thresholds = read_header(out / "model.safetensors").match_thresholds
    assert (thresholds.calibration, thresholds.split) == ("identities", "query against gallery")
    assert (thresholds.num_people, thresholds.is_trained_on) == (3, False)
    assert "Which similarity means the same person? Measured on market-layout" in finished.stdout
    assert load_model(out / "model.safetensors").header.match_thresholds == thresholds


def test_training_leaves_a_model_card(trained):
    out, finished = trained
    assert f"Model card:     {out}/model.md" in finished.stdout
    card = (out / "model.md").read_text(encoding="utf-8")
    found = yaml.safe_load(card.split("---\n")[1])
    record = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
    assert found["model-index"][0]["results"][0]["metrics"][0]["value"] == pytest.approx(
        100 * record["evaluation"]["mean_ap"], abs=0.01
    )
    assert "| door |" not in card  # the cameras of this layout have numbers
    assert "54 crops of 3 cameras" in card
    assert "too few people to tell" in card  # 3 people are 3 pairs of people
    assert str(out.parent) not in card


def test_calibrating_anew_gives_the_same_and_touches_no_weight(iics, copied, market_people):
    file = copied / "model.safetensors"
    before, weights, card = read_header(file), load_file(file), (copied / "model.md").read_text(encoding="utf-8")
    finished = iics("evaluate", copied, "market-layout", "--data-dir", market_people, "--calibrate", "--device=cpu")
    assert finished.code == 0, finished.stderr
    assert finished.stdout.rstrip().endswith(f"Written into {file}.")
    assert read_header(file) == before
    assert all((value == weights[key]).all() for key, value in load_file(file).items())
    assert (copied / "model.md").read_text(encoding="utf-8") == card


def test_evaluating_without_the_flag_leaves_the_file_alone(iics, copied, market_people):
    content = (copied / "model.safetensors").read_bytes()
    assert iics("evaluate", copied, "market-layout", "--data-dir", market_people).code == 0
    assert (copied / "model.safetensors").read_bytes() == content


def test_programs_get_the_thresholds_as_json(iics, copied, market_people):
    asked = "market-layout", "--data-dir", market_people, "--calibrate", "--json"
    found = json.loads(iics("evaluate", copied, *asked).stdout)
    assert found["match_thresholds"]["calibration"] == "identities"
    assert [at["rate"] for at in found["match_thresholds"]["thresholds"]] == [0.001, 0.01, 0.05]
    assert "mean_ap" in found


def test_a_model_outside_of_a_run_is_calibrated_on_a_table_of_tracklets(iics, trained, folder_people, tmp_path):
    model = shutil.copy(trained[0] / "model.safetensors", tmp_path / "mine.safetensors")
    files = sorted((folder_people / "door").iterdir())
    rows = [f"{file},door,{2026 + at % 3}-01-01T08:00:00,{at // 3}" for at, file in enumerate(files)]
    (tmp_path / "crops.csv").write_text("\n".join(["path,camera,time,tracklet", *rows]))
    finished = iics("evaluate", model, "csv", "--data-dir", tmp_path / "crops.csv", "--calibrate")
    assert finished.code == 0, finished.stderr
    thresholds = read_header(model).match_thresholds
    assert thresholds.calibration == "tracklets and moments"
    assert (thresholds.num_people, thresholds.num_people_pairs, thresholds.is_trained_on) == (6, 15, None)
    assert "No pair spans two cameras" in finished.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crops.csv", "mine.safetensors"]


def test_data_of_which_nothing_is_known_is_refused_and_the_file_stays(refusal, copied, folder_people):
    content = (copied / "model.safetensors").read_bytes()
    message = refusal("evaluate", copied, "folder", "--data-dir", folder_people, "--calibrate")
    assert message.startswith("No two crops of cameras are known to be two people")
    assert (copied / "model.safetensors").read_bytes() == content


def test_weights_of_others_have_no_file_to_write_into(refusal, market_people):
    message = refusal("evaluate", "--weights=imagenet", "market-layout", "--data-dir", market_people, "--calibrate")
    assert message.startswith("--calibrate writes into a model file, and --weights are none of ours.")


@pytest.mark.usefixtures("unreported")
def test_never_measuring_leaves_the_model_uncalibrated(iics, market_people, tiny_flags, tmp_path):
    asked = "market-layout", "--data-dir", market_people, "--out", tmp_path / "run", "--evaluate=never"
    assert iics("train", *asked, *tiny_flags.but("--rounds=1")).code == 0
    assert read_header(tmp_path / "run" / "model.safetensors").match_thresholds is None
    card = (tmp_path / "run" / "model.md").read_text(encoding="utf-8")
    assert "not measured" in card
    assert "This model is not calibrated" in card


@pytest.mark.usefixtures("unreported")
def test_resuming_a_finished_run_measures_thresholds_and_writes_the_card(iics, copied):
    (copied / "model.md").unlink()
    before = read_header(copied / "model.safetensors").match_thresholds
    load_and_strip(copied / "model.safetensors")
    finished = iics("train", "--resume", copied)
    assert finished.code == 0, finished.stderr
    assert read_header(copied / "model.safetensors").match_thresholds == before
    assert (copied / "model.md").exists()


def load_and_strip(file):
    from dataclasses import replace

    model = load_model(file)
    model.header = replace(model.header, match_thresholds=None)
    model.save(file)


def test_measuring_tells_how_the_thresholds_of_the_file_hold_on_these_crops(iics, copied, market_people):
    limits = (
        MatchThreshold(0.01, 0.999, 0.0, 0.1, None, None, 50),
        MatchThreshold(0.05, -0.999, 0.0, 0.1, None, None, 50),
    )
    thresholds = MatchThresholds(limits, "identities", "shop", "query against gallery", 40, 900, 780, 300, False, "-")
    write_match_thresholds(copied / "model.safetensors", thresholds)
    asked = "evaluate", copied, "market-layout", "--data-dir", market_people
    found = json.loads(iics(*asked, "--json").stdout)["above_thresholds"]
    assert found["0.05"] == 1.0  # every pair exceeds a cosine of -0.999
    assert found["0.01"] < 1.0
    text = iics(*asked).stdout
    assert "The model file's thresholds were measured on shop, query against gallery. On " in text
    assert "  100 % of the pairs of two people exceed -0.999, the 5 % threshold" in text
    assert "above_thresholds" not in iics(*asked, "--calibrate", "--json").stdout
