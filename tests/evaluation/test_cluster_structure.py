"""What features fall into."""

from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.evaluation.cluster_structure import cluster_structure


def people_in_cameras(num_people, num_cameras, crops_each=3, *, camera=0.0, noise=0.05):
    generator = np.random.default_rng(0)
    people = generator.standard_normal((num_people, 1, 1, 64))
    casts = camera * generator.standard_normal((1, num_cameras, 1, 64))
    features = people + casts + noise * generator.standard_normal((num_people, num_cameras, crops_each, 64))
    features = features.reshape(-1, 64)
    cameras = np.tile(np.repeat(np.arange(num_cameras), crops_each), num_people)
    paths = tuple(Path(f"{number}.png") for number in range(len(cameras)))
    crops = CropSet(paths, cameras, tuple(map(str, range(num_cameras))))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32), crops


def test_people_well_apart_are_found_over_cameras():
    found = cluster_structure(*people_in_cameras(12, 3))
    assert found.num_clusters == 12
    assert found.silhouette > 0.9
    assert (found.singleton_share, found.median_size, found.spanning_share) == (0, 9, 1)
    assert found.camera_entropy_normalized == pytest.approx(1)


def test_strong_cameras_leave_clusters_of_one_camera():
    features, crops = people_in_cameras(12, 3, camera=0.8)
    weak, strong = cluster_structure(*people_in_cameras(12, 3)), cluster_structure(features, crops)
    assert strong.silhouette < weak.silhouette - 0.3


def test_where_only_cameras_differ_there_are_no_clusters_to_describe():
    found = cluster_structure(*people_in_cameras(12, 3, camera=5.0))
    assert (found.num_clusters, found.silhouette) == (1, 0)
    assert (found.singleton_share, found.spanning_share, found.camera_entropy_normalized) == (None, None, None)
    assert "no cut of any number of clusters" in " ".join("\n".join(found.lines()).split())


def test_one_camera_has_no_mixture():
    found = cluster_structure(*people_in_cameras(8, 1))
    assert found.num_clusters == 8
    assert (found.spanning_share, found.camera_entropy_normalized) == (None, None)
    assert "span" not in "\n".join(found.lines())


def test_a_sample_is_drawn_by_the_seed():
    features, crops = people_in_cameras(20, 2)
    first, again = (cluster_structure(features, crops, seed=4, max_crops=60) for _ in range(2))
    assert first == again
    assert first.num_crops == 60


def test_features_stay_as_they_are():
    features, crops = people_in_cameras(5, 2)
    before = features.copy()
    cluster_structure(features, crops)
    np.testing.assert_array_equal(features, before)
