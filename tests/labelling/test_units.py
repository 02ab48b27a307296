"""Units: tracklets or crops, their means, and labels given back to the crops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from iics.clustering.apart import Apart
from iics.config import ClusterSettings, DistanceSettings
from iics.crops import CropSet
from iics.labelling.labeller import labeller_of
from iics.labelling.pseudo_labels import PseudoLabels
from iics.labelling.units import Units, linked, most_units_by_camera, single_crops, units_of
from iics.similarity.cosine import CosineSimilarity
from iics.similarity.score_overlap import check_scores
from iics.tracklet_settings import TrackletSettings


def crops_of(tracklets, cameras, **given):
    paths = tuple(Path(f"{at}.jpg") for at in range(len(cameras)))
    tracklets = None if tracklets is None else np.array(tracklets)
    return CropSet(paths, np.array(cameras), ("a", "b"), tracklet_ids=tracklets, **given)


def units(*of_crop, apart=None):
    return Units(np.array(of_crop), Apart.none() if apart is None else apart)


def test_single_crops_leave_rows_as_they_are_to_the_last_bit():
    rows = torch.rand(5, 3)
    assert single_crops(5).mean(rows) is rows
    assert single_crops(5).mean_features(rows) is rows


def test_means_are_those_of_a_plain_loop():
    of_crop, rows = np.array([2, 0, 2, 1, 0, 2]), F.normalize(torch.rand(6, 4), dim=1)
    plain = torch.stack([rows[of_crop == unit].mean(dim=0) for unit in range(3)])
    torch.testing.assert_close(units(*of_crop).mean(rows), plain)
    torch.testing.assert_close(units(*of_crop).mean_features(rows), F.normalize(plain, dim=1))


def test_the_mean_of_scores_is_a_score_of_each_head():
    scores = torch.cat([torch.rand(6, 4).softmax(dim=1), torch.rand(6, 7).softmax(dim=1)], dim=1)
    check_scores(units(0, 0, 0, 1, 2, 2).mean(scores), 2)


def test_labels_of_units_are_given_to_their_crops():
    found = units(0, 1, 0, 2).to_crops(PseudoLabels(np.array([1, -1, 0]), num_clusters=2))
    assert found.labels.tolist() == [1, -1, 1, 0]


def test_units_of_a_camera_are_numbered_anew_with_the_pairs_that_are_apart_there():
    all_units = units(0, 1, 0, 2, 3, 3, apart=Apart(np.array([0, 1]), np.array([2, 3])))
    own = all_units.of_crops(np.array([1, 4, 5]))
    assert own.of_crop.tolist() == [0, 1, 1]
    assert (own.apart.first.tolist(), own.apart.second.tolist()) == ([0], [1])


def test_most_clusters_is_half_of_the_crops_or_all_tracklets():
    assert single_crops(9).known(torch.eye(9)).most_clusters == 4
    assert units(0, 0, 0, 1, 1, 1, 1).known(torch.eye(7)).most_clusters == 2
    assert units(0, 0, 1, 2, 3).known(torch.eye(5)).most_clusters == 2


def test_the_silhouette_of_a_tracklet_alone_is_worked_by_hand():
    # Two crops 60 degrees apart, spread 1 - cos 60 = 0.5, their mean at 30; a crop at 150: 1 - cos 120 = 1.5 away.
    degrees = torch.deg2rad(torch.tensor([0.0, 60.0, 150.0]))
    known = units(0, 0, 1).known(torch.stack([degrees.cos(), degrees.sin()], dim=1))
    assert known.alone() == pytest.approx([(1.5 - 0.5) / 1.5, 0], abs=1e-6)
    assert single_crops(3).known(torch.eye(3)).alone is None


def test_the_automatic_number_leaves_tracklets_alone_that_nobody_resembles():
    # Ten people in one camera, one tight tracklet each, evenly around the circle: no merge is right.
    degrees = torch.deg2rad(torch.arange(10).repeat_interleave(3) * 36 + torch.tensor([0.0, 1.0, 2.0]).repeat(10))
    features = torch.stack([degrees.cos(), degrees.sin()], dim=1)
    of_tracklets = units(*np.repeat(np.arange(10), 3))
    similarity = CosineSimilarity(of_tracklets.mean_features(features))
    labeller = labeller_of(DistanceSettings(kind="cosine"), ClusterSettings(rule="auto"))
    assert labeller.label(similarity, known=of_tracklets.known(features)).num_clusters == 10
    assert labeller.label(similarity).num_clusters <= 5


def test_numbers_of_neighbours_are_divided_by_the_crops_a_tracklet():
    distance = DistanceSettings(kind="reranked", k1=20, k2=6)
    labeller = labeller_of(distance, ClusterSettings(rule="density", min_crops=4), crops_a_unit=5.0)
    by_hand = labeller_of(replace(distance, k1=4, k2=1), ClusterSettings())
    assert labeller.distance.num_neighbours(100) == by_hand.distance.num_neighbours(100)
    assert labeller.clustering.min_crops == 2


def test_crops_without_a_tracklet_are_units_of_their_own():
    crops = crops_of([5, -1, 5, -1, 2], [0, 0, 0, 1, 1])
    assert linked(crops).tolist() == [0, 1, 0, 2, 3]
    found = units_of(crops, torch.eye(5), TrackletSettings(must_link=True))
    assert found.of_crop.tolist() == [0, 1, 0, 2, 3]
    assert found.record(np.arange(5), crops.camera_ids)["tracklets"] == 2


def test_memory_counts_a_tracklet_twice_where_it_may_be_split():
    crops = crops_of([0, 0, 0, 1, -1, 2, 2], [0, 0, 0, 0, 1, 1, 1])

    def most(broken):
        return most_units_by_camera(crops, TrackletSettings(must_link=True, broken=broken))

    assert (most("trust"), most("split"), most("alone")) == ([2, 2], [3, 3], [4, 3])
    assert most_units_by_camera(crops, TrackletSettings()) == [4, 3]


@pytest.fixture
def walks():
    """60 people of two tracklets of four crops, in two cameras; tracklet 0 takes over half of another's crops."""
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(60), 8)
    tracklets = np.repeat(np.arange(120), 4)
    centres = rng.normal(size=(60, 32))[who]
    features = centres + 0.4 * rng.normal(size=centres.shape)
    broken = tracklets.copy()
    broken[40 * 8 : 40 * 8 + 2] = 0  # half of a tracklet of person 40
    order = rng.permutation(480)
    crops = crops_of(broken[order], (tracklets % 2)[order], identity_ids=who[order] + 1)
    return crops, F.normalize(torch.from_numpy(features[order]).float(), dim=1)


