"""f' = (f - m_c) / |f - m_c|: which mean a camera has, and when `auto` takes it off."""

from __future__ import annotations

import numpy as np
import pytest

from iics.errors import WeightsError
from iics.models import centre_choice
from iics.models.camera_means import CameraMeans
from iics.models.centre_choice import centre_features, choose_centre, share_mixed, share_with_partner, spread_over
from iics.models.centring import FEWEST_CROPS, CameraCentres, centred, own_means


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def at_degrees(*degrees):
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


MEANS = CameraMeans(("hall", "yard"), (99, 99), np.array([[0.5, 0], [0, 0.5]], np.float32), np.float32([0.25, 0.25]))


def test_a_feature_less_its_mean_has_length_1_worked_by_hand():
    moved = centred(at_degrees(0, 90), np.array([[0.5, 0], [1, 0]], np.float32))
    np.testing.assert_allclose(moved, [[1, 0], unit(np.array([-1.0, 1.0]))], atol=1e-6)
    almost = at_degrees(0) * np.float32(1 + 1e-6)
    for mean in (at_degrees(0), almost):
        assert np.array_equal(centred(at_degrees(0), mean), [[1, 0]]), "nothing but rounding is left"


@pytest.mark.parametrize(("count", "source"), [(FEWEST_CROPS, "own"), (FEWEST_CROPS - 1, "all")])
def test_a_camera_that_training_did_not_see_needs_25_crops_for_a_mean(count, source):
    features = at_degrees(*range(count + 4))
    cameras = np.array([0] * count + [1] * 4)
    names = ["new", "yard"]
    centres = CameraCentres.of(MEANS, names, own_means(features, cameras, names))
    assert centres.sources == (source, "training")
    expected = features[:count].mean(axis=0) if source == "own" else MEANS.of_all
    np.testing.assert_allclose(centres.centres, [expected, [0, 0.5]], atol=1e-6)
    np.testing.assert_allclose(centres.centred(features, cameras), unit(features - centres.centres[cameras]), atol=1e-6)
    (note,) = centres.unseen_notes()
    assert note.startswith("Training saw fewer than 25 crops of camera new")
    assert ("mean of all training cameras" in note) == (source == "all")


@pytest.mark.parametrize("trained_on", [FEWEST_CROPS - 1, FEWEST_CROPS])
def test_a_camera_of_few_training_crops_is_centred_as_one_that_training_did_not_see(trained_on):
    means = CameraMeans(("hall", "yard"), (trained_on, 99), MEANS.means, MEANS.of_all)
    features = at_degrees(*range(30), *range(40, 44))
    cameras, names = np.array([0] * 30 + [1] * 4), ["hall", "yard"]
    centres = CameraCentres.of(means, names, own_means(features, cameras, names))
    is_few = trained_on < FEWEST_CROPS
    assert centres.sources == ("own" if is_few else "training", "training")
    expected = features[:30].mean(axis=0) if is_few else MEANS.means[0]
    np.testing.assert_allclose(centres.centres[0], expected, atol=1e-6)
    (found,) = CameraCentres.of(means, ["hall"], own_means(features[:3], cameras[:3], names)).sources
    assert found == ("all" if is_few else "training")


def people(push, *, seed=0):
    """Features of 40 people, twice in each of two cameras, with a push of the camera; camera names."""
    generator = np.random.default_rng(seed)
    faces = np.tile(generator.standard_normal((40, 32)), (4, 1))
    cameras = np.repeat(["hall", "yard"], 80)
    pushes = {"hall": generator.standard_normal(32), "yard": generator.standard_normal(32)}
    shares = generator.uniform(0, 2, (160, 1))
    noise = 0.7 * generator.standard_normal((160, 32))
    return unit(faces + noise + push * shares * np.array([pushes[name] for name in cameras])), list(cameras)


def means_of(features, cameras):
    return CameraMeans.of(features, np.array([["hall", "yard"].index(name) for name in cameras]), ["hall", "yard"])


