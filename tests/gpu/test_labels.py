"""Pseudo-labels from features on a device against those on the CPU: Eq. 9, Eq. 5, cosines, re-ranking's input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from iics.config import ClusterSettings, DistanceSettings
from iics.labelling.labeller import labeller_of
from iics.models.heads import BNNeckHead, classifier_scores
from iics.similarity.cosine import CosineSimilarity
from iics.similarity.inter_camera import inter_camera_similarity
from iics.similarity.pair_histograms import pair_histograms
from iics.similarity.score_overlap import _overlap_by_torch, score_overlap
from iics.speed.synthetic import synthetic_crops

pytestmark = pytest.mark.gpu

MU = 0.02


@pytest.fixture(scope="module")
def crops():
    return synthetic_crops(600, num_cameras=3, num_scores=60, num_features=64)


@pytest.fixture(scope="module")
def there(crops, device):
    """The same crops on the device."""
    return replace(crops, features=crops.features.to(device), scores=crops.scores.to(device))


def test_eq_9_on_a_device_is_that_of_the_cpu(crops, there):
    overlap = _overlap_by_torch(there.scores)
    assert overlap.device == there.scores.device
    assert torch.equal(overlap, overlap.T)
    torch.testing.assert_close(overlap.cpu(), score_overlap(crops.scores, num_cameras=3), rtol=0, atol=1e-5)
    if overlap.device.type != "cpu":
        assert torch.equal(overlap, score_overlap(there.scores, num_cameras=3))


def test_eq_5_on_a_device_is_that_of_the_cpu(crops, there, device):
    cameras = torch.from_numpy(crops.camera_ids)
    expected = inter_camera_similarity(crops.features, score_overlap(crops.scores, num_cameras=3), cameras, mu=MU)
    overlap = _overlap_by_torch(there.scores)
    found = inter_camera_similarity(there.features, overlap, cameras.to(device), mu=MU, out=overlap)
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=2e-5)
    assert torch.equal(found, found.T)


def test_similarities_come_back_as_arrays_that_re_ranking_may_overwrite(crops, there):
    for matrix in (there.similarity(mu=MU).matrix(), CosineSimilarity(there.features).matrix()):
        assert isinstance(matrix, np.ndarray)
        assert matrix.flags.writeable
        assert np.array_equal(matrix, matrix.T)
    np.testing.assert_allclose(there.similarity(mu=MU).matrix(), crops.similarity(mu=MU).matrix(), atol=2e-5)


def test_cosines_by_block_and_by_pair_are_those_of_the_cpu(crops, there):
    first, second = np.arange(0, 600, 7), np.arange(5, 605, 7)[:86] % 600
    for ours, theirs in (
        (CosineSimilarity(crops.features), CosineSimilarity(there.features)),
        (crops.similarity(mu=MU), there.similarity(mu=MU)),
    ):
        np.testing.assert_allclose(theirs.block(first, slice(3, 40)), ours.block(first, slice(3, 40)), atol=1e-5)
        np.testing.assert_allclose(theirs.pairs(first, second), ours.pairs(first, second), atol=1e-5)


@pytest.mark.parametrize("max_dense", [600, 100])
@pytest.mark.parametrize("kind", ["cosine", "reranked"])
def test_labels_are_those_of_the_cpu(crops, there, kind, max_dense):
    settings = DistanceSettings(kind=kind, max_dense_crops=max_dense)
    labeller = labeller_of(settings, ClusterSettings(number=35))
    expected, found = (labeller.label(each.similarity(mu=MU)) for each in (crops, there))
    assert found.num_clusters == expected.num_clusters
    assert (found.labels == expected.labels).mean() > 0.99  # a last bit may decide between two merges


def test_scores_of_heads_are_those_of_the_cpu(crops, there, device):
    heads = [BNNeckHead(64, 20, generator=torch.Generator().manual_seed(camera)) for camera in range(3)]
    expected = classifier_scores(crops.features, heads)
    found = classifier_scores(there.features, [head.to(device) for head in heads])
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-5, atol=1e-6)


def test_histograms_of_pairs_are_those_of_the_cpu(crops, there):
    expected, found = (pair_histograms(each.features, crops.camera_ids, crops.identity_ids) for each in (crops, there))
    for kind, histogram in expected.pairs.items():
        assert found.pairs[kind].num_pairs == histogram.num_pairs
        assert found.pairs[kind].mean == pytest.approx(histogram.mean, abs=1e-5)
