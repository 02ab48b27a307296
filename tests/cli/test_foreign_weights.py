"""`iics evaluate --weights`: models that others trained."""

import json
from functools import partial

import pytest
import torch
from PIL import Image

from iics.evaluation.evaluate import evaluate
from iics.models.foreign_model import load_foreign_weights
from iics.readers.benchmarks import load_market_layout


@pytest.fixture
def on_people(market_people):
    """Arguments that read the small data set."""
    return ["market-layout", "--data-dir", market_people]


@pytest.fixture(scope="module")
def checkpoint(authors_state, tmp_path_factory):
    file = tmp_path_factory.mktemp("published") / "checkpoint.pth.tar"
    torch.save({"state_dict": authors_state}, file)
    return file


def test_a_checkpoint_of_the_authors_is_measured(iics, on_people, market_people, checkpoint):
    small = ("--height", 64, "--width", 32)
    finished = iics("evaluate", "--weights", checkpoint, "--backbone", "resnet50", *small, *on_people, "--json")
    assert finished.code == 0, finished.stderr
    model = load_foreign_weights(checkpoint, backbone="resnet50", height=64, width=32)
    people = load_market_layout(market_people)
    assert json.loads(finished.stdout)["mean_ap"] == evaluate(model, people.query, people.gallery).mean_ap


def test_the_data_may_be_named_before_the_weights(iics, on_people, checkpoint):
    measured = partial(iics, "evaluate", "--height=64", "--width=32", "--json")
    weights = "--weights", checkpoint
    assert measured(*on_people, *weights).stdout == measured(*weights, *on_people).stdout != ""


def test_a_model_beside_foreign_weights_is_refused(refusal, trained, on_people, checkpoint):
    message = refusal("evaluate", trained[0], *on_people, "--weights", checkpoint)
    assert message == f"--weights stands for the model; leave out {trained[0]}."


def test_no_model_at_all_is_refused(refusal, tmp_path):
    assert refusal("evaluate") == "Which model? Name a model file or a run folder, or --weights FILE."
    for data in ("sample", tmp_path):
        assert refusal("evaluate", data) == (
            f"Which model? {data} is no run and no model file. Name one before the data: iics evaluate RUN {data}."
        )


def test_weights_without_data_are_refused(refusal, checkpoint):
    assert refusal("evaluate", "--weights", checkpoint).startswith("Which data? Name a folder of camera folders, ")
    assert refusal("evaluate", "--weights", checkpoint, "nonsense").startswith(
        "'nonsense' is no data: there is no file or folder of that name here"
    )


@pytest.mark.parametrize("flags", [("--backbone", "resnet18"), ("--height", 64), ("--last-stride", 2)])
def test_a_model_of_ours_knows_what_it_is(refusal, trained, on_people, flags):
    message = refusal("evaluate", trained[0], *on_people, *flags)
    assert message == (
        "--backbone, --height, --width and --last-stride describe --weights; a model knows its own. Leave them out."
    )


def test_a_model_of_ours_is_no_foreign_weights(refusal, trained, on_people):
    message = refusal("evaluate", "--weights", trained[0], *on_people)
    assert message.endswith("is a model of ours and knows what it is: load_model reads it (iics evaluate MODEL).")


def test_weights_of_another_backbone_are_refused(refusal, on_people, checkpoint):
    message = refusal("evaluate", "--weights", checkpoint, "--backbone", "resnet18", *on_people)
    assert message.endswith("it needs --backbone resnet50, not --backbone resnet18.")


@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", "{file}", "sample"),
        ("embed", "{file}", "{folder}", "--out", "{folder}/out.npz"),
        ("export", "{file}"),
        ("index", "{folder}/g.db", "sample", "--model", "{file}"),
        ("watch", "{folder}", "--gallery", "{folder}/g.db", "--model", "{file}", "--camera", "a"),
    ],
)
def test_every_command_says_what_a_checkpoint_is_that_was_given_as_a_model(refusal, checkpoint, command, tmp_path):
    Image.new("RGB", (32, 64)).save(tmp_path / "a.png")
    asked = [word.format(file=checkpoint, folder=tmp_path) for word in command]
    message = refusal(*asked)
    assert message.startswith(f"{checkpoint} is a PyTorch checkpoint, not a model that iics saved. Measure it by: iics")


def test_the_last_stride_can_be_said(iics, on_people, checkpoint):
    small = ("--weights", checkpoint, "--height", 64, "--width", 32, "--json", *on_people)
    scores = {
        stride: iics("evaluate", *small, *stride).stdout for stride in ((), ("--last-stride", 1), ("--last-stride", 2))
    }
    assert scores[()] == scores["--last-stride", 1] != scores["--last-stride", 2] != ""