def test_partners_are_mutual_nearest_in_each_pair_of_cameras_against_plain_loops():
    features, _ = people(1.0)
    ids = np.random.default_rng(3).integers(0, 3, len(features))
    similarity = features @ features.T

    def nearest(crop, camera):
        return max(np.flatnonzero(ids == camera), key=lambda other: similarity[crop, other])

    found = possible = 0
    for one, other in ((0, 1), (0, 2), (1, 2)):
        found += sum(nearest(nearest(crop, other), one) == crop for crop in np.flatnonzero(ids == one))
        possible += min((ids == one).sum(), (ids == other).sum())
    assert share_with_partner(similarity, ids) == pytest.approx(found / possible)


def test_mixed_counts_other_cameras_among_the_ten_nearest_against_plain_loops():
    features, _ = people(1.0)
    ids = np.random.default_rng(3).integers(0, 3, len(features))
    similarity = features @ features.T
    shares = []
    for crop in range(len(features)):
        others = sorted((k for k in range(len(features)) if k != crop), key=lambda k: -similarity[crop, k])[:10]
        shares.append(np.mean([ids[k] != ids[crop] for k in others]))
    assert share_mixed(similarity, ids) == pytest.approx(np.mean(shares))
    assert share_mixed(similarity[:3, :3], np.array([0, 0, 1])) == pytest.approx((0.5 + 0.5 + 1) / 3)


def test_auto_centres_where_cameras_push_and_says_why():
    features, cameras = people(2.0)
    found, choice = centre_features(features, cameras, means=means_of(features, cameras), centre="auto")
    assert choice.is_centred
    assert choice.mixed_centred > choice.mixed
    assert choice.partners_centred > choice.partners
    assert choice.reason.startswith("Features are centred: ")
    means = means_of(features, cameras)
    expected = unit(features - np.array([means.means[means.names.index(name)] for name in cameras]))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_auto_leaves_features_whose_means_are_of_other_cameras():
    features, cameras = people(2.0)
    right = means_of(features, cameras)
    wrong = CameraMeans(("hall", "yard"), (99, 99), right.means[::-1], right.of_all)
    found, choice = centre_features(features, cameras, means=wrong, centre="auto")
    assert not choice.is_centred
    assert found is features
    assert choice.reason.startswith("Features are not centred: ")


def test_auto_has_nothing_to_decide_without_means_or_other_cameras():
    features, cameras = people(1.0)
    _, choice = centre_features(features, cameras, means=None, centre="auto")
    assert (choice.is_centred, choice.reason) == (False, "Features are not centred: the model has no camera means.")
    _, choice = centre_features(features[:80], cameras[:80], means=means_of(features, cameras), centre="auto")
    assert choice.reason == "Features are not centred: all crops are of one camera."


def test_off_needs_nothing_and_on_needs_means():
    features, cameras = people(1.0)
    assert centre_features(features, cameras, means=None, centre="off")[0] is features
    with pytest.raises(WeightsError, match=r"has no camera means.*iics train --resume RUN adds them"):
        centre_features(features, cameras, means=None, centre="on")


def test_of_many_crops_some_are_looked_at(monkeypatch):
    monkeypatch.setattr(centre_choice, "CROPS_LOOKED_AT", 4)
    assert spread_over(10).tolist() == [0, 2, 5, 7]
    assert spread_over(3).tolist() == [0, 1, 2]
    features, _ = people(2.0)
    means = CameraMeans(("hall", "yard"), (99, 99), features[[0, 80]] * 0.5, features.mean(axis=0))
    ids = np.repeat([0, 1], 80)
    own = own_means(features, ids, ["hall", "yard"])
    choice, _ = choose_centre("auto", means, ["hall", "yard"], own_mean=own, features=features, camera_ids=ids)
    chosen = features[[0, 40, 80, 120]]
    assert choice.partners == share_with_partner(chosen @ chosen.T, ids[[0, 40, 80, 120]])


def test_what_was_decided_is_logged_once_with_cameras_not_seen(caplog):
    features, cameras = people(2.0)
    means = means_of(features, cameras)
    unseen = CameraMeans(("hall",), (99,), means.means[:1], means.of_all)
    _, choice = centre_features(features, cameras, means=unseen, centre="on")
    with caplog.at_level("INFO"):
        choice.log()
    assert [record.getMessage() for record in caplog.records] == [
        "Training saw fewer than 25 crops of camera yard: centred by the mean of the crops that are here."
    ]
