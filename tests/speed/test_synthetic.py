"""Synthetic features and scores."""

from __future__ import annotations

import numpy as np
import torch

from iics.speed.synthetic import synthetic_crops


def test_features_are_normalised_and_scores_sum_to_the_number_of_cameras():
    crops = synthetic_crops(50, num_cameras=3, num_scores=20, num_features=16)
    assert crops.features.shape == (50, 16)
    assert crops.scores.shape == (50, 20)
    torch.testing.assert_close(crops.features.norm(dim=1), torch.ones(50))
    torch.testing.assert_close(crops.scores.sum(dim=1), torch.full((50,), 3.0))
    assert crops.num_cameras == 3
    assert np.unique(crops.camera_ids).tolist() == [0, 1, 2]


def test_crops_of_one_identity_and_of_one_camera_are_closer():
    crops = synthetic_crops(400, num_cameras=4, num_scores=40, num_features=64)
    cosines = (crops.features @ crops.features.T).numpy()
    is_same = crops.identity_ids[:, None] == crops.identity_ids
    is_near = crops.camera_ids[:, None] == crops.camera_ids
    np.fill_diagonal(is_same, val=False)
    assert cosines[is_same & ~is_near].mean() > cosines[~is_same & is_near].mean() + 0.1
    assert cosines[~is_same & is_near].mean() > cosines[~is_same & ~is_near].mean() + 0.05


def test_overlap_of_scores_knows_the_identity_across_cameras():
    crops = synthetic_crops(400, num_cameras=4, num_scores=80, num_features=64)
    overlap = crops.similarity(mu=0.02).overlap.matrix()
    is_same = crops.identity_ids[:, None] == crops.identity_ids
    is_across = crops.camera_ids[:, None] != crops.camera_ids
    assert overlap[is_same & is_across].mean() > 1.2 * overlap[~is_same & is_across].mean()


def test_the_seed_decides():
    first, again, other = (synthetic_crops(20, num_scores=6, num_features=8, seed=seed) for seed in (1, 1, 2))
    assert first.features.equal(again.features)
    assert first.scores.equal(again.scores)
    assert not first.features.equal(other.features)


def test_more_scores_than_crops_and_uneven_cameras():
    crops = synthetic_crops(7, num_cameras=2, num_scores=31, num_features=8)
    torch.testing.assert_close(crops.scores.sum(dim=1), torch.full((7,), 2.0))
