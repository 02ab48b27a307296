"""Tracklets in every method: crops of one share their label, what is apart does not, and the record says so."""

from dataclasses import replace

import numpy as np
import pytest

from iics.config import ClusterSettings
from iics.errors import SettingsError, TrainingError
from iics.methods.by_name import method_of, with_own_settings
from iics.methods.density_labels import LabelSettings
from iics.methods.density_round import RoundSettings
from iics.methods.iics.stage1 import train_stage1
from iics.methods.iics.stage2 import train_stage2
from iics.runs.record import StageRecord
from iics.tracklet_settings import TrackletSettings

TRACKLETS = np.arange(24) // 3  # eight of three crops, four in each of two cameras
LINKED = TrackletSettings(must_link=True, apart="frames")


@pytest.fixture
def crops(make_crops):
    times = np.full(24, np.nan)
    times[[0, 3]] = 1.0  # tracklets 0 and 1 of the first camera share a frame
    return replace(make_crops([12, 12]), tracklet_ids=TRACKLETS, times=times)


@pytest.fixture
def linked(tiny_settings):
    one_epoch = {"epochs": 1, "clusters": ClusterSettings(number=2)}
    stage1 = replace(tiny_settings.stage1, crops_per_camera=4, **one_epoch)
    stage2 = replace(tiny_settings.stage2, clusters_per_batch=2, crops_per_cluster=2, **one_epoch)
    return replace(tiny_settings, tracklets=LINKED, stage1=stage1, stage2=stage2)


def assert_linked_and_apart(result):
    labels = result.labels
    for tracklet in range(8):
        assert len(set(labels[tracklet == TRACKLETS])) == 1
    assert labels[0] != labels[3] or labels[0] == -1
    terms = StageRecord.of(result.record, "stage").terms
    assert terms["tracklets"] == 8
    assert terms["crops_a_tracklet"] == 3
    assert terms["broken_tracklets"] == 0
    assert terms["apart_pairs"] == 1
    assert terms["violated_pairs"] == 0


def test_both_stages_of_iics_label_tracklets(crops, linked, make_context):
    context = make_context(crops, settings=linked)
    first = train_stage1(context, {})
    assert_linked_and_apart(first)
    assert_linked_and_apart(train_stage2(context, first.state))


@pytest.mark.parametrize("method", ["cluster-contrast", "camera-proxies"])
def test_methods_of_density_rounds_label_tracklets(crops, linked, make_context, method):
    settings = with_own_settings(replace(linked, method=method))
    labels = LabelSettings(distance="cosine", clusters=ClusterSettings(number=4))
    own = replace(settings.own, labels=labels, work=RoundSettings(epochs=1, clusters_per_batch=2, crops_per_cluster=2))
    settings = replace(settings, own=own)
    (stage,) = method_of(settings).stages(settings)
    assert_linked_and_apart(stage.train(make_context(crops, settings=settings), {}))


def test_without_the_settings_tracklets_change_nothing(crops, linked, make_context):
    plain = replace(linked, tracklets=TrackletSettings())
    with_them, without = (
        train_stage1(make_context(of, settings=plain), {}) for of in (crops, replace(crops, tracklet_ids=None))
    )
    assert np.array_equal(with_them.labels, without.labels)
    assert with_them.record == without.record
    assert "tracklets" not in with_them.record


@pytest.mark.parametrize("method", ["iics", "cluster-contrast", "camera-proxies"])
def test_every_method_refuses_tracklets_that_are_not_there(make_crops, linked, method):
    settings = with_own_settings(replace(linked, method=method))
    with pytest.raises(TrainingError, match=r"--tracklets.must-link needs tracklets of two crops or more"):
        method_of(settings).check(make_crops([12, 12]), settings)


def test_supervised_training_refuses_them(make_crops, linked):
    settings = replace(linked, method="supervised")
    with pytest.raises(SettingsError, match="say how pseudo-labels are found; supervised training has none"):
        method_of(settings).check(make_crops([2, 2], identity_ids=[1, 1, 2, 2]), settings)
