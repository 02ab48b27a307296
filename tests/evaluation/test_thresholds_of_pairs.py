"""Thresholds from known pairs: by hand, their intervals, and how often those hold the truth where it is known."""

from statistics import NormalDist

import numpy as np
import pytest

from iics.evaluation.thresholds_of_pairs import PersonPairs, match_thresholds, rate_interval, wilson_interval


def independent(similarity):
    """Return pairs of crops of which no two share a person."""
    people = 2 * np.arange(len(similarity))
    return PersonPairs(np.asarray(similarity, dtype=np.float32), people, people + 1)


def drawn_pairs(generator, num_people, *, crops=3, of_person, of_two, of_crop):
    """Return similarities with known parts: each person's likeness to others, that of each two people, each crop's."""
    first, second = np.triu_indices(num_people, 1)
    person, two = generator.normal(0, of_person, num_people), generator.normal(0, of_two, len(first))
    means = np.repeat(person[first] + person[second] + two, crops)
    similarity = (means + generator.normal(0, of_crop, len(means))).astype(np.float32)
    return PersonPairs(similarity, np.repeat(first, crops), np.repeat(second, crops))


def test_a_threshold_lets_exactly_its_share_pass():
    similarity = np.arange(1000, dtype=np.float32) / 1000
    same = np.array([0.5, 0.9895, 0.995], dtype=np.float32)
    near = np.array([0.2, 0.99, 0.9999, 0.1], dtype=np.float32)
    tenth, one, five = match_thresholds(independent(similarity), same, near)
    assert [at.rate for at in (tenth, one, five)] == [0.001, 0.01, 0.05]
    assert (one.similarity, five.similarity) == (pytest.approx(0.989), pytest.approx(0.949))
    assert (similarity > one.similarity).sum() == 10
    assert one.found == pytest.approx(2 / 3)
    assert one.same_camera_rate == 0.5
    assert one.rate_low < 0.01 < one.rate_high
    assert one.similarity_low < one.similarity < one.similarity_high
    assert tenth.similarity_high is None  # below one pair: nothing bounds it


def test_the_ends_of_the_similarity_are_passed_by_the_ends_of_the_rate():
    similarity = np.arange(10_000, dtype=np.float32) / 10_000
    _, one, _ = match_thresholds(independent(similarity), np.empty(0, np.float32))
    assert (similarity > one.similarity_low).sum() == int(10_000 * one.rate_high)
    assert (similarity > one.similarity_high).sum() == int(10_000 * one.rate_low)
    assert one.found is None
    assert one.same_camera_rate is None


def test_equal_similarities_do_not_pass_together():
    _, one, five = match_thresholds(independent(np.full(1000, 0.7)), np.full(3, 0.7, np.float32))
    assert (five.similarity, five.rate_low, five.found) == (pytest.approx(0.7), 0, 0)
    assert five.similarity_low is None or five.similarity_low <= five.similarity
    assert one.similarity == five.similarity


def test_too_few_people_give_no_threshold_however_many_crops():
    few = drawn_pairs(np.random.default_rng(0), 14, crops=100, of_person=0.1, of_two=0.1, of_crop=0.1)
    assert len(few.first) == 91
    assert [at.similarity is None for at in match_thresholds(few, np.empty(0, np.float32))] == [True, True, False]


def test_pairs_that_share_nobody_are_all_independent():
    pairs = independent(np.arange(500))
    assert rate_interval(pairs.similarity >= 450, pairs).num_independent == pytest.approx(500, rel=0.01)


def test_more_crops_of_the_same_people_are_no_new_evidence():
    generator = np.random.default_rng(0)
    similarity = generator.normal(0, 0.2, 400).astype(np.float32)
    once = independent(similarity)
    people = np.repeat(2 * np.arange(400), 25)
    often = PersonPairs(np.repeat(similarity, 25), people, people + 1)
    few, many = (rate_interval(pairs.similarity > 0.3, pairs) for pairs in (once, often))
    assert (many.low, many.high) == pytest.approx((few.low, few.high))
    assert many.num_independent == pytest.approx(few.num_independent)


