import copy
import math

import pytest

from iics.experiments.report_warnings import run_warnings


@pytest.fixture
def titles_of(make_run):
    """Titles of the warnings of some records."""

    def call(*records, **changes):
        return [warning.title for warning in run_warnings(make_run(*records, **changes))]

    return call


@pytest.fixture
def changed(make_record, statistics):
    """A healthy round with other pseudo-labels in stage 2."""

    def make(**changes):
        record = make_record(1)
        record["stage2"]["pseudo_labels"] = statistics(**changes)
        return record

    return make


def test_a_healthy_run_has_no_warnings(titles_of):
    assert titles_of() == []


def test_a_run_without_a_finished_round_has_no_warnings(titles_of):
    assert titles_of({"round": 0, "alpha": {}, "evaluation": {}}) == []


@pytest.mark.parametrize(
    ("share", "num_clusters", "is_giant"),
    [
        (0.6, 2, True),  # more than half of everything
        (0.5, 2, False),  # two people seen alike
        (0.12, 300, True),  # 36 times an even share
        (0.08, 300, False),  # below a tenth
        (0.2, 6, False),  # six people: nothing special
        (0.2, 25, True),  # five times an even share
        (0.19, 25, False),
    ],
)
def test_giant_clusters(titles_of, changed, share, num_clusters, is_giant):
    record = changed(largest_share=share, num_clusters=num_clusters)
    assert titles_of(record) == (["One giant cluster"] if is_giant else [])


def test_a_giant_cluster_within_a_camera_names_the_camera(make_run, make_record, statistics):
    record = make_record(1)
    record["stage1"]["pseudo_labels"]["hall"] = statistics(largest_share=0.9)
    (warning,) = run_warnings(make_run(record))
    assert "one cluster holds 90 % of the crops of camera hall." in warning.finding
    assert "--stage2.clusters.number" in warning.advice


@pytest.mark.parametrize(
    ("entropy", "across", "expected"),
    [
        (0.0, 0, "No cluster spans two cameras"),
        (0.0, None, "No cluster spans two cameras"),  # older records do not count them
        (0.04, 3, "Clusters keep to one camera"),
        (0.05, 3, None),
    ],
)
def test_clusters_that_follow_cameras(titles_of, changed, entropy, across, expected):
    record = changed(camera_entropy_normalized=entropy, num_across_cameras=across)
    assert titles_of(record) == ([expected] if expected else [])


def test_one_camera_alone_has_no_clusters_across_cameras(titles_of, changed):
    record = changed(camera_entropy_normalized=0.0, num_across_cameras=0)
    del record["stage1"]["pseudo_labels"]["hall"]
    assert titles_of(record, data={"num_crops": 85, "crops_per_camera": {"door": 85}}) == []


@pytest.mark.parametrize(("singletons", "is_many"), [(22, True), (21, False)])
def test_many_single_crops(titles_of, changed, singletons, is_many):
    record = changed(num_singletons=singletons)  # of 85 crops; a quarter is 21.25
    assert titles_of(record) == (["Many crops are alone in their cluster"] if is_many else [])


def test_as_many_clusters_as_are_allowed(titles_of, changed):
    assert titles_of(changed(num_clusters=42)) == ["As many clusters as are allowed"]  # of 85 crops
    assert titles_of(changed(num_clusters=41)) == []


def test_losses_that_do_not_fall(titles_of, make_record):
    records = [make_record(number) for number in (1, 2, 3)]
    for record, loss in zip(records, (2.0, 1.0, 2.0), strict=True):
        record["stage2"]["loss"] = loss
    assert titles_of(*records) == ["The loss does not fall"]
    assert titles_of(*records[:2]) == []  # two rounds are too few to tell


def test_losses_that_are_no_numbers(titles_of, make_record):
    record = make_record(1)
    record["stage1"]["loss"] = math.nan
    assert titles_of(record) == ["The loss is not a number"]


def test_a_stage_without_steps(make_run, make_record):
    record = make_record(1)
    record["stage1"]["num_steps"] = 0
    (warning,) = run_warnings(make_run(record))
    assert (warning.title, warning.finding) == (
        "A stage took no step",
        "stage 1 in round 1 had no batch to train on.",
    )


def test_a_camera_that_sat_out_is_named(make_run, make_record):
    data = {"num_crops": 171, "crops_per_camera": {"door": 85, "hall": 85, "gate": 1, "yard": 0}}
    (warning,) = run_warnings(make_run(make_record(1), data=data))
    assert warning.finding.startswith("Left out: camera gate (crops: 1). Stage 1 compares")


def test_older_runs_tell_how_many_crops_sat_out(make_run, make_record):
    (warning,) = run_warnings(make_run(make_record(1), data={"num_crops": 172}))
    assert warning.finding.startswith("Left out: 2 crops of small cameras.")


def test_accuracy_below_the_start(titles_of, make_record):
    worse = make_record(1)
    worse["evaluation"]["mean_ap"] = 0.09
    start = {"round": 0, "alpha": {}, "evaluation": {"mean_ap": 0.1}}
    assert titles_of(start, worse) == ["Worse than before training"]


@pytest.mark.parametrize(("last", "fell"), [(0.44, True), (0.46, False)])
def test_accuracy_that_fell_again(titles_of, make_record, last, fell):
    records = [make_record(1), make_record(2)]
    records[0]["evaluation"]["mean_ap"], records[1]["evaluation"]["mean_ap"] = 0.5, last
    assert titles_of(*records) == (["Accuracy fell again"] if fell else [])


def test_many_cameras_are_not_all_listed(make_run, make_record, statistics):
    record = make_record(1)
    record["stage1"]["pseudo_labels"] = {str(number): statistics(largest_share=0.9) for number in range(20)}
    (warning,) = run_warnings(make_run(record, data={}))
    assert "camera 7 and 12 more" in warning.finding
    assert "camera 8," not in warning.finding


def test_records_that_lack_everything_warn_of_nothing(titles_of):
    bare = {"round": 1, "stage1": {"pseudo_labels": {"door": {}}}, "stage2": {"pseudo_labels": {}}}
    assert titles_of(bare, data={}) == []
    assert titles_of({"round": 1}, data={}) == []


def test_supervised_rounds_are_looked_at_too(titles_of):
    records = [{"round": number, "supervised": {"loss": 1.0, "num_steps": 5}} for number in (1, 2, 3)]
    assert titles_of(*copy.deepcopy(records)) == ["The loss does not fall"]
