"""The numbers behind Fig. 1 and Fig. 3."""

from pathlib import Path

import numpy as np

from iics.crops import CropSet
from iics.paper.figure_data import (
    MOST_CROPS,
    CameraFeatures,
    drawn_crops,
    save_arrays,
    similarity_histograms,
)


def at_angles(*degrees):
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_moments_hold_what_is_counted_of_each_kind_of_pair():
    features = {"start": at_angles(0, 0, 60, 180), "end": at_angles(0, 90, 180, 270)}
    cameras, people = np.array([0, 0, 1, 0]), np.array([1, 1, 1, 2])
    histograms = similarity_histograms(features, camera_ids=cameras, identity_ids=people)
    assert (histograms.moments, histograms.num_sampled) == (("start", "end"), 4)
    assert histograms.edges[[0, -1]].tolist() == [-1, 1]
    # Of 4 crops: one pair of one person in one camera (cosine 1), two across cameras (0.5), two of different people in
    # one camera (-1), one across (-0.5); each from both its ends.
    assert histograms.counts[0].sum(axis=1).tolist() == [2, 4, 4, 2]
    assert histograms.counts[0, 0, -1] == 2
    assert histograms.counts[0, 1, 149:151].sum() == 4
    assert histograms.counts[0, 2, 0] == 4
    np.testing.assert_allclose(histograms.means[0], [1, 0.5, -1, -0.5], atol=1e-6)
    np.testing.assert_allclose(histograms.means[1], [0, -0.5, -0.5, 0], atol=1e-6)


def test_a_kind_without_pairs_has_no_mean():
    one = np.ones(2, dtype=np.int64)
    histograms = similarity_histograms({"start": at_angles(0, 9)}, camera_ids=one, identity_ids=one)
    assert np.isnan(histograms.means[0]).tolist() == [False, True, True, True]


def test_junk_and_distractors_are_of_no_identity():
    cameras, people = np.array([0, 0, 0]), np.array([-1, -1, 0])
    histograms = similarity_histograms({"start": at_angles(0, 9, 18)}, camera_ids=cameras, identity_ids=people)
    assert histograms.counts.sum() == 0


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
