"""Pseudo-labels and their statistics."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from iics.labelling.pseudo_labels import PseudoLabels, compare_partitions, describe_pseudo_labels


def pseudo(*labels: int) -> PseudoLabels:
    return PseudoLabels(np.array(labels), num_clusters=max(labels) + 1)


def test_labels_are_a_read_only_copy_and_have_sizes():
    given = np.array([0, 1, 1, 2], dtype=np.int32)
    labels = PseudoLabels(given, num_clusters=3)
    given[0] = 2
    assert labels.labels.tolist() == [0, 1, 1, 2]
    assert labels.labels.dtype == np.int64
    assert labels.sizes.tolist() == [1, 2, 1]
    with pytest.raises(ValueError, match="read-only"):
        labels.labels[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        labels.num_clusters = 4


@pytest.mark.parametrize(
    ("labels", "num_clusters", "message"),
    [
        ([0, 2], 3, "3 clusters need labels 0 to 2 without gaps, got 2 different ones from 0 to 2"),
        ([0, 1, 2], 2, "2 clusters need labels 0 to 1 without gaps, got 3 different ones"),
        ([0, 1], 3, "3 clusters need labels 0 to 2 without gaps, got 2 different ones from 0 to 1"),
        ([-2, 0], 1, "1 clusters need labels 0 to 0 without gaps, got 2 different ones from -2 to 0"),
        ([-1, -1], 1, "1 clusters need labels 0 to 0 without gaps, got 0 different ones from -1 to -1"),
        ([0.0, 1.0], 2, r"labels must be integers of shape \(crops,\), got float64 \(2,\)"),
        ([[0, 1]], 2, r"got int64 \(1, 2\)"),
        (np.empty(0, dtype=np.int64), 0, r"got int64 \(0,\)"),
    ],
)
def test_labels_with_gaps_are_refused(labels, num_clusters, message):
    with pytest.raises(ValueError, match=message):
        PseudoLabels(np.array(labels), num_clusters=num_clusters)


def test_crops_of_no_cluster_count_for_no_cluster():
    labels = pseudo(0, -1, 1, 1, -1)
    assert (labels.num_clusters, labels.num_labelled) == (2, 3)
    assert labels.sizes.tolist() == [1, 2]
    assert labels.is_labelled.tolist() == [True, False, True, True, False]
    nobody = PseudoLabels(np.array([-1, -1]), num_clusters=0)
    assert (nobody.num_labelled, nobody.sizes.tolist()) == (0, [])


def test_crops_of_no_cluster_are_left_out_of_the_statistics():
    labels, cameras, people = [0, -1, 1, 0, -1, 1], [0, 1, 0, 1, 0, 0], [7, 7, 8, 7, 8, 9]
    found = describe_pseudo_labels(pseudo(*labels), cameras, people)
    kept = [0, 2, 3, 5]
    expected = describe_pseudo_labels(pseudo(0, 1, 0, 1), [cameras[at] for at in kept], [people[at] for at in kept])
    assert found == dataclasses.replace(expected, largest_share=2 / 6, labelled_share=4 / 6)


def test_no_cluster_at_all_has_no_statistics():
    with pytest.raises(ValueError, match="None of 3 crops belongs to a cluster"):
        describe_pseudo_labels(PseudoLabels(np.full(3, -1), num_clusters=0), [0, 0, 1])


def test_sizes_worked_by_hand():
    statistics = describe_pseudo_labels(pseudo(0, 0, 0, 1, 2, 2), [0] * 6)
    assert statistics.num_clusters == 3
    assert statistics.num_singletons == 1
    assert statistics.largest_share == 0.5
    assert (statistics.min_size, statistics.median_size, statistics.max_size) == (1, 2.0, 3)
    assert statistics.size_counts == ((1, 1), (2, 1), (3, 1))


def test_clusters_of_one_size_are_one_count():
    assert describe_pseudo_labels(pseudo(0, 0, 1, 2, 2), [0] * 5).size_counts == ((1, 1), (2, 2))


def test_camera_entropy_worked_by_hand():
    # Cluster 0 is seen by two cameras equally, cluster 1 by one: (4 ln 2 + 2 * 0) / 6, of at most ln 3.
    statistics = describe_pseudo_labels(pseudo(0, 0, 0, 0, 1, 1), [0, 0, 5, 5, 9, 9])
    assert statistics.camera_entropy == pytest.approx(4 / 6 * math.log(2))
    assert statistics.camera_entropy_normalized == pytest.approx(4 / 6 * math.log(2) / math.log(3))


def test_evenly_mixed_cameras_have_entropy_one_and_one_camera_has_zero():
    assert describe_pseudo_labels(pseudo(0, 0, 0), [0, 1, 2]).camera_entropy_normalized == pytest.approx(1)
    alone = describe_pseudo_labels(pseudo(0, 0, 1), [4, 4, 4])
    assert (alone.camera_entropy, alone.camera_entropy_normalized) == (0, 0)


def test_precision_and_recall_worked_by_hand():
    # Pairs in one cluster: 3 + 1, of which one identity 1 + 1; pairs of one identity: 1 (of 7) + 3 (of 8).
    statistics = describe_pseudo_labels(pseudo(0, 0, 0, 1, 1), [0] * 5, [7, 7, 8, 8, 8])
    assert statistics.pairwise_precision == 2 / 4
    assert statistics.pairwise_recall == 2 / 4


@pytest.mark.parametrize("seed", range(4))
def test_agreement_equals_scikit_learn_and_counted_pairs(seed):
    generator = np.random.default_rng(seed)
    identities = generator.integers(1, 12, 200)
    labels = np.unique(
        np.where(generator.random(200) < 0.4, generator.integers(20, 40, 200), identities), return_inverse=True
    )[1]
    statistics = describe_pseudo_labels(pseudo(*labels), generator.integers(0, 3, 200), identities)
    assert statistics.adjusted_rand_index == pytest.approx(adjusted_rand_score(identities, labels))
    assert statistics.normalized_mutual_information == pytest.approx(normalized_mutual_info_score(identities, labels))
    pairs = list(itertools.combinations(range(200), 2))
    together = [labels[i] == labels[j] for i, j in pairs]
    same = [identities[i] == identities[j] for i, j in pairs]
    both = sum(a and b for a, b in zip(together, same, strict=True))
    assert statistics.pairwise_precision == pytest.approx(both / sum(together))
    assert statistics.pairwise_recall == pytest.approx(both / sum(same))


def test_statistics_do_not_depend_on_the_order_of_crops_or_the_numbers_of_clusters():
    generator = np.random.default_rng(0)
    labels, cameras, identities = np.arange(40) % 7, generator.integers(0, 3, 40), generator.integers(1, 9, 40)
    order = generator.permutation(40)
    first = describe_pseudo_labels(pseudo(*labels), cameras, identities)
    second = describe_pseudo_labels(pseudo(*(6 - labels)[order]), cameras[order], identities[order])
    one, other = dataclasses.asdict(first), dataclasses.asdict(second)
    assert one.pop("size_counts") == other.pop("size_counts")
    assert one == pytest.approx(other)


def test_perfect_clusters_score_one():
    statistics = describe_pseudo_labels(pseudo(0, 0, 1, 2, 2), [0, 1, 0, 0, 1], [5, 5, 3, 9, 9])
    assert statistics.adjusted_rand_index == pytest.approx(1)
    assert statistics.normalized_mutual_information == pytest.approx(1)
    assert (statistics.pairwise_precision, statistics.pairwise_recall) == (1, 1)


def test_junk_and_distractors_count_for_sizes_only():
    with_them = describe_pseudo_labels(pseudo(0, 0, 1, 1, 0), [0] * 5, [4, 4, 6, -1, 0])
    without = describe_pseudo_labels(pseudo(0, 0, 1), [0] * 3, [4, 4, 6])
    assert with_them.max_size == 3
    assert with_them.pairwise_precision == without.pairwise_precision == 1
    assert with_them.adjusted_rand_index == without.adjusted_rand_index


@pytest.mark.parametrize("identities", [None, [-1, 0, 0]])
def test_agreement_is_none_without_identities(identities):
    statistics = describe_pseudo_labels(pseudo(0, 1, 1), [0, 1, 1], identities)
    assert statistics.adjusted_rand_index is None
    assert statistics.normalized_mutual_information is None
    assert statistics.pairwise_precision is None
    assert statistics.pairwise_recall is None


@pytest.mark.parametrize(
    ("labels", "identities"), [([0], [3]), ([0, 1], [3, 4]), ([0, 0], [3, 3]), ([0, 1], [3, 3]), ([0, 0], [3, 4])]
)
def test_agreement_of_tiny_partitions_equals_scikit_learn(labels, identities):
    statistics = describe_pseudo_labels(pseudo(*labels), [0] * len(labels), identities)
    assert statistics.adjusted_rand_index == adjusted_rand_score(identities, labels)
    assert statistics.normalized_mutual_information == pytest.approx(normalized_mutual_info_score(identities, labels))


def test_lengths_must_agree():
    with pytest.raises(ValueError, match=r"2 labels need 2 camera_ids, got shape \(3,\)"):
        describe_pseudo_labels(pseudo(0, 1), [0, 1, 2])
    with pytest.raises(ValueError, match=r"2 labels need 2 identity_ids, got shape \(1,\)"):
        describe_pseudo_labels(pseudo(0, 1), [0, 1], [4])


def test_clusters_across_cameras_are_counted():
    assert describe_pseudo_labels(pseudo(0, 0, 1, 1, 2), [0, 1, 1, 1, 0]).num_across_cameras == 1
    assert describe_pseudo_labels(pseudo(0, 0, 1), [3, 3, 3]).num_across_cameras == 0


@pytest.mark.parametrize("seed", range(3))
def test_agreement_of_partitions_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    before, after = rng.integers(0, 5, 40), rng.integers(0, 7, 40)
    found = compare_partitions(before, after)
    assert found.adjusted_rand_index == pytest.approx(adjusted_rand_score(before, after))
    assert found.normalized_mutual_information == pytest.approx(normalized_mutual_info_score(before, after))


def test_partitions_of_different_crops_are_refused():
    with pytest.raises(ValueError, match="3 labels need 3 labels before, got shape"):
        compare_partitions([0, 1], [0, 1, 1])
