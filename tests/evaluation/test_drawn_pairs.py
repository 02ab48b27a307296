"""Pairs are drawn over all similarities, each with a chance that is known."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.errors import EvaluationError
from iics.evaluation.drawn_pairs import PairsAcross, best_matches, draw_pairs, draws_of_slices, slice_edges


def crop_set(cameras, name="shop"):
    cameras = np.asarray(cameras)
    paths = tuple(Path(f"shop/{camera}/{at}.jpg") for at, camera in enumerate(cameras))
    return CropSet(paths=paths, camera_ids=cameras, camera_names=("a", "b", "c"), name=name)


def on_a_circle(degrees):
    radians = np.radians(np.asarray(degrees, float))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


@pytest.fixture
def many():
    generator = np.random.default_rng(3)
    return on_a_circle(generator.uniform(0, 90, 120)), crop_set(np.arange(120) % 3)


def test_the_best_match_is_the_nearest_of_another_camera():
    features = on_a_circle([0, 1, 10, 30])
    matches, cosines = best_matches(features, np.array([0, 0, 1, 1]))
    assert matches.tolist() == [2, 2, 1, 1]
    assert cosines == pytest.approx(np.cos(np.radians([10, 9, 9, 29])), abs=1e-6)


def test_pairs_across_are_all_of_two_cameras_and_fall():
    pairs = PairsAcross.of(on_a_circle([0, 20, 50]), np.array([0, 0, 1]))
    assert [pairs.pair(place) for place in range(len(pairs))] == [(1, 2), (0, 2)]
    assert pairs.similarity == pytest.approx(np.cos(np.radians([30, 50])), abs=1e-6)


def test_half_are_best_matches_one_of_each_slice(many):
    features, crops = many
    drawn = draw_pairs(features, crops, num_pairs=50, seed=0)
    best = [pair for pair in drawn if pair.kind == "best match"]
    assert sorted(pair.slice for pair in best) == list(range(25))
    assert sum(pair.slice_size for pair in best) == 120
    matches, cosines = best_matches(features, crops.camera_ids)
    assert all(pair.second == matches[pair.first] and pair.similarity == cosines[pair.first] for pair in best)
    falling = [pair.similarity for pair in sorted(best, key=lambda pair: pair.slice)]
    assert falling == sorted(falling, reverse=True)


def test_the_others_are_drawn_from_slices_that_hold_all_pairs(many):
    features, crops = many
    drawn = [pair for pair in draw_pairs(features, crops, num_pairs=50, seed=0) if pair.kind == "any pair"]
    assert Counter(pair.slice for pair in drawn) == dict(enumerate(draws_of_slices(25)))
    assert sum({pair.slice: pair.slice_size for pair in drawn}.values()) == 3 * 40 * 40
    assert all(crops.camera_ids[pair.first] != crops.camera_ids[pair.second] for pair in drawn)
    least = [min(pair.similarity for pair in drawn if pair.slice == at) for at in range(6)]
    assert least == sorted(least, reverse=True)
    assert len({(pair.first, pair.second) for pair in drawn}) == len(drawn)


def test_every_pair_of_a_slice_is_drawn_equally_often(many):
    features, crops = many
    last_but_one = Counter()
    for seed in range(400):
        for pair in draw_pairs(features, crops, num_pairs=20, seed=seed):
            if pair.kind == "any pair" and pair.slice == 0:
                last_but_one[pair.first, pair.second] += 1
    size, drawn = int(slice_edges(4800, 10)[1]), draws_of_slices(10)[0]
    assert len(last_but_one) == size
    expected = 400 * drawn / size
    assert max(abs(count - expected) for count in last_but_one.values()) < 4 * expected**0.5


def test_a_draw_is_repeated_by_its_seed(many):
    assert draw_pairs(*many, num_pairs=50, seed=5) == draw_pairs(*many, num_pairs=50, seed=5)
    assert draw_pairs(*many, num_pairs=50, seed=5) != draw_pairs(*many, num_pairs=50, seed=6)


@pytest.mark.parametrize("num_drawn", [10, 25, 250])
def test_slices_grow_and_hold_more_than_is_drawn(num_drawn):
    for num_pairs in (10 * num_drawn, 100_000):
        sizes = np.diff(slice_edges(num_pairs, num_drawn))
        assert sizes.sum() == num_pairs
        assert (sizes >= draws_of_slices(num_drawn)).all()


def test_crops_of_one_camera_make_pairs_of_two_tracklets():
    crops = replace(crop_set([1] * 60), tracklet_ids=np.where(np.arange(60) < 40, np.arange(60) // 2, -1))
    drawn = draw_pairs(on_a_circle(np.arange(60)), crops, num_pairs=50, seed=0)
    tracklets = [(crops.tracklet_ids[pair.first], crops.tracklet_ids[pair.second]) for pair in drawn]
    assert all(first != second or first == -1 for first, second in tracklets)
    assert all(pair.first != pair.second for pair in drawn)
    with pytest.raises(EvaluationError, match="60 crops and 0 pairs of two tracklets"):
        draw_pairs(on_a_circle(np.arange(60)), replace(crops, tracklet_ids=[0] * 60), num_pairs=50, seed=0)


def test_too_few_crops_are_refused():
    with pytest.raises(
        EvaluationError, match=r"^shop has 30 crops and 225 pairs of two cameras; asking about 50 pairs"
    ):
        draw_pairs(on_a_circle(np.arange(30)), crop_set([0, 1] * 15), num_pairs=50, seed=0)
