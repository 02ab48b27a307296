"""A round's record: what was written is read back, older lines hold less, and damage is named by its place."""

import json

import pytest

from iics.runs.record import RecordError, RoundRecord, StageRecord, stage_title


def test_a_line_is_read_and_written_as_it_was(make_record):
    values = make_record(2)
    line = json.dumps(values)
    record = RoundRecord.of(json.loads(line))
    assert record.line == line
    assert (record.number, list(record.stages), record.all_seconds) == (2, ["stage1", "stage2"], 70.0)
    assert record.alpha == {"layer3.0": 0.25, "layer4.0": 0.75}
    assert record.phases == {"stage1_features": {"seconds": 10.0, "images_per_second": 8.5}}


def test_a_stage_has_every_number_by_its_name(make_record):
    record = RoundRecord.of(make_record(2))
    assert record.stages["stage2"].terms == {
        "loss": 1.5,
        "cross_entropy": 1.0,
        "triplet": 0.5,
        "accuracy": 0.5,
        "mu": 0.02,
    }
    assert record.stages["stage2"].num_steps == 9
    assert record.term("stage2", "mu") == 0.02
    assert record.term("stage2", "other") is None
    assert record.term("stage3", "mu") is None


def test_clusters_are_of_all_cameras_or_of_each(make_record):
    stages = RoundRecord.of(make_record(2)).stages
    assert list(stages["stage1"].by_camera) == ["door", "hall"]
    assert stages["stage1"].clusters is None
    assert stages["stage2"].by_camera == {}
    assert stages["stage2"].clusters.num_crops == 85
    assert stages["stage2"].statistic("num_clusters") == 25


def test_a_camera_may_be_called_anything():
    names = {name: {"num_clusters": 2} for name in ("num_clusters", "size_counts", "all cameras")}
    stage = StageRecord.of({"pseudo_labels": names}, "stage1")
    assert list(stage.by_camera) == list(names)
    assert stage.by_camera["size_counts"].num_clusters == 2


def test_cameras_are_averaged_by_their_crops():
    cameras = {
        "door": {"pairwise_recall": 0.5, "size_counts": [[1, 1], [2, 1]]},
        "hall": {"pairwise_recall": 1.0, "size_counts": [[1, 1]]},
        "gate": {"size_counts": [[9, 9]]},
    }
    stage = StageRecord.of({"pseudo_labels": cameras}, "stage1")
    assert stage.by_camera["door"].num_crops == 3
    assert stage.statistic("pairwise_recall") == pytest.approx((3 * 0.5 + 1 * 1.0) / 4)
    assert stage.statistic("pairwise_precision") is None


def test_the_number_of_the_round_is_enough():
    record = RoundRecord.of({"round": 0, "evaluation": None, "other": "words", "more": 3})
    assert (record.stages, record.seconds, record.phases, record.alpha) == ({}, {}, {}, {})
    assert (record.evaluation, record.scores) == ({}, {})


def test_scores_are_the_numbers_among_what_was_measured():
    measured = {"mean_ap": 0.5, "count": 3, "is_best": True, "none": None, "note": "x", "by": {"door": 1}, "all": [1]}
    assert RoundRecord.of({"round": 1, "evaluation": measured}).scores == {"mean_ap": 0.5, "count": 3}


def test_a_term_that_was_no_number_is_kept_as_none():
    stage = StageRecord.of({"loss": None, "contrast": None, "note": "x", "is_last": True, "stability": None}, "memory")
    assert stage.terms == {"loss": None, "contrast": None}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "names no round: round must be a whole number from 0, got None"),
        ({"round": -1}, "names no round: round must be a whole number from 0, got -1"),
        ({"round": 1, "seconds": []}, "has no object at seconds, got '[]'"),
        ({"round": 1, "seconds": {"memory": 1.0}, "memory": 5}, "has no object at memory, got '5'"),
        ({"round": 1, "phases": {"a": {"seconds": "x"}}}, "has no number or null at phases.a.seconds, got 'x'"),
        ({"round": 1, "memory": {"loss": "high"}}, "has no number or null at memory.loss, got 'high'"),
        ({"round": 1, "memory": {"num_steps": -1}}, "has no count at memory.num_steps, got '-1'"),
        ({"round": 1, "memory": {"stability": {"x": []}}}, "has no number or null at memory.stability.x, got '[]'"),
        ({"round": 1, "memory": {"similarity": 3}}, "has no object or null at memory.similarity, got '3'"),
        (
            {"round": 1, "memory": {"pseudo_labels": {"num_clusters": 3, "largest_share": "big"}}},
            "has no number at memory.pseudo_labels.largest_share, got 'big'",
        ),
        (
            {"round": 1, "memory": {"pseudo_labels": {"num_clusters": None}}},
            "has no number at memory.pseudo_labels.num_clusters, got 'None'",
        ),
        (
            {"round": 1, "memory": {"pseudo_labels": {"door": {"size_counts": [[1, -1]]}}}},
            "has no pairs of counts at memory.pseudo_labels.door.size_counts, got '[[1, -1]]'",
        ),
    ],
)
def test_damage_is_named_by_its_place(values, said):
    with pytest.raises(RecordError) as refusal:
        RoundRecord.of(values)
    assert str(refusal.value) == said


@pytest.mark.parametrize(
    ("name", "title"),
    [("stage1", "stage 1"), ("stage12", "stage 12"), ("supervised", "supervised"), ("stage_a", "stage_a")],
)
def test_titles_of_stages(name, title):
    assert stage_title(name) == title
