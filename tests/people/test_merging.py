import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score

from iics.people import merging
from iics.people.likeness import likeness_of
from iics.people.merging import candidates, merge
from tests.people.made_sightings import seen_people, sightings_of

NONE = np.empty((0, 2), np.int64)


@pytest.fixture(scope="module")
def likeness():
    seen = seen_people(noise=1.2)
    return likeness_of(seen, seen, is_plain=False)


@pytest.mark.parametrize("threshold", [0.5, 1.5, 3.0])
def test_groups_are_those_of_average_linkage(likeness, threshold, monkeypatch):
    monkeypatch.setattr(merging, "MOST_CANDIDATES", 1000)
    block = likeness.block(slice(0, len(likeness)))
    distance = 100 - (block + block.T) / 2
    np.fill_diagonal(distance, 0)
    merges = linkage(squareform(distance, checks=False), "average")
    alone = np.arange(len(likeness))
    found = merge(likeness, alone, candidates(likeness, floor=threshold).between(alone), NONE, threshold=threshold)
    assert adjusted_rand_score(fcluster(merges, 100 - threshold, "distance"), found.labels) == 1


def test_pairs_left_are_below_the_threshold_and_of_two_groups(likeness):
    alone = np.arange(len(likeness))
    found = merge(likeness, alone, candidates(likeness, floor=1.0).between(alone), NONE, threshold=1.5)
    assert (found.likeness < 1.5).all()
    assert (found.first < found.second).all()
    np.testing.assert_allclose(found.sums.mean(found.first, found.second), found.likeness, rtol=1e-5)


def test_groups_that_are_apart_stay_apart_whatever_they_become():
    seen = sightings_of(np.ones((4, 2)))
    likeness, alone = likeness_of(seen, seen, is_plain=True), np.arange(4)
    pairs = candidates(likeness, floor=0.5).between(alone)
    found = merge(likeness, alone, pairs, np.array([[0, 3], [2, 1]]), threshold=0.5).labels
    assert found[0] != found[3]
    assert found[1] != found[2]
    assert len(np.unique(found)) == 2


def test_each_sighting_has_its_most_alike_as_candidates(monkeypatch):
    monkeypatch.setattr(merging, "MOST_CANDIDATES", 1)
    seen = sightings_of(np.array([[1.0, 0.0], [1.0, 0.1], [1.0, 1.0], [1.0, 1.1]]))
    found = candidates(likeness_of(seen, seen, is_plain=True), floor=-1.0)
    assert found.between(np.arange(4)).tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize("floor", [0.2, 0.5, 0.75])
def test_candidates_are_the_most_alike_of_each_that_reach_the_floor(monkeypatch, floor):
    monkeypatch.setattr(merging, "MOST_CANDIDATES", 4)
    seen = seen_people(num_people=6, times=8)  # at 0.2 all have more than 4, at 0.75 most have fewer
    likeness = likeness_of(seen, seen, is_plain=True)
    found = candidates(likeness, floor=floor)
    block = likeness.block(slice(0, len(seen)))
    np.fill_diagonal(block, -np.inf)
    wanted = {
        (min(row, other), max(row, other))
        for row in range(len(seen))
        for other in np.argsort(-block[row])[:4].tolist()
        if block[row, other] >= floor
    }
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == wanted
    np.testing.assert_allclose(found.likeness, block[found.first, found.second], rtol=1e-6)


def test_one_sighting_has_no_candidates():
    seen = sightings_of(np.ones((1, 2)))
    assert len(candidates(likeness_of(seen, seen, is_plain=True), floor=-1.0).first) == 0
