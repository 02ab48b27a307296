"""What features make of tracklets, with features as angles: similarity is the cosine of their difference."""

from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.evaluation.tracklet_agreement import tracklet_agreement


def angles(*degrees):
    radians = np.deg2rad(np.array(degrees, dtype=np.float64))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def crops_of(tracklets, times, cameras=None):
    cameras = np.zeros(len(tracklets), np.int64) if cameras is None else np.array(cameras)
    paths = tuple(Path(f"{number}.png") for number in range(len(tracklets)))
    names = tuple(str(camera) for camera in range(cameras.max() + 1))
    return CropSet(paths, cameras, names, tracklet_ids=tracklets, times=times)


def test_two_tracklets_well_apart():
    agreement = tracklet_agreement(angles(0, 60, 0, 60), crops_of([0, 1, 0, 1], [1.0, 1.0, 2.0, 2.0]))
    assert agreement.coherence == 1
    assert (agreement.num_same, agreement.num_apart, agreement.num_independent) == (4, 2, 1)
    assert agreement.same_similarity == pytest.approx(1)
    assert agreement.apart_similarity == pytest.approx(0.5)
    assert agreement.roc_area == 1


def test_tracklets_that_cross_are_less_coherent():
    # 0 and 1 swap places: each crop's nearest in the other picture is of the other tracklet, but for the last two
    agreement = tracklet_agreement(
        angles(0, 80, 80, 0, 180, 180), crops_of([0, 1, 0, 1, 2, 2], [1.0, 1.0, 2.0, 2.0, 3.0, 4.0])
    )
    assert agreement.coherence == pytest.approx(2 / 6)
    assert agreement.num_crops == 6
    assert agreement.apart_similarity == pytest.approx(np.cos(np.deg2rad(80)), abs=1e-6)


def test_the_area_is_the_chance_that_the_one_pair_exceeds_the_other():
    # one tracklet: cos 60 = 0.5, four times; two people: cos 90 = 0, cos 0 = 1
    agreement = tracklet_agreement(angles(0, 90, 60, 60), crops_of([0, 1, 0, 2], [1.0, 1.0, 2.0, 2.0]))
    assert agreement.num_same == 2
    assert agreement.roc_area == pytest.approx(0.5)


def test_only_the_same_camera_is_looked_at():
    features = angles(0, 10, 1, 3)
    far = tracklet_agreement(features, crops_of([0, 0, 1, 1], [1.0, 2.0, 3.0, 4.0], cameras=[0, 0, 1, 1]))
    near = tracklet_agreement(features, crops_of([0, 0, 1, 1], [1.0, 2.0, 3.0, 4.0]))
    assert far.coherence == 1
    assert near.coherence == 0.25  # the last crop alone finds its own


def test_without_pictures_every_other_crop_may_be_nearest():
    crops = crops_of([0, 0, 1, 1], None)
    agreement = tracklet_agreement(angles(0, 1, 90, 91), crops)
    assert (agreement.coherence, agreement.num_apart, agreement.roc_area, agreement.thresholds) == (1, 0, None, ())


def test_too_few_pairs_give_no_threshold():
    agreement = tracklet_agreement(angles(0, 60, 0, 60), crops_of([0, 1, 0, 1], [1.0, 1.0, 2.0, 2.0]))
    assert [threshold.similarity for threshold in agreement.thresholds] == [None, None, None]
    assert "Needs at least 1,000 pairs of different tracklets, got 1." in "\n".join(agreement.lines())
