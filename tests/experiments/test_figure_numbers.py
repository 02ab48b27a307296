"""The numbers behind Fig. 1 and Fig. 3."""

from pathlib import Path

import numpy as np
import pytest

from iics.data.crops import CropSet
from iics.experiments.figure_numbers import (
    MOST_CROPS,
    NUM_BINS,
    PAIR_KINDS,
    CameraFeatures,
    drawn_crops,
    save_arrays,
    similarity_histograms,
)


def at_angles(*degrees):
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_each_kind_of_pair_is_counted_where_its_similarity_lies():
    features = at_angles(0, 0, 60, 180)
    histograms = similarity_histograms(
        {"start": features}, camera_ids=np.array([0, 0, 1, 0]), identity_ids=np.array([1, 1, 1, 2])
    )
    assert histograms.moments == ("start",)
    assert histograms.edges[[0, -1]].tolist() == [-1, 1]
    # Of 4 crops: one pair of one person in one camera (cosine 1), two across cameras (0.5), two of different people in
    # one camera (-1), one across (-0.5).
    assert histograms.counts[0].sum(axis=1).tolist() == [1, 2, 2, 1]
    assert histograms.counts[0, 0, NUM_BINS - 1] == 1
    assert histograms.counts[0, 1, 74:76].sum() == 2
    assert histograms.counts[0, 2, 0] == 2
    np.testing.assert_allclose(histograms.means[0], [1, 0.5, -1, -0.5], atol=1e-6)


def test_histograms_agree_with_the_matrix_of_all_pairs():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 5)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    cameras, people = rng.integers(0, 3, 40), rng.integers(0, 5, 40)
    histograms = similarity_histograms({"one": features, "two": -features}, camera_ids=cameras, identity_ids=people)
    i, j = np.triu_indices(40, 1)
    similarity = (features @ features.T)[i, j]
    for kind, name in enumerate(PAIR_KINDS):
        same_person, same_camera = name.startswith("same identity"), name.endswith("same camera")
        chosen = ((people[i] == people[j]) == same_person) & ((cameras[i] == cameras[j]) == same_camera)
        assert histograms.counts[0, kind].sum() == chosen.sum()
        assert histograms.means[1, kind] == pytest.approx(similarity[chosen].mean(), abs=1e-5)


def test_a_kind_without_pairs_has_no_mean():
    histograms = similarity_histograms({"start": at_angles(0, 9)}, camera_ids=np.zeros(2), identity_ids=np.zeros(2))
    assert np.isnan(histograms.means[0, 1:]).all()


def test_large_sets_are_drawn_from_and_always_alike():
    number = MOST_CROPS + 10
    paths = tuple(Path(f"{i}.jpg") for i in range(number))
    crops = CropSet(paths, np.zeros(number, dtype=np.int64), ("a",))
    assert len(drawn_crops(crops)) == MOST_CROPS
    assert drawn_crops(crops).paths == drawn_crops(crops).paths
    assert drawn_crops(drawn_crops(crops)).paths == drawn_crops(crops).paths


def test_arrays_are_kept_under_their_names_without_pickle(tmp_path):
    one = at_angles(0, 90)
    features = CameraFeatures(one, -one, np.array([0, 1]), np.array([1, 1]), ("hall", "Tür"))
    save_arrays(tmp_path / "figure1.npz", features)
    with np.load(tmp_path / "figure1.npz", allow_pickle=False) as read:
        assert set(read) == {"before", "after", "camera_ids", "identity_ids", "camera_names"}
        assert read["camera_names"].tolist() == ["hall", "Tür"]
        np.testing.assert_array_equal(read["after"], -one)
