"""Broken tracklets: those that jump are found by their two halves; whole ones are left whole."""

from __future__ import annotations

import numpy as np
import pytest

from iics.labelling.broken_tracklets import LEAST_TRACKLETS, broken_below, find_broken, split_each


def people(num_people, crops_each, *, noise=0.15, seed=0):
    """Return features of people in 32 dimensions, a tracklet of so many crops each."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(num_people, 32)), crops_each, axis=0)
    features = centres + noise * np.sqrt(32) * rng.normal(size=centres.shape) / np.sqrt(32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features.astype(np.float32), np.repeat(np.arange(num_people), crops_each)


def from_angles(*degrees):
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def plain_split(features):
    """The best of all splits in two by the sum of the lengths of both sides' sums: what two means look for."""
    num_crops, best = len(features), (-np.inf, None)
    for bits in range(1, 2 ** (num_crops - 1)):
        side = np.array([(bits >> i) & 1 for i in range(num_crops)], dtype=bool)
        score = np.linalg.norm(features[side].sum(0)) + np.linalg.norm(features[~side].sum(0))
        best = max(best, (score, tuple(side)))
    return np.array(best[1])


def test_a_split_worked_by_hand():
    # 0 and 10 degrees against 90: the mean of cos 90 and cos 80.
    across, is_other = split_each(from_angles(0, 90, 10), np.arange(3), np.array([0, 3]))
    assert across == pytest.approx([(np.cos(np.pi / 2) + np.cos(np.deg2rad(80))) / 2], abs=1e-6)
    assert is_other[0] == is_other[2] != is_other[1]


def test_splits_equal_the_best_of_all_where_two_individuals_are_in_one_tracklet():
    features, who = people(40, 3)
    rows, starts = np.arange(120), np.arange(0, 121, 6)  # two people each
    _, is_other = split_each(features, rows, starts)
    for start in starts[:-1]:
        found, plain = is_other[start : start + 6], plain_split(features[start : start + 6])
        assert np.array_equal(found, plain) or np.array_equal(found, ~plain)
        assert (found[:3] != found[3:]).all()
    assert who[2] != who[3]


def test_copies_and_single_crops_are_not_split():
    across, is_other = split_each(from_angles(5, 5, 5, 70), np.arange(4), np.array([0, 3, 4]))
    assert across.tolist() == [1, 1]
    assert not is_other.any()


def test_the_threshold_is_the_lowest_of_three():
    sharp, wide = np.array([0.8, 0.8, 0.8, 0.9, 0.7]), np.array([0.6, 0.7, 0.8, 0.9, 1.0])
    sharp_glued, wide_glued = np.array([0.2, 0.2, 0.2, 0.4, 0.1]), np.array([0.0, 0.1, 0.2, 0.3, 0.4])
    assert broken_below(sharp, wide_glued) == pytest.approx(0.5)  # half-way
    assert broken_below(wide, sharp_glued) == pytest.approx(0.2)  # as many spreads: 0 above the glued ones
    # Where broken ones would look like whole ones, few are called broken: two spreads below the median.
    assert broken_below(wide, wide) == pytest.approx(0.8 - 2 * 1.4826 * 0.1)


def test_tracklets_that_jump_are_found_and_split_where_they_jump():
    features, who = people(60, 6)
    tracklets = who.copy()
    jumped = np.arange(0, 60, 15)
    for one in jumped:  # the later half of the next person goes on under this one's number
        tracklets[(who == one + 1).nonzero()[0][3:]] = one
    found = find_broken(features, tracklets, np.zeros(len(who), dtype=np.int64))
    assert found.num_broken == len(jumped)
    assert set(tracklets[found.was_broken]) == set(jumped)
    for part in np.unique(found.parts):
        assert len(set(who[found.parts == part])) == 1
    assert found.parts.max() + 1 == 60 + len(jumped)


def test_a_tracklet_of_three_individuals_is_split_twice():
    features, who = people(60, 6)
    tracklets = np.unique(np.where(who < 3, 0, who), return_inverse=True)[1]
    found = find_broken(features, tracklets, np.zeros(len(who), dtype=np.int64))
    assert found.num_broken == 1
    assert [len(set(found.parts[who == one])) for one in range(3)] == [1, 1, 1]
    assert len(set(found.parts[who < 3])) == 3


def test_few_tracklets_are_never_called_broken():
    features, tracklets = people(LEAST_TRACKLETS - 1, 4)
    features[2:4] = features[50:52]
    found = find_broken(features, tracklets, np.zeros(len(tracklets), dtype=np.int64))
    assert found.num_broken == 0
    assert np.array_equal(found.parts, tracklets)


def test_without_another_tracklet_of_the_camera_none_is_called_broken():
    features, tracklets = people(30, 4)
    found = find_broken(features, tracklets, tracklets)
    assert found.num_broken == 0


def test_features_that_know_nobody_break_few_tracklets():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2000, 16)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    tracklets = np.repeat(np.arange(400), 5)
    found = find_broken(features, tracklets, np.zeros(2000, dtype=np.int64))
    assert found.num_broken < 0.05 * 400
