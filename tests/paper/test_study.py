"""What the tables start from: fewer identities, halves of the cameras, and the settings of either preset."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iics import presets
from iics.crops import CropSet
from iics.data_splits import DataSplits
from iics.errors import DataError
from iics.paper.study import make_study, quick_settings
from iics.paper.study_data import camera_halves, num_identities, with_fewer_identities
from iics.readers.benchmarks import load_sample


@pytest.fixture(scope="module")
def sample():
    return load_sample()


@pytest.fixture
def make_splits():
    """Three splits without files: every identity once by every camera; junk and distractors in the gallery."""

    def make(identities, cameras, *, name="made", has_identities=True):
        def crops(split, people):
            pairs = [(person, camera) for person in people for camera in range(cameras)]
            ids = np.array([person for person, _ in pairs]) if has_identities else None
            paths = tuple(Path(f"{split}/{person}-{camera}.jpg") for person, camera in pairs)
            names = tuple(str(camera + 1) for camera in range(cameras))
            return CropSet(paths, np.array([camera for _, camera in pairs]), names, ids, name=f"{name} {split}")

        train, tested = range(1, identities + 1), range(1001, 1001 + identities)
        return DataSplits(name, crops("train", train), crops("query", tested), crops("gallery", [-1, 0, *tested]))

    return make


def test_fewer_identities_are_whole_and_always_the_same(make_splits):
    splits = make_splits(20, 3)
    few = with_fewer_identities(splits, num_train=5, num_test=4)
    again = with_fewer_identities(splits, num_train=5, num_test=4)
    assert (num_identities(few.train), num_identities(few.query), num_identities(few.gallery)) == (5, 4, 4)
    assert (len(few.train), len(few.query), len(few.gallery)) == (15, 12, 12)
    assert set(few.query.identity_ids) == set(few.gallery.identity_ids)
    assert few.train.fingerprint() == again.train.fingerprint()
    assert few.train.name == "made train, 5 identities"


def test_junk_and_distractors_stay_where_all_test_identities_do(make_splits):
    splits = make_splits(4, 3)
    few = with_fewer_identities(splits, num_train=2, num_test=4)
    assert few.gallery is splits.gallery
    assert set(few.gallery.identity_ids) >= {-1, 0}


def test_quick_trains_on_half_of_the_samples_people_and_tests_on_all_others(sample):
    study = make_study(sample, preset="quick")
    assert (num_identities(study.splits.train), num_identities(study.splits.query)) == (75, 150)
    assert study.splits.gallery is sample.gallery
    assert study.splits.train.num_cameras == 6


def test_halves_of_the_cameras_share_no_camera_and_keep_every_crop(make_splits):
    splits = make_splits(6, 5)
    first, second = camera_halves(splits)
    assert (first.name, second.name) == ("cameras 1, 2, 3", "cameras 4, 5")
    for part in ("train", "query", "gallery"):
        one, other = getattr(first, part), getattr(second, part)
        assert set(one.camera_ids) == {0, 1, 2}
        assert set(other.camera_ids) == {3, 4}
        assert len(one) + len(other) == len(getattr(splits, part))


def test_three_cameras_have_no_halves(make_splits):
    with pytest.raises(DataError, match=r"takes 4 cameras, made train has 3\. Name a second data set with --other"):
        camera_halves(make_splits(6, 3))


def test_a_second_data_set_takes_the_place_of_halves(make_splits):
    splits, other = make_splits(6, 3), make_splits(6, 3, name="other")
    study = make_study(splits, preset="paper", other=other)
    assert study.sides() == (splits, other)


def test_data_without_identities_is_refused(make_splits):
    with pytest.raises(DataError, match="made train has no identities; the tables measure against them"):
        make_study(make_splits(3, 2, has_identities=False), preset="quick")


def test_data_without_a_query_is_refused(make_splits):
    with pytest.raises(DataError, match="made has no query and gallery"):
        make_study(DataSplits("made", make_splits(3, 2).train), preset="quick")


def test_quick_has_the_papers_clusters_per_identity():
    at_751 = quick_settings(751)
    assert (at_751.stage1.clusters.number, at_751.stage2.clusters.number) == (600, 800)
    at_75 = quick_settings(75)
    assert (at_75.stage1.clusters.number, at_75.stage2.clusters.number) == (60, 80)
    assert at_75.stage1.clusters.rule == at_75.stage2.clusters.rule == "fixed"
    assert (at_75.model.backbone, at_75.model.height, at_75.model.width) == ("efficientnet_lite0", 128, 64)
    assert quick_settings(1).stage1.clusters.number == 2


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        ("market1501", presets.MARKET1501),
        ("dukemtmc", presets.DUKEMTMC),
        ("msmt17", presets.MSMT17),
        ("market-layout", presets.IICS),
    ],
)
def test_the_papers_preset_fits_the_data_and_compares_by_cosine(make_splits, name, preset):
    study = make_study(make_splits(3, 2, name=name), preset="paper", weights="none", device="cpu")
    expected = replace(
        preset,
        model=replace(preset.model, weights="none"),
        distance=replace(preset.distance, kind="cosine"),
        device="cpu",
    )
    assert study.settings == expected
    assert study.supervised == replace(expected, method="supervised")
    assert study.splits.train.name == f"{name} train"
