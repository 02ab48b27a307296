"""`iics evaluate --unknown`, `--split-time`, `--protocol any-camera` and `image-to-track`."""

from __future__ import annotations

import json

import pytest

from iics import load_model


@pytest.fixture
def evaluate(iics, trained, market_people):
    """Evaluate the trained model on query and gallery of `market_people` and return what came of it."""

    def call(*flags):
        finished = iics("evaluate", trained[0], "market-layout", "--data-dir", market_people, *flags)
        assert finished.code == 0, finished.stderr
        return finished

    return call


@pytest.fixture
def refused(refusal, trained, market_people):
    return lambda *flags: refusal("evaluate", trained[0], "market-layout", "--data-dir", market_people, *flags)


def test_individuals_held_out_become_queries_without_a_match(evaluate, caplog):
    finished = evaluate("--unknown=0.5", "--json")
    found = json.loads(finished.stdout)
    assert (found["num_queries"], found["num_unmatched"]) == (9, 6)  # two of three people
    assert (found["open_set"]["num_known"], found["open_set"]["num_unknown"]) == (3, 6)
    assert found["open_set"]["points"][0]["rates"] is None
    assert 0 <= found["open_set"]["area"] <= 1
    assert "Held out: 2 of 3 individuals (seed 0)" in caplog.text
    text = " ".join(evaluate("--unknown=0.5", "--protocol=any-camera", "--seed=1").stdout.split())
    assert "Open set (6 queries of 2 individuals without a right answer in the gallery, 3 of 1 with one)" in text
    assert "one of 6 queries without an answer is 16.7 % already" in text


def test_closed_data_has_no_open_set_figures(evaluate):
    assert "open_set" not in json.loads(evaluate("--json").stdout)


def test_several_models_have_figures_of_all_and_of_each(iics, trained, market_people, tmp_path):
    other = load_model(trained[0])
    with_other_weights = tmp_path / "other.safetensors"
    next(iter(other.backbone.parameters())).data.mul_(1.01)
    other.save(with_other_weights)
    data = ("market-layout", "--data-dir", market_people, "--unknown=0.5")
    finished = iics("evaluate", trained[0], with_other_weights, *data, "--json")
    assert finished.code == 0, finished.stderr
    found = json.loads(finished.stdout)
    assert found["open_set"]["num_unknown"] == 6
    assert all(each["open_set"]["num_unknown"] == 6 for each in found["models"].values())
    assert "Open set (6 queries" in iics("evaluate", trained[0], with_other_weights, *data).stdout


@pytest.fixture
def timed(market_people):
    """The gallery of `market_people` as a table: camera 1 saw each person first, then camera 2, then camera 3."""
    rows = []
    for at, crop in enumerate(sorted((market_people / "bounding_box_test").iterdir())):
        identity, camera = crop.name.split("_")[:2]
        rows.append(f"bounding_box_test/{crop.name},{camera[:2]},{identity},{1000 * int(camera[1]) + at}")
    table = market_people / "timed.csv"
    table.write_text("path,camera,identity,time\n" + "\n".join(rows))
    return table


def test_crops_with_times_are_split_into_query_and_gallery(iics, trained, timed, caplog):
    finished = iics("evaluate", trained[0], timed, "--split-time=3000", "--json")
    assert finished.code == 0, finished.stderr
    assert "Split at 3000 s:" in caplog.text
    found = json.loads(finished.stdout)
    assert found["num_unmatched"] == 0
    assert "rank1" in found


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--unknown=1",), "--unknown must be a number of at least 0 and below 1; got 1.0."),
        (
            ("--unknown=0.5", "--rerank"),
            "--unknown measures a threshold of the cosine of crops; leave out --rerank, and take --protocol "
            "market1501, same-camera or any-camera.",
        ),
        (
            ("--unknown=0.5", "--calibrate"),
            "--calibrate measures on the whole gallery, --unknown on a part of it. Leave one out.",
        ),
        (("--split-time=0.5",), "--split-time makes a query, and market-layout has one. Leave it out."),
        (
            ("--protocol=image-to-track",),
            "image-to-track ranks tracklets, and market-layout gallery has none. Use data with tracklets, or "
            "--protocol market1501.",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(flags, message, refused):
    assert refused(*flags) == message
