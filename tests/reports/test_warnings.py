import copy
from dataclasses import asdict

import numpy as np
import pytest

from iics.clustering.average_linkage import linkage_in_place
from iics.clustering.cuts import cut_number
from iics.labelling.pseudo_labels import PseudoLabels, describe_pseudo_labels
from iics.reports.warnings import nothing_found, run_warnings


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
    ("share", "num_clusters", "expected"),
    [
        (0.6, 2, ["One giant cluster"]),  # more than half of everything
        (0.5, 2, []),  # two people seen alike
        (0.12, 300, ["A cluster far larger than the others"]),  # 36 times an even share
        (0.08, 300, []),  # below a tenth
        (0.2, 6, []),  # six people: nothing special
        (0.2, 25, ["A cluster far larger than the others"]),  # five times an even share
        (0.19, 25, []),
    ],
)
def test_giant_clusters(titles_of, changed, share, num_clusters, expected):
    assert titles_of(changed(largest_share=share, num_clusters=num_clusters)) == expected


def test_one_person_may_be_most_of_a_camera_with_a_handful_of_crops(titles_of, make_record, statistics):
    record = make_record(1)
    few = {"num_clusters": 4, "size_counts": [[1, 3], [28, 1]], "num_singletons": 3, "largest_share": 28 / 31}
    record["stage1"]["pseudo_labels"]["hall"] = statistics(**few)
    assert titles_of(record) == []
    few = {"num_clusters": 4, "size_counts": [[1, 3], [29, 1]], "num_singletons": 3, "largest_share": 29 / 32}
    record["stage1"]["pseudo_labels"]["hall"] = statistics(**few)
    assert titles_of(record) == ["One giant cluster"]


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
        (0.09, 3, "Clusters keep to one camera"),
        (0.1, 3, None),
    ],
)
def test_clusters_that_follow_cameras(titles_of, changed, entropy, across, expected):
    record = changed(camera_entropy_normalized=entropy, num_across_cameras=across)
    if across is None:
        del record["stage2"]["pseudo_labels"]["num_across_cameras"]
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


@pytest.mark.parametrize(("num_capped", "expected"), [(2, []), (3, ["As many clusters as are allowed"])])
def test_a_few_small_cameras_may_have_as_many_clusters_as_are_allowed(
    titles_of, make_record, statistics, num_capped, expected
):
    record = make_record(1)
    cameras = {str(number): statistics(num_clusters=42 if number < num_capped else 41) for number in range(5)}
    record["stage1"]["pseudo_labels"] = cameras  # 85 crops each
    assert titles_of(record, data={}) == expected


def test_losses_that_do_not_fall(titles_of, make_record):
    records = [make_record(number) for number in (1, 2, 3)]
    for record, loss in zip(records, (2.0, 1.0, 2.0), strict=True):
        record["stage2"]["loss"] = loss
    assert titles_of(*records) == ["The loss does not fall"]
    assert titles_of(*records[:2]) == []  # two rounds are too few to tell


def test_one_round_above_the_first_is_no_loss_that_does_not_fall(titles_of, make_record):
    records = [make_record(number) for number in range(1, 7)]
    for record, loss in zip(records, (2.7, 2.9, 2.8, 2.6, 2.5, 2.7), strict=True):
        record["stage2"]["loss"] = loss
    assert titles_of(*records) == []
    for record, loss in zip(records, (2.7, 2.8, 2.0, 2.0, 2.9, 2.6), strict=True):
        record["stage2"]["loss"] = loss
    assert titles_of(*records) == ["The loss does not fall"]


def test_losses_that_are_no_numbers(titles_of, make_record):
    record = make_record(1)
    record["stage1"]["loss"] = None  # as NaN is recorded
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


def test_flags_of_iics_are_no_advice_to_other_methods(make_run, statistics):
    lone = statistics(largest_share=0.9, num_singletons=60, camera_entropy_normalized=0.01, num_across_cameras=1)
    record = {"round": 1, "memory": {"loss": 1.0, "num_steps": 0, "pseudo_labels": lone}}
    advice = [
        "".join(warning.advice for warning in run_warnings(make_run(record, settings={"rounds": 1, **method})))
        for method in ({}, {"method": "iics"}, {"method": "memory"})
    ]
    assert advice[0] == advice[1]
    assert "--stage1" in advice[0]
    assert "--stage2" in advice[0]
    assert "--stage" not in advice[2]
    assert "fewer clusters over all cameras, keep --norm aibn" in advice[2]


