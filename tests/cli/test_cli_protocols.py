"""`iics evaluate --protocol`, `--rerank`."""

from __future__ import annotations

import json

import pytest
from PIL import Image


@pytest.fixture
def evaluate(iics, trained, market_people):
    """Evaluate the trained model on query and gallery of `market_people` and return what was printed."""

    def call(*flags):
        finished = iics("evaluate", trained[0], "market-layout", "--data-dir", market_people, *flags)
        assert finished.code == 0, finished.stderr
        return finished.stdout

    return call


@pytest.fixture
def refused(refusal, trained, market_people):
    return lambda *flags: refusal("evaluate", trained[0], "market-layout", "--data-dir", market_people, *flags)


def test_same_camera_finds_the_other_crops_of_the_camera(evaluate, tmp_path):
    sheet = tmp_path / "sheet.png"
    numbers = json.loads(evaluate("--protocol=same-camera", "--json", "--contact-sheet", sheet))
    assert (numbers["num_queries"], numbers["num_unmatched"]) == (9, 0)
    assert numbers["mean_ap"] > 0.5  # three people in a camera, two crops each
    with Image.open(sheet) as picture:
        assert picture.width > 500


def test_camera_pairs_print_a_matrix_with_an_empty_diagonal(evaluate):
    lines = evaluate("--protocol=camera-pairs").splitlines()
    assert lines[0] == "rank-1, in %: query camera (rows) against gallery camera (columns)"
    rows = [line.split() for line in lines[2:5]]
    assert [row[0] for row in rows] == lines[1].split()
    assert [row[1 + at] for at, row in enumerate(rows)] == ["-", "-", "-"]
    assert "-" not in [cell for at, row in enumerate(rows) for cell in row[1 : 1 + at] + row[2 + at :]]


def test_camera_pairs_as_json_have_null_where_nothing_matches(evaluate):
    values = json.loads(evaluate("--protocol=camera-pairs", "--json"))
    assert values["num_scored"] == [[0, 3, 3], [3, 0, 3], [3, 3, 0]]
    assert [values["rank1"][at][at] for at in range(3)] == [None] * 3
    assert all(0 <= values["mean_ap"][a][b] <= 1 for a in range(3) for b in range(3) if a != b)
    assert len(values["cameras"]) == 3


def test_single_gallery_shot_draws_as_the_seed_says(evaluate):
    flags = ("--protocol=single-gallery-shot", "--repeats=4", "--json")
    first, again, *others = (json.loads(evaluate(*flags, f"--seed={seed}")) for seed in (1, 1, 2, 3, 4, 5))
    assert first == again
    assert first["repeats"] == 4
    assert first["rank20"] == 1  # three people
    assert first["rank20_deviation"] == 0
    assert {first["mean_ap"]} != {other["mean_ap"] for other in others}
    assert "galleries drawn      10\n" in evaluate("--protocol=single-gallery-shot")


def test_one_draw_has_no_deviation(evaluate):
    values = json.loads(evaluate("--protocol=single-gallery-shot", "--repeats=1", "--json"))
    assert values["rank1_deviation"] is None


def test_reranking_moves_the_numbers(evaluate):
    plain, reranked = (json.loads(evaluate(*flags, "--json")) for flags in ((), ("--rerank",)))
    assert plain.keys() == reranked.keys()
    assert plain["mean_ap"] != reranked["mean_ap"]
    by_camera = json.loads(evaluate("--rerank", "--rerank-form=camera-jaccard", "--json"))
    assert by_camera["mean_ap"] not in (plain["mean_ap"], reranked["mean_ap"])
    assert evaluate("--protocol=camera-pairs", "--rerank") != evaluate("--protocol=camera-pairs")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--repeats=0",), "--repeats must be a whole number from 1 to 1,000; got 0."),
        (("--seed=-1",), "--seed must be a whole number from 0 to 4,294,967,295; got -1."),
        (
            ("--repeats=3",),
            "--repeats and --seed say how galleries are drawn; --protocol market1501 draws none.",
        ),
        (
            ("--protocol=single-gallery-shot", "--rerank"),
            "--rerank would see the crops that single-gallery-shot did not draw; leave one of the two out.",
        ),
        (
            ("--protocol=camera-pairs", "--contact-sheet=x.png"),
            "--contact-sheet shows rankings by cosine under market1501, same-camera or any-camera; leave it out here.",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(flags, message, refused):
    assert refused(*flags) == message


def test_same_camera_without_a_match_is_refused_before_the_model_is_read(refusal, market_people, tmp_path):
    data_dir = tmp_path / "apart"
    for split in ("bounding_box_train", "query", "bounding_box_test"):
        (data_dir / split).mkdir(parents=True)
        for crop in sorted((market_people / split).iterdir()):
            wanted = {"query": "_c1", "bounding_box_test": "_c2"}.get(split, "_c")
            if wanted in crop.name:
                (data_dir / split / crop.name).write_bytes(crop.read_bytes())
    message = refusal("evaluate", tmp_path / "none", "market-layout", "--data-dir", data_dir, "--protocol=same-camera")
    assert "no such gallery crop comes from its query's own camera" in message


def test_reranking_that_cannot_fit_is_refused_before_features_are_computed(refused, monkeypatch):
    monkeypatch.setattr("iics.evaluation.reranked_rows.free_memory", lambda: 10**6)
    monkeypatch.setattr("iics.models.reid_model.ReidModel.embed", None)
    assert "Re-ranking 27 crops needs about" in refused("--rerank")
