"""The rule that the benchmark of numbers of clusters compares with training's."""

from __future__ import annotations

import numpy as np

from benchmarks.number_of_clusters import number_with_most_links
from iics.clustering.average_linkage import linkage_in_place
from iics.clustering.cuts import cut_number


def linkage_of(points: np.ndarray) -> np.ndarray:
    return linkage_in_place(np.abs(np.subtract.outer(points, points)).astype(np.float32))


def links(labels: np.ndarray, camera_ids: np.ndarray) -> int:
    return sum(len(set(camera_ids[labels == label])) - 1 for label in set(labels))


def test_two_people_seen_by_two_cameras_have_the_most_links_apart():
    # Joined in this order: 0 and 1, 2 and 3, then both pairs. Links with 4, 3, 2 and 1 clusters: 0, 1, 2, 1.
    assert number_with_most_links(linkage_of(np.array([0.0, 1, 10, 12])), np.array([0, 1, 0, 1]), min_number=2) == 2


def test_the_number_has_the_most_links_of_all_cuts_and_is_the_smallest_such():
    generator = np.random.default_rng(0)
    camera_ids = generator.integers(5, size=60)
    linkage = linkage_of(generator.uniform(0, 40, size=60))
    counted = {number: links(cut_number(linkage, number), camera_ids) for number in range(2, 31)}
    most = max(counted.values())
    expected = min(number for number, count in counted.items() if count == most)
    assert number_with_most_links(linkage, camera_ids, min_number=2) == expected
    assert number_with_most_links(linkage, camera_ids, min_number=29) in (29, 30)
