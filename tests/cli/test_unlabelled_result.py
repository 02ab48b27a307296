"""`iics evaluate` on data without query and gallery."""

import json
from dataclasses import replace

import numpy as np
import pytest

from iics.cli.source import DataSource
from iics.data_splits import DataSplits
from iics.evaluation.ranked_features import rank_crops
from iics.models.reid_model import load_model


@pytest.fixture
def without_test_split(monkeypatch, people):
    """The training people, with their identities and nothing to test on, as what every reader reads."""

    def use(crops=people.train):
        monkeypatch.setattr(DataSource, "load", lambda _: DataSplits("cameras", crops))
        return crops

    return use


def test_a_folder_of_cameras_gets_what_can_be_said_without_labels(iics, trained, folder_people):
    finished = iics("evaluate", trained[0], "folder", "--data-dir", folder_people)
    assert finished.code == 0, finished.stderr
    assert finished.stdout.startswith("What 54 crops say without labels. None of these numbers is an accuracy")
    for heading in (
        "Cameras (3; 54 crops looked at)",
        "Cosine clusters (54 crops clustered by plain cosine; training clusters otherwise)",
    ):
        assert f"\n{heading}\n" in finished.stdout
    assert (
        "cameras train has no identities, so there is no mAP and no CMC. iics label MODEL estimates" in finished.stdout
    )


def test_json_holds_the_same_numbers(iics, trained, folder_people):
    finished = iics("evaluate", trained[0], "folder", "--data-dir", folder_people, "--json")
    found = json.loads(finished.stdout)
    assert found["each_against_all"] is None
    assert found["label_free"]["num_crops"] == 54
    assert found["label_free"]["cameras"]["camera_names"] == ["door", "hall", "stairs"]
    assert 0 <= found["label_free"]["cameras"]["across"] <= 1


def test_identities_without_a_split_are_searched_each_against_all(iics, trained, without_test_split):
    crops = without_test_split()
    finished = iics("evaluate", trained[0], "folder", "--data-dir", "x", "--json")
    found = json.loads(finished.stdout)["each_against_all"]
    features = load_model(trained[0] / "model.safetensors").embed(crops)
    expected = rank_crops(features, features, crops, crops)
    assert found["num_queries"] == 54
    assert found["mean_ap"] == pytest.approx(expected.mean_ap)
    text = iics("evaluate", trained[0], "folder", "--data-dir", "x").stdout
    assert "people train has identities but no query and gallery" in text
    assert "Not comparable with numbers of a test split." in text
    assert text.splitlines()[-7].split()[0] == "mAP"


def test_junk_is_no_query(iics, trained, without_test_split, people):
    is_first = np.arange(len(people.train)) == 0
    without_test_split(replace(people.train, identity_ids=np.where(is_first, -1, people.train.identity_ids)))
    finished = iics("evaluate", trained[0], "folder", "--data-dir", "x", "--json")
    assert json.loads(finished.stdout)["each_against_all"]["num_queries"] == 53


@pytest.mark.parametrize(
    ("identities", "expected"),
    [
        (np.zeros(54, np.int64), "No crop of people train shows a known person, so there is no mAP and no CMC."),
        (np.arange(1, 55), "There is no mAP and no CMC: None of 54 queries has a valid match among 54 gallery crops"),
    ],
)
def test_identities_that_answer_nothing_are_said_to(iics, trained, without_test_split, people, identities, expected):
    without_test_split(replace(people.train, identity_ids=identities))
    finished = iics("evaluate", trained[0], "folder", "--data-dir", "x")
    assert finished.code == 0
    assert expected in finished.stdout


@pytest.mark.parametrize("flags", [("--contact-sheet", "a.png"), ("--rerank",), ("--protocol", "camera-pairs")])
def test_ranked_results_need_a_query(refusal, trained, folder_people, flags):
    message = refusal("evaluate", trained[0], "folder", "--data-dir", folder_people, *flags)
    assert message == (
        "cameras train has no query and gallery with identities, so nothing is ranked; leave out --protocol, "
        "--rerank and --contact-sheet."
    )


def test_two_crops_are_refused(refusal, trained, without_test_split, people):
    without_test_split(people.train.subset([0, 1]))
    message = refusal("evaluate", trained[0], "folder", "--data-dir", "x")
    assert message == "people train has 2 crops; at least 3 are needed to compare any."


def test_a_split_without_identities_gets_what_can_be_said_without_labels(iics, monkeypatch, trained, people):
    unnamed = [crops.without_identities() for crops in (people.train, people.query, people.gallery)]
    monkeypatch.setattr(DataSource, "load", lambda _: DataSplits("cameras", *unnamed))
    finished = iics("evaluate", trained[0], "csv", "--data-dir", "x")
    assert finished.code == 0, finished.stderr
    assert finished.stdout.startswith("What 54 crops say without labels.")


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_holds_at_least_one_crop(refusal, trained, folder_people, tmp_path, size):
    message = f"--batch-size must be a whole number from 1 to 4,096; got {size}."
    arguments = ["evaluate", trained[0], "folder", "--data-dir", folder_people]
    assert refusal(*arguments, f"--batch-size={size}") == message
    arguments = ["embed", trained[0], folder_people, "--out", tmp_path / "features.npz"]
    assert refusal(*arguments, f"--batch-size={size}") == message
