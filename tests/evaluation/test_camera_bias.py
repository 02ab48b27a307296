"""How much of the camera is in the features; mixtures whose numbers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.evaluation import similarity_blocks
from iics.evaluation.camera_bias import camera_bias, camera_predictability


def crops_of(cameras, tracklets=None, names=None):
    paths = tuple(Path(f"{number}.png") for number in range(len(cameras)))
    names = names or tuple(f"c{camera}" for camera in range(max(cameras) + 1))
    return CropSet(paths, np.array(cameras), names, tracklet_ids=tracklets)


def test_features_that_are_all_equal_give_chance():
    features = np.tile(np.float32([1, 0, 0]), (60, 1))
    told = camera_predictability(features, crops_of([0] * 30 + [1] * 30))
    assert (told.by_centroid, told.by_plane) == (0.5, 0.5)


def test_cameras_count_alike_whatever_their_size():
    generator = np.random.default_rng(0)
    cameras = np.repeat([0, 1], [300, 30])
    features = generator.standard_normal((330, 16)).astype(np.float32)
    features[cameras == 1, 0] += 6
    told = camera_predictability(features, crops_of(cameras.tolist()))
    assert told.by_centroid > 0.95
    assert told.by_plane > 0.95


def test_a_plane_tells_what_means_do_not():
    # camera 0 lies on both sides of camera 1 along a wide axis; a small offset along another parts them
    generator = np.random.default_rng(0)
    cameras = np.repeat([0, 1], 150)
    features = np.stack([20 * generator.standard_normal(300), cameras + 0.1 * generator.standard_normal(300)], axis=1)
    told = camera_predictability(features.astype(np.float32), crops_of(cameras.tolist()))
    assert told.by_plane > 0.95
    assert told.by_centroid < 0.9


def test_two_tracklets_in_a_camera_are_too_few():
    tracklets = np.repeat(np.arange(4), 5)
    told = camera_predictability(np.eye(20, dtype=np.float32), crops_of((tracklets % 2).tolist(), tracklets))
    assert (told.by_centroid, told.by_plane) == (None, None)


def angles(*degrees):
    radians = np.deg2rad(np.array(degrees, dtype=np.float64))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def mixture(*, person, camera, num_people=40, num_cameras=3, seed=0):
    """Return features = person + camera, of those lengths, and crops: each person once in each camera."""
    generator = np.random.default_rng(seed)
    people = person * generator.standard_normal((num_people, 1, 32))
    cameras = camera * generator.standard_normal((1, num_cameras, 32))
    features = (people + cameras + 0.3 * generator.standard_normal((num_people, num_cameras, 32))).reshape(-1, 32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features.astype(np.float32), crops_of(np.tile(np.arange(num_cameras), num_people).tolist())


def test_neighbours_of_angles():
    # 0 and 1 are each other's nearest, in one camera; those of 2 and 3 are in two
    bias = camera_bias(angles(0, 1, 90, 91), crops_of([0, 0, 0, 1]), num_nearest=1)
    assert bias.across == 0.5
    assert bias.across_by_chance == pytest.approx((3 * 1 / 3 + 1) / 4)


def test_the_own_tracklet_is_no_neighbour():
    features = angles(0, 1, 5, 90)
    assert camera_bias(features, crops_of([0, 0, 1, 1]), num_nearest=1).across == 0.25  # 0-1, 1-0, 2-1, 3-2
    tracked = camera_bias(features, crops_of([0, 0, 1, 1], tracklets=[5, 5, -1, -1]), num_nearest=1)
    assert tracked.across == 0.75  # 0-2, 1-2, 2-1, 3-2
    assert tracked.across_by_chance == pytest.approx((1 + 1 + 2 / 3 + 2 / 3) / 4)


def test_crops_that_do_not_count_are_no_neighbours_however_many_are_asked_for():
    # of 0: 2 and 3, but not 1 of its tracklet; of 2 and 3: all others, two of three of the other camera
    bias = camera_bias(angles(0, 1, 5, 90), crops_of([0, 0, 1, 1], tracklets=[5, 5, -1, -1]), num_nearest=20)
    assert bias.across == pytest.approx((1 + 1 + 2 / 3 + 2 / 3) / 4)
    assert bias.across == pytest.approx(bias.across_by_chance)


def test_the_spread_is_that_of_pairs_between_cameras():
    bias = camera_bias(angles(0, 60, 90), crops_of([0, 0, 1]))
    assert bias.spread == pytest.approx(np.std([0, np.cos(np.deg2rad(30))]), abs=1e-6)


def test_mean_similarities_of_angles():
    bias = camera_bias(angles(0, 60, 90), crops_of([0, 0, 1]))
    assert bias.similarities[0] == pytest.approx((0.5, (0 + np.cos(np.deg2rad(30))) / 2), abs=1e-6)
    assert bias.similarities[1][1] is None  # one crop is no pair
    assert bias.within_similarity == pytest.approx(0.5)
    assert bias.between_similarity == pytest.approx(np.cos(np.deg2rad(30)) / 2, abs=1e-6)


def test_features_of_people_alone_show_little_of_the_camera():
    bias = camera_bias(*mixture(person=1, camera=0), num_nearest=1)
    assert bias.across > 0.95  # each person once a camera
    assert abs(bias.within_similarity - bias.between_similarity) < 0.05
    assert bias.by_centroid < 0.5
    assert bias.by_plane < 0.5


def test_features_of_cameras_alone_show_nothing_else():
    bias = camera_bias(*mixture(person=0, camera=1))
    assert bias.num_nearest == 20
    assert bias.across == 0
    assert bias.within_similarity - bias.between_similarity > 0.5
    assert (bias.by_centroid, bias.by_plane) == (1, 1)


def test_a_camera_without_crops_is_left_out():
    features, crops = mixture(person=1, camera=0.5, num_cameras=2)
    named = CropSet(crops.paths, crops.camera_ids * 2, ("door", "closed", "hall"))
    assert camera_bias(features, named).camera_names == ("door", "hall")
    assert camera_bias(features, named).similarities == camera_bias(features, crops).similarities


def test_cameras_of_few_crops_are_not_told():
    bias = camera_bias(angles(0, 1, 90, 91), crops_of([0, 0, 1, 1]))
    assert (bias.by_centroid, bias.by_plane) == (None, None)
    assert "told by" not in "\n".join(bias.lines())


def test_frames_of_one_tracklet_do_not_teach_the_camera():
    # 6 people, each in one camera only and 20 times: random frames would tell the person and so the camera
    generator = np.random.default_rng(3)
    people = np.repeat(generator.standard_normal((24, 64)), 20, axis=0)
    features = people + 0.01 * generator.standard_normal(people.shape)
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    tracklets = np.repeat(np.arange(24), 20)
    cameras = (tracklets % 2).tolist()
    assert camera_bias(features, crops_of(cameras, tracklets=tracklets)).by_plane < 0.8


def test_blocks_give_what_one_block_gives(monkeypatch):
    features, crops = mixture(person=1, camera=0.5)
    whole = camera_bias(features, crops)
    monkeypatch.setattr(similarity_blocks, "_WORK_SPACE_BYTES", 1)
    blocks = camera_bias(features, crops)
    assert blocks.across == whole.across
    assert blocks.across_by_chance == pytest.approx(whole.across_by_chance)


def test_a_sample_is_drawn_by_the_seed():
    features, crops = mixture(person=1, camera=0.7)
    first, again, other = (camera_bias(features, crops, seed=seed, max_crops=40) for seed in (1, 1, 2))
    assert first == again
    assert first.num_crops == 40
    assert first != other
    assert first.similarities == other.similarities  # of all crops, always


def test_a_matrix_too_wide_for_text_is_left_to_json():
    features, crops = mixture(person=1, camera=0.5, num_cameras=12)
    bias = camera_bias(features, crops)
    assert len(bias.similarities) == 12
    assert "12 x 12 numbers, in the JSON" in bias.lines()[-1]
    assert max(map(len, bias.lines())) <= 120


def test_one_camera_is_refused():
    with pytest.raises(ValueError, match="Camera bias compares cameras; it needs at least 2, got 1"):
        camera_bias(angles(0, 1), crops_of([0, 0]))


def test_cameras_of_one_crop_have_no_mean_of_their_own():
    """Rounding leaves a crop a similarity with itself that is not quite 1; warnings are errors here."""
    features = np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    bias = camera_bias(features, crops_of([0, 1, 2]))
    assert [row[at] for at, row in enumerate(bias.similarities)] == [None] * 3