@pytest.mark.parametrize(("broken", "num_units"), [("trust", 120), ("split", 121), ("alone", 125)])
def test_a_broken_tracklet_is_split_or_its_crops_stand_alone(walks, broken, num_units):
    crops, features = walks
    found = units_of(crops, features, TrackletSettings(must_link=True, broken=broken))
    assert len(found) == num_units
    record = found.record(np.zeros(480, dtype=np.int64), crops.camera_ids)
    assert record["tracklets"] == 120
    assert record.get("broken_tracklets") == (None if broken == "trust" else 1)
    identities = [set(crops.identity_ids[found.of_crop == unit].tolist()) for unit in range(num_units)]
    assert max(map(len, identities)) == (2 if broken == "trust" else 1)


@pytest.mark.parametrize("max_dense", [10**6, 10], ids=["all pairs", "graph"])
@pytest.mark.parametrize("kind", ["reranked", "cosine", "jaccard", "camera-jaccard"])
@pytest.mark.parametrize("rule", ["fixed", "density"])
def test_linked_crops_share_a_label_and_no_cluster_holds_what_is_apart(walks, kind, rule, max_dense):
    crops, features = walks
    times = np.full(480, np.nan)
    first_of = np.unique(crops.tracklet_ids, return_index=True)[1]
    times[first_of[[6, 8]]] = times[first_of[[7, 9]]] = 1.0  # two people in one frame of each camera
    seen = crops_of(crops.tracklet_ids, crops.camera_ids, times=times)
    found = units_of(seen, features, TrackletSettings(must_link=True, apart="frames"))
    distance = DistanceSettings(kind=kind, k1=3, k2=2, max_dense_crops=max_dense, graph_neighbours=20, k1_inter=3)
    labeller = labeller_of(distance, ClusterSettings(rule=rule, number=60, eps=0.6, min_crops=2))
    means = found.mean_features(features)
    labels = found.to_crops(
        labeller.label(
            CosineSimilarity(means), camera_ids=crops.camera_ids[found.first_crops], known=found.known(features)
        )
    ).labels
    assert all(len(set(labels[found.of_crop == unit])) == 1 for unit in range(len(found)))
    assert len(found.apart) == 2
    assert len(found.apart.joined(labels[found.first_crops])) == 0
