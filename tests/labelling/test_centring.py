"""Camera-centred features, beside the plain formula."""

import numpy as np
import pytest
import torch

from iics.labelling.centring import camera_centred


def features_of(*sizes, d=8, seed=0):
    generator = np.random.default_rng(seed)
    cameras = np.repeat(np.arange(len(sizes)), sizes)
    raw = generator.normal(size=(len(cameras), d)) + 3 * generator.normal(size=(len(sizes), d))[cameras]
    return torch.from_numpy(unit(raw)).float(), cameras


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("centring", ["mean", "scaled"])
def test_each_camera_is_centred_by_its_own_crops(centring):
    features, cameras = features_of(30, 40)
    found = camera_centred(features, cameras, centring=centring).numpy()
    for camera in (0, 1):
        rows = features.numpy()[cameras == camera].astype(np.float64)
        left = rows - rows.mean(axis=0)
        expected = unit(left / rows.std(axis=0) if centring == "scaled" else left)
        np.testing.assert_allclose(found[cameras == camera], expected, atol=1e-5)


def test_off_changes_nothing():
    features, cameras = features_of(30, 40)
    assert camera_centred(features, cameras, centring="off") is features


def test_what_all_crops_of_a_camera_share_is_gone_and_one_person_is_nearest_across_cameras():
    generator = np.random.default_rng(1)
    people = generator.normal(size=(30, 16))
    shifts = 5 * generator.normal(size=(2, 16))
    features = torch.from_numpy(unit(np.concatenate([people + shift for shift in shifts]))).float()
    cameras = np.repeat([0, 1], 30)

    def share_found(rows):
        return float((torch.mm(rows[:30], rows[30:].T).argmax(dim=1) == torch.arange(30)).float().mean())

    assert share_found(features) < 0.7
    assert share_found(camera_centred(features, cameras, centring="mean")) == 1


def test_small_cameras_are_centred_by_all_crops_of_small_cameras_together():
    features, cameras = features_of(40, 20, 10)
    found = camera_centred(features, cameras, centring="mean").numpy()
    small = features.numpy()[cameras > 0]
    np.testing.assert_allclose(found[cameras > 0], unit(small - small.mean(axis=0)), atol=1e-5)


def test_one_small_camera_is_centred_by_all_crops_of_all_cameras():
    features, cameras = features_of(40, 1)
    found = camera_centred(features, cameras, centring="mean").numpy()
    everything = features.numpy()
    np.testing.assert_allclose(found[-1:], unit(everything[-1:] - everything.mean(axis=0)), atol=1e-5)


def test_a_channel_that_never_moves_stays_0_and_finite():
    features, cameras = features_of(30, 30)
    features[:, 3] = 0
    found = camera_centred(features, cameras, centring="scaled")
    assert torch.isfinite(found).all()
    assert (found[:, 3] == 0).all()
