"""Which pairs a calibration takes: features as angles, similarity the cosine of their difference."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.data_splits import DataSplits
from iics.errors import EvaluationError
from iics.evaluation import calibration
from iics.evaluation.calibration import check_calibratable, identity_thresholds, measured_thresholds, moment_thresholds


def angles(degrees):
    radians = np.deg2rad(np.asarray(degrees, dtype=np.float64))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def crops_of(identities, cameras, name="people", **known):
    paths = tuple(Path(f"{name}-{number}.png") for number in range(len(cameras)))
    identities = None if identities is None else np.array(identities)
    return CropSet(paths, np.array(cameras), ("a", "b"), identity_ids=identities, name=name, **known)


def many_people(num_people, *, cameras=(0, 1), name="people"):
    """Return angles and crops of people who are 2 degrees apart, each seen once by each camera."""
    people = np.repeat(np.arange(num_people), len(cameras))
    return angles(2 * people), crops_of(people + 1, np.tile(cameras, num_people), name)


def test_pairs_of_different_cameras_count_and_those_of_one_are_given_beside():
    features, crops = many_people(15)
    found = identity_thresholds(features, features, crops, crops, data="d", is_trained_on=False)
    assert found.calibration == "identities"
    assert (found.num_people, found.num_people_pairs) == (15, 105)
    assert found.num_different == 15 * 14 * 2  # each crop against 14 others of the other camera
    assert found.num_same == 30
    assert found.split == "query against gallery"
    _, one, five = found.thresholds
    assert five.similarity == pytest.approx(np.cos(np.deg2rad(2)), abs=1e-5)
    assert one.similarity == pytest.approx(five.similarity)
    assert five.found == 1


def test_one_set_is_compared_with_itself_each_pair_once():
    features, crops = many_people(15)
    found = identity_thresholds(features, None, crops, None, data="d", is_trained_on=True)
    assert (found.num_different, found.num_same, found.num_people_pairs) == (15 * 14, 15, 105)
    assert found.split == "all crops"
    assert "was trained on these crops" in found.limits
    both = identity_thresholds(features, features, crops, crops, data="d", is_trained_on=True)
    assert [at.similarity for at in found.thresholds] == [at.similarity for at in both.thresholds]


def test_junk_and_distractors_are_nobody():
    features, crops = many_people(15)
    ids = crops.identity_ids.copy()
    with_others = replace(crops, identity_ids=np.where(ids == 1, -1, np.where(ids == 2, 0, ids)))
    found = identity_thresholds(features, None, with_others, None, data="d", is_trained_on=None)
    assert found.num_people == 13
    assert "is not known" in found.limits


def test_same_camera_pairs_have_a_rate_of_their_own():
    # The second of two people is 1 degree from the first within a camera, and 40 between cameras.
    people, cameras = np.repeat(np.arange(20), 2), np.tile([0, 1], 20)
    features = angles(people + 40 * cameras)
    found = identity_thresholds(features, None, crops_of(people + 1, cameras), None, data="d", is_trained_on=False)
    five = found.thresholds[2]
    assert five.similarity < np.cos(np.deg2rad(20))
    assert five.same_camera_rate == 1
    assert five.found == 0


def test_larger_sets_are_drawn_from_the_same_each_time(monkeypatch):
    monkeypatch.setattr(calibration, "MAX_CROPS", 40)
    features, crops = many_people(60)
    first, second = (
        identity_thresholds(features, features, crops, crops, data="d", is_trained_on=False) for _ in range(2)
    )
    assert first == second
    assert first.num_different + first.num_same < 40 * 40


def test_people_of_the_only_camera_are_compared_within_it():
    features, crops = many_people(15, cameras=(0,))
    found = identity_thresholds(features, None, crops, None, data="d", is_trained_on=False)
    assert (found.calibration, found.num_people) == ("identities in one camera", 15)
    assert "All pairs are of one camera" in found.limits
    check_calibratable(DataSplits("d", train=crops))


def test_one_person_is_refused():
    crops = crops_of([1, 1], [0, 1])
    with pytest.raises(EvaluationError, match=r"^No two people of shop were seen by two cameras"):
        identity_thresholds(angles([0, 1]), None, crops, None, data="shop", is_trained_on=None)


def test_two_boxes_in_one_picture_are_two_people_and_a_tracklet_is_one():
    times = np.repeat(np.arange(8.0), 20)
    tracklets = np.tile(np.arange(20), 8)
    crops = crops_of(None, np.zeros(160, np.int64), times=times, tracklet_ids=tracklets)
    found = moment_thresholds(angles(3 * tracklets), crops, data="yard", is_trained_on=True)
    assert found.calibration == "tracklets and moments"
    assert (found.num_people, found.num_people_pairs, found.num_different, found.num_same) == (20, 190, 8 * 190, 160)
    _, one, five = found.thresholds
    assert five.similarity == pytest.approx(np.cos(np.deg2rad(3)), abs=1e-5)
    assert one.found == 1
    assert one.same_camera_rate is None
    assert "No pair spans two cameras" in found.limits


def test_boxes_without_tracklets_are_two_people_of_their_picture():
    paths = tuple(Path(f"{frame}.png") for frame in range(30) for _ in range(2))
    boxes = np.tile([[0, 0, 10, 20], [20, 0, 10, 20]], (30, 1))
    crops = CropSet(paths, np.zeros(60, np.int64), ("a",), boxes=boxes)
    found = moment_thresholds(angles(np.arange(60) * 3), crops, data="yard", is_trained_on=None)
    assert (found.num_different, found.num_people_pairs, found.num_same) == (30, 30, 0)
    assert "frames of the same people count as different people" in found.limits
    assert found.thresholds[2].found is None


def test_tested_people_come_before_trained_ones_and_those_before_moments():
    features, crops = many_people(15)
    tested, train = replace(crops, name="tested"), crops_of(crops.identity_ids, crops.camera_ids, "train")
    asked = []

    def features_of(asked_crops):
        asked.append(asked_crops.name)
        return features

    fingerprint = train.fingerprint()
    both = measured_thresholds(features_of, DataSplits("d", train, tested, tested), trained_on=fingerprint)
    assert (asked, both.is_trained_on, both.split) == (["tested", "tested"], False, "query against gallery")
    alone = measured_thresholds(features_of, DataSplits("d", train), trained_on=fingerprint)
    assert (asked[2:], alone.is_trained_on, alone.split) == (["train"], True, "all crops")
    assert measured_thresholds(features_of, DataSplits("d", train), trained_on="another").is_trained_on is None
    assert measured_thresholds(features_of, DataSplits("d", train)).is_trained_on is None
    unlabelled = crops_of(
        None, np.zeros(30, np.int64), times=np.repeat(np.arange(15.0), 2), tracklet_ids=np.tile([0, 1], 15)
    )
    moments = measured_thresholds(features_of, DataSplits("d", unlabelled))
    assert moments.calibration == "tracklets and moments"


def test_data_of_which_nothing_is_known_is_refused_before_any_feature():
    plain = DataSplits("shop", crops_of(None, [0, 1, 0]))
    with pytest.raises(EvaluationError, match=r"^No two crops of shop are known to be two people, .* Needed are"):
        check_calibratable(plain)
    with pytest.raises(EvaluationError, match=r"^No two crops of shop"):
        measured_thresholds(lambda crops: pytest.fail("embedded"), plain)
