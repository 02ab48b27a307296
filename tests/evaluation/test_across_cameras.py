"""Matches across cameras, against a plain reference and by features worked out by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.errors import EvaluationError
from iics.evaluation.across_cameras import NUM_MATCHES, NUM_NEAREST, across_cameras, matches_across


def crops_of(cameras):
    names = tuple(f"camera {number}" for number in range(max(cameras) + 1))
    return CropSet(tuple(Path(f"{number}.png") for number in range(len(cameras))), np.array(cameras), names)


def normalised(features):
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


def at_angles(degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def people(num_people, num_cameras, noise, seed=0):
    """Two crops of each person in each camera, in as many channels as it takes."""
    generator = np.random.default_rng(seed)
    each = generator.standard_normal((num_people, 64))
    features = np.repeat(each, 2 * num_cameras, axis=0)
    features = features + noise * generator.standard_normal(features.shape)
    return normalised(features), crops_of(np.tile(np.repeat(np.arange(num_cameras), 2), num_people).tolist())


def plain(features, cameras):
    """The three definitions, crop by crop; for features without equals."""
    n = len(features)
    similarity = (features @ features.T).astype(np.float64)
    agreement, near, best = [], [], []
    between = [similarity[i, j] for i in range(n) for j in range(n) if cameras[i] != cameras[j]]

    def matches(i):
        others = [j for j in range(n) if cameras[j] != cameras[i]]
        return sorted(others, key=lambda j: -similarity[i, j])[:NUM_MATCHES]

    for i in range(n):
        neighbour = max((j for j in range(n) if j != i and cameras[j] == cameras[i]), key=lambda j: similarity[i, j])
        agreement.append(len(set(matches(i)) & set(matches(neighbour))) / NUM_MATCHES)
        nearest = sorted((j for j in range(n) if j != i), key=lambda j: -similarity[i, j])[:NUM_NEAREST]
        share = np.mean([cameras[j] != cameras[i] for j in nearest])
        near.append(share / (sum(cameras[j] != cameras[i] for j in range(n)) / (n - 1)))
        best.append((similarity[i, matches(i)[0]] - np.mean(between)) / np.std(between))
    return np.mean(agreement), np.mean(near), np.mean(best)


def test_the_three_numbers_are_as_they_are_defined():
    features, crops = people(12, 3, noise=1.0)
    found = across_cameras(features, crops)
    expected = plain(features, crops.camera_ids)
    assert (found.agreement, found.near_other_cameras, found.distinctness) == pytest.approx(expected, abs=1e-4)
    assert found.score == found.agreement * found.near_other_cameras * found.distinctness


def test_two_people_in_two_cameras_are_worked_out_by_hand():
    # Two crops of each in each camera, equal; people at a right angle. Matches are the 4 crops of the other camera.
    found = across_cameras(at_angles([0, 0, 90, 90, 0, 0, 90, 90]), crops_of([0, 0, 0, 0, 1, 1, 1, 1]))
    assert found.agreement == 1
    assert found.near_other_cameras == pytest.approx(1)  # all 7 others are nearest
    assert found.distinctness == pytest.approx((1 - 0.5) / 0.5)


def test_noise_lowers_the_score():
    scores = [across_cameras(*people(30, 3, noise=noise)).score for noise in (0.3, 1, 2, 30)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 10 * scores[-1]


def test_a_camera_in_the_features_lowers_the_score():
    features, crops = people(30, 3, noise=1)
    of_camera = np.random.default_rng(1).standard_normal((3, 64))[crops.camera_ids]
    scores = [across_cameras(normalised(features + weight * of_camera), crops).score for weight in (0, 0.1, 0.3)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 10 * scores[-1]


@pytest.mark.parametrize("spread", [0, 1e-4])
def test_features_that_are_all_the_same_score_nothing(spread):
    features, crops = people(20, 2, noise=0.1)
    noise = np.random.default_rng(0).standard_normal(features.shape)
    found = across_cameras(normalised(features[:1] + spread * noise), crops)
    assert found.score < 0.05


def test_few_crops_and_a_camera_of_one_crop_can_be_looked_at():
    found = across_cameras(at_angles([0, 10, 20]), crops_of([0, 0, 1]))
    assert found.agreement == 1
    assert across_cameras(at_angles([0, 10]), crops_of([0, 1])).score == 0  # no crop has a neighbour


def test_one_camera_has_no_matches():
    features, crops = people(5, 2, noise=0.1)
    assert across_cameras(features, replace(crops, camera_ids=np.zeros(len(crops), np.int64))) is None


def test_of_many_crops_some_are_drawn_with_the_seed():
    features, crops = people(20, 2, noise=1.0)
    found = [across_cameras(features, crops, seed=seed, max_crops=30) for seed in (0, 0, 1)]
    assert found[0].num_crops == 30
    assert found[0] == found[1] != found[2]


def test_features_of_other_crops_are_refused():
    features, crops = people(5, 2, noise=0.1)
    with pytest.raises(EvaluationError, match="20 crops need as many rows of features"):
        across_cameras(features[:7], crops)


def test_matches_are_of_other_cameras_from_the_most_similar():
    found = matches_across(at_angles([0, 5, 20, 60]), np.array([0, 0, 1, 1]), num_matches=3)
    assert found.indices.tolist() == [[2, 3, -1], [2, 3, -1], [1, 0, -1], [1, 0, -1]]
    assert found.similarities[0, :2] == pytest.approx(np.cos(np.radians([20, 60])))
    assert np.isnan(found.similarities[:, 2]).all()
