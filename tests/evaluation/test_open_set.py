"""Open-set search: missed against false claims, worked by hand, by plain loops, with ties and with few queries."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from iics.errors import EvaluationError
from iics.evaluation.distance_rows import CosineRows
from iics.evaluation.labels import EvaluationLabels
from iics.evaluation.open_set import Claims, area_under_missed, best_claims, rates_at, threshold_for
from iics.evaluation.open_set_result import OpenSetResult
from iics.evaluation.protocol import ANY_CAMERA, MARKET1501
from iics.evaluation.ranking import rank

# Four queries with an answer, the third of which claims somebody else first, and four without.
CLAIMS = Claims(
    similarity=np.array([0.9, 0.8, 0.7, 0.4, 0.85, 0.5, 0.3, 0.2], np.float32),
    is_right=np.array([True, True, False, True, False, False, False, False]),
    is_known=np.repeat([True, False], 4),
    individuals=np.arange(1, 9),
)


def many(num_each: int, seed: int = 0) -> Claims:
    """Return queries of `num_each` individuals with an answer and as many without, one query each."""
    generator = np.random.default_rng(seed)
    known = np.repeat([True, False], num_each)
    similarity = generator.normal(np.where(known, 0.7, 0.4), 0.15).astype(np.float32)
    return Claims(similarity, known & (generator.random(2 * num_each) < 0.9), known, np.arange(2 * num_each))


def test_rates_at_a_threshold_worked_by_hand():
    rates = rates_at(CLAIMS, 0.6)
    assert rates.false_claims == 1 / 4  # 0.85
    assert rates.missed == 2 / 4  # 0.7 claims somebody else, 0.4 nobody
    assert rates.misnamed == 1 / 4


def test_the_area_is_the_chance_of_a_wrong_pair_worked_by_hand():
    # 0.9 beats four of four, 0.8 three, 0.7 is no right claim, 0.4 beats two.
    assert area_under_missed(CLAIMS) == pytest.approx(1 - (4 + 3 + 0 + 2) / 16)


def test_a_threshold_lets_through_the_share_that_is_allowed_and_no_more():
    threshold = threshold_for(CLAIMS, 0.25)
    assert threshold == pytest.approx(0.5)
    assert rates_at(CLAIMS, threshold).false_claims == 0.25
    assert rates_at(CLAIMS, np.nextafter(np.float32(threshold), np.float32(0))).false_claims == 0.5


def test_queries_that_are_equally_similar_are_claimed_together_or_not_at_all():
    tied = replace(CLAIMS, similarity=np.full(8, 0.5, np.float32))
    threshold = threshold_for(tied, 0.25)
    assert rates_at(tied, threshold).false_claims == 0
    assert rates_at(tied, threshold).missed == 1
    assert area_under_missed(tied) == pytest.approx(1 - 3 / 4 / 2)  # ties count half, and one claim is not right


def test_a_share_below_one_query_has_no_threshold_and_the_text_says_so():
    assert threshold_for(CLAIMS, 0.24) is None
    result = OpenSetResult.of(many(40))
    assert [point.rates is None for point in result.points] == [True, False, False]
    text = " ".join(" ".join(result.lines()).split())
    assert "Cannot be told: one of 40 queries without an answer is 2.5 % already. Needs at least 100 of them." in text


def test_one_percent_of_a_hundred_queries_is_one_query():
    result = OpenSetResult.of(many(100))
    assert result.points[0].rates.false_claims == 0.01


def test_rates_fall_and_rise_with_the_threshold():
    claims = many(50)
    rates = [rates_at(claims, similarity) for similarity in np.linspace(0, 1, 21)]
    assert all(before.false_claims >= after.false_claims for before, after in pairwise(rates))
    assert all(before.missed <= after.missed for before, after in pairwise(rates))


@pytest.mark.parametrize("protocol", [MARKET1501, ANY_CAMERA])
def test_claims_agree_with_plain_loops_and_without_a_threshold_with_rank_1(random_labels, protocol):
    labels = random_labels(3)
    generator = np.random.default_rng(4)
    query, gallery = (generator.standard_normal((count, 8)).astype(np.float32) for count in (61, 230))
    query, gallery = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (query, gallery))
    claims = best_claims(query, gallery, labels, protocol=protocol)
    for q in range(61):
        verdicts = protocol.table[
            (labels.gallery_ids == labels.query_ids[q]).astype(int),
            (labels.gallery_cameras == labels.query_cameras[q]).astype(int),
        ]
        counts = (verdicts != 0) & (labels.gallery_ids != -1)
        cosines = np.where(counts, gallery @ query[q], -np.inf)
        assert claims.similarity[q] == pytest.approx(cosines.max(), abs=1e-6)
        assert claims.is_right[q] == (verdicts[cosines.argmax()] == 2)
        assert claims.is_known[q] == (verdicts[counts] == 2).any()
    result = rank(CosineRows(query, gallery, labels), labels, protocol)
    assert OpenSetResult.of(claims).missed_without_threshold == pytest.approx(1 - result.rank(1))


def test_a_query_for_which_no_crop_counts_claims_nobody():
    labels = EvaluationLabels([1, 2], [-1], [0, 0], [1])
    rows = np.array([[1, 0], [0, 1]], np.float32)
    claims = best_claims(rows, rows[:1], labels)
    assert np.isneginf(claims.similarity).all()
    assert not claims.is_known.any()


@pytest.mark.parametrize("is_known", [True, False])
def test_queries_of_one_kind_alone_are_refused_with_a_way_out(is_known):
    with pytest.raises(
        EvaluationError, match=rf"got {8 * is_known} of 8 with one\. Hold individuals out \(--unknown 0\.5"
    ):
        rates_at(replace(CLAIMS, is_known=np.full(8, is_known)), 0.5)


def test_more_queries_of_the_same_individuals_do_not_narrow_the_interval():
    claims = many(30)
    again = Claims(*(np.repeat(each, 4) for each in vars(claims).values() if len(each) == 60))
    once, often = OpenSetResult.of(claims), OpenSetResult.of(again)
    assert often.num_unknown == 120
    assert often.num_unknown_individuals == 30
    assert often.area_interval == pytest.approx(once.area_interval)
    low, high = once.area_interval
    assert low < once.area < high
    point = once.points[2]
    assert point.missed_interval[0] <= point.rates.missed <= point.missed_interval[1]


def test_more_individuals_narrow_the_interval():
    widths = [np.ptp(OpenSetResult.of(many(count)).area_interval) for count in (10, 160)]
    assert widths[1] < widths[0] / 2


def test_few_individuals_have_no_interval_and_the_text_says_so():
    claims = many(40)
    result = OpenSetResult.of(replace(claims, individuals=claims.individuals % 4))
    assert result.area_interval is None
    assert "at least 5 of either kind are needed" in " ".join(result.lines())


def test_the_result_is_plain_json():
    values = json.loads(json.dumps(OpenSetResult.of(many(40)).values(), allow_nan=False))
    assert values["points"][0] == {"allowed": 0.01, "rates": None, "missed_interval": None}
    assert set(values["points"][1]["rates"]) == {"similarity", "false_claims", "missed", "misnamed"}


def test_a_run_records_what_can_be_told():
    assert set(OpenSetResult.of(many(40)).scores()) == {
        "open_set_area",
        "open_set_missed_at_5",
        "open_set_missed_at_10",
    }
