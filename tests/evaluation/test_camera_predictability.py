"""Whether the camera can be told from features."""

from pathlib import Path

import numpy as np

from iics.crops import CropSet
from iics.evaluation.camera_predictability import camera_predictability


def crops_of(cameras, tracklets=None):
    paths = tuple(Path(f"{number}.png") for number in range(len(cameras)))
    return CropSet(paths, np.array(cameras), tuple(map(str, range(max(cameras) + 1))), tracklet_ids=tracklets)


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
