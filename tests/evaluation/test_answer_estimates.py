"""Estimates from answers: by hand where that can be done, and against the truth over many draws."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.errors import EvaluationError
from iics.evaluation.answer_calibration import answer_thresholds
from iics.evaluation.answer_estimates import _falling, answered_thresholds, check_answers, rank_one
from iics.evaluation.answers import AskedPair
from iics.evaluation.drawn_pairs import PairsAcross, best_matches, draw_pairs

ONE = AskedPair(1, "", "a", "p", "b", "q", 0.5, "best match", 0, 10, "", "", "", "m")


def best(*answers):
    return [replace(ONE, pair=at + 1, slice=at, answer=answer) for at, answer in enumerate(answers)]


def test_rank_one_is_the_share_of_yes_with_wilsons_interval():
    found = rank_one(best(*["yes"] * 8, *["no"] * 2))
    assert (found.share, found.num_yes, found.num_no) == (0.8, 8, 2)
    assert (found.low, found.high) == pytest.approx((0.490, 0.943), abs=1e-3)  # of 8 in 10, as in any table


def test_rank_one_of_one_camera_says_so():
    pairs = [replace(pair, second_camera="a") for pair in best("yes", "no")]
    assert str(rank_one(pairs)).startswith("Rank-1 within the camera: 50.0 %")
    assert "nothing is said of other cameras" in str(rank_one(pairs))
    assert str(rank_one(best("yes", "no"))).startswith("Rank-1 across cameras: 50.0 %")


def test_slices_weigh_by_their_size():
    pairs = best("yes", "no")
    pairs[1] = replace(pairs[1], slice_size=30)
    assert rank_one(pairs).share == 0.25


def test_what_cannot_be_told_widens_the_interval_and_leaves_the_estimate():
    sure, unsure = rank_one(best(*["yes"] * 6, *["no"] * 6)), rank_one(best(*["yes"] * 6, *["no"] * 6, *["unsure"] * 6))
    assert unsure.share == sure.share == 0.5
    assert unsure.low < sure.low
    assert unsure.high > sure.high
    assert "6 could not be told" in str(unsure)


def test_shares_fall_by_pooling_neighbours_that_rise():
    assert _falling(np.array([0.9, 0.2, 0.6, 0.1]), np.array([4.0, 4.0, 4.0, 4.0])) == pytest.approx(
        [0.9, 0.4, 0.4, 0.1]
    )
    assert _falling(np.array([0.0, 1.0]), np.array([1.0, 3.0])) == pytest.approx([0.75, 0.75])


def any_pairs(sizes, answers):
    return [
        replace(ONE, kind="any pair", slice=at, slice_size=size, answer=answer)
        for at, (size, said) in enumerate(zip(sizes, answers, strict=True))
        for answer in said
    ]


def test_a_threshold_is_counted_through_the_slices():
    # 100 pairs of one person come first, and 9,900 of two people after them: 5 % of those are 495.
    sizes = 20, 30, 50, 400, 500, 9000
    answers = [["yes"] * 5] * 3 + [["no"] * 40] * 3
    similarity = np.linspace(1, 0, 10_000, dtype=np.float32)
    thresholds = {at.rate: at for at in answered_thresholds(any_pairs(sizes, answers), similarity)}
    assert thresholds[0.05].similarity == pytest.approx(similarity[100 + 495], abs=1e-6)
    assert thresholds[0.01].similarity == pytest.approx(similarity[100 + 99], abs=1e-6)
    assert thresholds[0.05].rate_low < 0.05 <= thresholds[0.05].rate_high
    assert thresholds[0.05].similarity_low < thresholds[0.05].similarity < thresholds[0.05].similarity_high


def test_what_cannot_be_told_widens_the_rate():
    sizes, similarity = (20, 30, 50, 400, 500, 9000), np.linspace(1, 0, 10_000, dtype=np.float32)
    sure = [["yes"] * 10] * 2 + [["no"] * 10] * 4
    unsure = [said + ["unsure"] * 3 for said in sure]
    one, other = (answered_thresholds(any_pairs(sizes, said), similarity)[-1] for said in (sure, unsure))
    assert one.similarity == other.similarity
    assert other.rate_low < one.rate_low


def test_a_threshold_that_answers_cannot_tell_is_left_out():
    sizes, similarity = (20, 30, 50, 400, 500, 9000), np.linspace(1, 0, 10_000, dtype=np.float32)
    few = any_pairs(sizes, [["yes"] * 2] * 3 + [["no"] * 2] * 3)
    assert answered_thresholds(few, similarity)[0].similarity is None  # 0.1 %: 10 pairs, and ends of slices 1 to 3
    nobody = any_pairs(sizes, [["unsure"]] * 6)
    assert all(at.similarity is None for at in answered_thresholds(nobody, similarity))


def test_crops_that_came_since_are_noticed():
    pairs = any_pairs((20, 30, 50, 400, 500, 9000), [["no"]] * 6)
    with pytest.raises(
        EvaluationError, match=r"have 10007 pairs to ask about, .* drawn from 10000: crops came or went"
    ):
        answered_thresholds(pairs, np.linspace(1, 0, 10_007, dtype=np.float32))


def test_too_few_answers_are_refused_with_both_counts():
    pairs = [*best(*["no"] * 20), *any_pairs((1,) * 6, [["no"]] * 6)]
    with pytest.raises(
        EvaluationError, match=r"^Too few answers: 20 best matches and 6 other pairs of 26 are answered"
    ):
        check_answers(pairs)


@pytest.fixture(scope="module")
def shop():
    """60 people in three cameras, three crops in each: half of the best matches are right."""
    generator = np.random.default_rng(0)
    people, cameras = np.repeat(np.arange(60), 9), np.tile(np.repeat(np.arange(3), 3), 60)
    features = generator.normal(size=(60, 24))[people] + 0.7 * generator.normal(size=(3, 24))[cameras] + 1
    features += 0.9 * generator.normal(size=features.shape)
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    paths = tuple(Path(f"shop/{at}.jpg") for at in range(len(people)))
    crops = CropSet(paths=paths, camera_ids=cameras, camera_names=("a", "b", "c"), name="shop")
    return features, crops, people


def answered(shop, seed):
    features, crops, people = shop
    return [
        replace(
            ONE,
            pair=at,
            first=str(pair.first),
            second=str(pair.second),
            kind=pair.kind,
            slice=pair.slice,
            slice_size=pair.slice_size,
            similarity=pair.similarity,
            answer="yes" if people[pair.first] == people[pair.second] else "no",
        )
        for at, pair in enumerate(draw_pairs(features, crops, num_pairs=50, seed=seed), start=1)
    ]


def test_intervals_hold_the_truth_in_nineteen_draws_of_twenty(shop):
    features, crops, people = shop
    matches, _ = best_matches(features, crops.camera_ids)
    truth = (people == people[matches]).mean()
    across = PairsAcross.of(features, crops.camera_ids)
    pairs = [across.pair(place) for place in range(len(across))]
    different = np.array([people[first] != people[second] for first, second in pairs])
    held = {"rank-1": [], 0.001: [], 0.01: [], 0.05: []}
    estimates = []
    for seed in range(40):
        draws = answered(shop, seed)
        found = rank_one(draws)
        estimates.append(found.share)
        held["rank-1"].append(found.low <= truth <= found.high)
        for at in answered_thresholds(draws, across.similarity):
            if at.similarity is not None:
                rate = (across.similarity[different] > at.similarity).mean()
                held[at.rate].append(at.rate_low <= rate <= at.rate_high)
    assert 0.3 < truth < 0.9
    assert np.mean(estimates) == pytest.approx(truth, abs=0.04)
    assert len(held[0.01]) == len(held[0.05]) == 40
    assert all(np.mean(each) >= 0.9 for each in held.values() if each)


def test_thresholds_of_answers_say_what_they_are(shop):
    features, crops, _ = shop
    found = answer_thresholds(answered(shop, 0), features, crops, data="shop", is_trained_on=True)
    assert (found.calibration, found.num_different + found.num_same, found.num_people) == ("answers", 25, 0)
    assert "All pairs are of two cameras" in found.limits
    assert "trained on these crops" in found.limits