def test_a_person_whom_everybody_resembles_widens_the_interval():
    first, second = np.triu_indices(40, 1)
    spread = np.zeros(len(first), np.bool_)
    spread[:: len(first) // 39] = True
    of_one = first == 0
    pairs = PersonPairs(np.zeros(len(first), np.float32), first, second)
    everywhere, around_one = rate_interval(spread, pairs), rate_interval(of_one, pairs)
    assert around_one.num_independent < everywhere.num_independent / 5
    assert around_one.high > 2 * everywhere.high


def test_which_person_comes_first_does_not_matter():
    generator = np.random.default_rng(1)
    first, second = generator.integers(0, 30, 900), generator.integers(30, 60, 900)
    similarity = generator.normal(0, 0.2, 900).astype(np.float32)
    turned = generator.random(900) < 0.5
    one = PersonPairs(similarity, first, second)
    other = PersonPairs(similarity, np.where(turned, second, first), np.where(turned, first, second))
    assert rate_interval(similarity > 0.2, one) == rate_interval(similarity > 0.2, other)
    assert (one.num_people, len(one.first)) == (other.num_people, len(other.first))


def test_the_variance_adds_every_two_pairs_that_share_a_person():
    # Four people, six pairs; two exceed, both with person 0. excess = exceeds - 1/3.
    first, second = np.triu_indices(4, 1)
    exceeds = np.array([True, True, False, False, False, False])
    excess = exceeds - 1 / 3
    shares = (
        (first[:, None] == first)
        | (first[:, None] == second)
        | (second[:, None] == first)
        | (second[:, None] == second)
    )
    variance = (excess[:, None] * excess * shares).sum() / 36 * 4 / 2  # 4 people, two degrees of freedom
    pairs = PersonPairs(np.zeros(6, np.float32), first, second)
    assert variance > 0
    assert rate_interval(exceeds, pairs).num_independent == pytest.approx(min(2 / 9 / variance, 6))


@pytest.mark.parametrize(
    ("num_people", "parts", "least"),
    [
        (30, {"of_person": 0.0, "of_two": 1.0, "of_crop": 0.0}, 0.93),
        (30, {"of_person": 0.5, "of_two": 1.0, "of_crop": 0.5}, 0.93),
        (60, {"of_person": 1.0, "of_two": 0.0, "of_crop": 1.0}, 0.93),
        (60, {"of_person": 1.0, "of_two": 0.5, "of_crop": 0.5}, 0.93),
    ],
)
def test_the_intervals_hold_the_truth_as_often_as_they_say(num_people, parts, least):
    generator = np.random.default_rng(0)
    spread = NormalDist(0, np.sqrt(2 * parts["of_person"] ** 2 + parts["of_two"] ** 2 + parts["of_crop"] ** 2))
    true_similarity = spread.inv_cdf(0.95)
    rates, similarities, if_independent = [], [], []
    for _ in range(150):
        pairs = drawn_pairs(generator, num_people, **parts)
        scaled = PersonPairs.__new__(PersonPairs)
        vars(scaled).update(vars(pairs))
        scaled.similarity = pairs.similarity / 10  # a threshold of a model lies between -1 and 1
        *_, five = match_thresholds(scaled, np.empty(0, np.float32))
        true_rate = 1 - spread.cdf(10 * five.similarity)
        rates.append(five.rate_low <= true_rate <= five.rate_high)
        low, high = five.similarity_low, five.similarity_high
        similarities.append(
            (low is None or 10 * low <= true_similarity) and (high is None or true_similarity <= 10 * high)
        )
        low, high = wilson_interval(0.05, len(pairs), deviations=1.96)
        if_independent.append(low <= true_rate <= high)
    assert np.mean(rates) >= least
    assert np.mean(similarities) >= 0.88
    assert np.mean(if_independent) < 0.8  # what counting every pair of crops would claim


def test_wilson_interval_by_hand():
    # 5 of 10: middle 0.5, half 1.96 * sqrt(0.025 + 0.0960) / (1 + 0.384) = 0.2634
    assert wilson_interval(0.5, 10, deviations=1.959964) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson_interval(0.0, 10, deviations=1.959964) == pytest.approx((0.0, 0.2775), abs=1e-4)