def test_any_stage_is_looked_at(make_run, statistics):
    records = [
        {"round": number, "memory": {"loss": 1.0, "num_steps": 0, "pseudo_labels": statistics(largest_share=0.9)}}
        for number in (1, 2, 3)
    ]
    found = {warning.title: warning.finding for warning in run_warnings(make_run(*records, data={}))}
    assert found["One giant cluster"].startswith("In round 3 one cluster holds 90 % of the crops of all cameras.")
    assert found["The loss does not fall"].startswith(
        "From the first third of the rounds to the last: memory training from 1.00 to"
    )
    assert found["A stage took no step"].startswith("memory training in round 1, memory training in round 2")


def clustered(camera_weight, *, num_people=20, num_cameras=4, num_crops=6, collapse=0.0):
    """Statistics of real clusters of made features: a person, a camera, a little noise; collapse pulls all together."""
    rng = np.random.default_rng(0)
    people, cameras, common = rng.normal(size=(num_people, 32)), rng.normal(size=(num_cameras, 32)), rng.normal(size=32)
    person = np.repeat(np.arange(num_people), num_cameras * num_crops)
    camera = np.tile(np.repeat(np.arange(num_cameras), num_crops), num_people)
    features = people[person] + camera_weight * cameras[camera] + 0.2 * rng.normal(size=(len(person), 32))
    features = (1 - collapse) * features / np.linalg.norm(features, axis=1, keepdims=True)
    # What is left of a collapsed feature is noise, and a few crops that were never drawn in.
    features += collapse * common / np.linalg.norm(common) + (collapse > 0) * rng.standard_t(1.5, features.shape) * 0.01
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    distance = (1 - features @ features.T).clip(0).astype(np.float32)
    labels = cut_number(linkage_in_place(np.maximum(distance, distance.T)), num_people)
    return asdict(describe_pseudo_labels(PseudoLabels(labels, num_people), camera))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"camera_weight": 0.3}, []),
        ({"camera_weight": 3.0}, ["A cluster far larger than the others", "No cluster spans two cameras"]),
        ({"camera_weight": 0.3, "collapse": 1.0}, ["One giant cluster"]),
    ],
)
def test_clusters_of_healthy_camera_bound_and_collapsed_features_are_told_apart(
    titles_of, make_record, changes, expected
):
    record = make_record(1)
    record["stage2"]["pseudo_labels"] = clustered(**changes)
    assert titles_of(record) == expected


def test_no_warning_after_one_round_says_what_is_not_known_yet(make_run, make_record):
    text = nothing_found(make_run(make_record(1, with_identities=False)))
    assert text.startswith(
        "None of these was seen after 1 round: one giant cluster, training clusters that keep to one"
    )
    assert "a loss that is no number" in text
    assert text.endswith(
        "That is no praise. Not known from this: whether clusters are stable, which takes two rounds; whether the loss "
        "falls, which takes 3; whether people are found across cameras, which takes identities or marked matches; how "
        "much of the camera is in the features that a search compares (iics evaluate RUN DATA)."
    )


def test_no_warning_after_three_measured_rounds_leaves_less_unknown(make_run, make_record):
    text = nothing_found(make_run(*map(make_record, (1, 2, 3))))
    assert "a loss that does not fall" in text
    assert "a fall of mAP" in text
    assert text.endswith(
        "Not known from this: how much of the camera is in the features that a search compares (iics "
        "evaluate RUN DATA)."
    )


@pytest.mark.parametrize(("broken", "expected"), [(10, []), (11, ["Many tracklets seem broken"])])
def test_more_than_a_tenth_of_broken_tracklets(titles_of, make_record, broken, expected):
    record = make_record(1)
    record["stage2"] |= {"tracklets": 100, "broken_tracklets": broken}
    assert titles_of(record) == expected
