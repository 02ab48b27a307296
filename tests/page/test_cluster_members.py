"""Typical and doubtful members, from angles that can be checked in the head."""

import numpy as np
import pytest

from iics.page.cluster_members import (
    clusters_by_members,
    doubtful_members,
    largest_first,
    member_doubts,
    most_doubtful_first,
    typical_members,
)


def at_angles(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def cosine(degrees):
    return pytest.approx(np.cos(np.radians(degrees)), abs=1e-5)


# Cluster 0 at 0, 10 and 70 degrees, cluster 1 at 80 and 100, cluster 2 alone at 180.
FEATURES, LABELS = at_angles(0, 10, 70, 80, 100, 180), np.array([0, 0, 0, 1, 1, 2])


def test_a_member_is_compared_with_the_mean_of_the_others():
    doubts = member_doubts(FEATURES, LABELS)
    assert doubts.own_similarity[0] == cosine(40)  # the others are at 10 and 70
    assert doubts.own_similarity[2] == cosine(65)  # the others are at 0 and 10
    assert doubts.own_similarity[3] == cosine(20)


def test_the_nearest_other_cluster_is_by_its_mean():
    doubts = member_doubts(FEATURES, LABELS)
    assert doubts.nearest_other.tolist()[:3] == [1, 1, 1]
    assert doubts.other_similarity[2] == cosine(20)  # the mean of 80 and 100 is at 90
    assert doubts.other_similarity[5] == cosine(90)


def test_a_member_nearer_to_another_cluster_is_doubtful():
    assert (member_doubts(FEATURES, LABELS).doubt[:5] > 0).tolist() == [False, False, True, False, False]


def test_a_single_crop_has_no_own_similarity_and_no_doubt():
    doubts = member_doubts(FEATURES, LABELS)
    assert np.isnan([doubts.own_similarity[5], doubts.doubt[5]]).all()
    assert clusters_by_members(LABELS, doubts)[2].doubtful_share is None


def test_one_cluster_has_no_other():
    doubts = member_doubts(FEATURES, np.zeros(6, dtype=np.int64))
    assert np.isnan(doubts.other_similarity).all()
    assert doubts.nearest_other.tolist() == [-1] * 6
    (cluster,) = clusters_by_members(np.zeros(6, dtype=np.int64), doubts)
    assert cluster.doubtful_share is None


def test_crops_without_a_cluster_are_no_members():
    labels = np.array([0, 0, -1, 1, 1, -1])
    doubts = member_doubts(FEATURES, labels)
    assert np.isnan(doubts.own_similarity[[2, 5]]).all()
    assert [cluster.members.tolist() for cluster in clusters_by_members(labels, doubts)] == [[0, 1], [3, 4]]


def test_members_are_sorted_from_typical_to_odd():
    clusters = clusters_by_members(LABELS, member_doubts(FEATURES, LABELS))
    assert typical_members(clusters[0], 2).tolist() == [1, 0]  # 25 and 40 degrees from the others
    assert typical_members(clusters[0], 9).tolist() == [1, 0, 2]


def test_the_most_doubtful_member_comes_first():
    doubts = member_doubts(FEATURES, LABELS)
    clusters = clusters_by_members(LABELS, doubts)
    assert doubtful_members(clusters[0], doubts, 1).tolist() == [2]
    assert doubtful_members(clusters[2], doubts, 1).tolist() == []


def test_clusters_are_sorted_by_size_or_by_doubt():
    clusters = clusters_by_members(LABELS[::-1].copy(), member_doubts(FEATURES[::-1].copy(), LABELS[::-1].copy()))
    assert [cluster.label for cluster in largest_first(clusters)] == [0, 1, 2]
    assert [cluster.label for cluster in most_doubtful_first(clusters)] == [0, 1, 2]  # 1/3, 0, not known
    assert clusters[0].doubtful_share == pytest.approx(1 / 3)


def test_order_of_crops_changes_no_number():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(50, 8)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    labels, order = rng.integers(0, 5, 50), rng.permutation(50)
    straight, shuffled = member_doubts(features, labels), member_doubts(features[order], labels[order])
    np.testing.assert_allclose(straight.doubt[order], shuffled.doubt, atol=1e-5)


def test_blocks_change_no_number(monkeypatch):
    whole = member_doubts(FEATURES, LABELS)
    monkeypatch.setattr("iics.page.cluster_members._ROWS_AT_ONCE", 2)
    np.testing.assert_allclose(member_doubts(FEATURES, LABELS).doubt, whole.doubt, atol=1e-6)
