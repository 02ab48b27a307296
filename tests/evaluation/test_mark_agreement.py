"""What marks say of a model, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from iics.errors import EvaluationError
from iics.evaluation.mark_agreement import mark_agreement
from iics.evaluation.marks import Mark

MARK = Mark("2026-03-01T08:00:00+00:00", "q0", "q.jpg", "c", "p", "a", "right", 1, 0.5, "m")


def marks(*rows):
    """Marks from (query, rank, similarity, verdict)."""
    return [
        replace(MARK, query=query, crop_id=f"c{at}", rank=rank, similarity=similarity, verdict=verdict)
        for at, (query, rank, similarity, verdict) in enumerate(rows)
    ]


FOUR = marks(("a", 1, 0.95, "right"), ("a", 2, 0.65, "wrong"), ("b", 1, 0.75, "right"), ("b", 7, 0.25, "wrong"))


def test_precision_counts_marked_matches_up_to_a_rank():
    found = {each.limit: (each.num_marked, each.precision) for each in mark_agreement(FOUR).by_rank}
    assert found == {1: (2, 1), 5: (3, 2 / 3), 10: (4, 1 / 2)}  # rank 20 keeps no more than 10


def test_precision_counts_marked_matches_from_a_similarity():
    found = {round(each.limit, 1): (each.num_marked, each.precision) for each in mark_agreement(FOUR).by_similarity}
    assert found == {0.0: (4, 1 / 2), 0.3: (3, 2 / 3), 0.7: (2, 1), 0.8: (1, 1)}


def test_intervals_count_queries_not_matches():
    more_matches = [replace(mark, crop_id=f"{mark.crop_id}'") for mark in FOUR]
    more_queries = [replace(mark, query=f"{mark.query}'") for mark in FOUR]
    of_four = mark_agreement(FOUR).by_rank[-1]
    assert mark_agreement(FOUR + more_matches).by_rank[-1].low == of_four.low
    assert mark_agreement(FOUR + more_queries).by_rank[-1].low > of_four.low


def wrong_matches(num_queries):
    similarities = np.linspace(0, 0.5, 40)
    return marks(*[(f"q{at % num_queries}", 5, float(value), "wrong") for at, value in enumerate(similarities)])


def test_thresholds_are_those_of_right_and_wrong_pairs():
    wrong = wrong_matches(num_queries=4)
    right = [replace(mark, crop_id=f"r{mark.crop_id}", verdict="right", similarity=0.49) for mark in wrong[:10]]
    tenth, hundredth, twentieth = mark_agreement(wrong + right).thresholds
    assert (tenth.similarity, hundredth.similarity) == (None, None)  # they need 1,000 and 100 wrong matches
    assert twentieth.similarity == pytest.approx(wrong[-3].similarity)
    assert twentieth.found == 1


def test_wrong_matches_of_few_queries_say_less():
    def width(num_queries):
        threshold = mark_agreement(wrong_matches(num_queries)).thresholds[-1]
        return threshold.rate_high - threshold.rate_low

    assert width(2) > width(40)


def test_without_wrong_matches_there_is_no_threshold():
    assert mark_agreement(FOUR[:1]).thresholds == ()


def test_it_prints_numbers_with_their_counts():
    text = str(mark_agreement(FOUR))
    assert "Marked matches (2 right, 2 wrong, of 2 queries)" in text
    assert "Needs at least 20 matches marked wrong, got 2." in text


def test_no_marks_are_refused():
    with pytest.raises(EvaluationError, match="There are no marks"):
        mark_agreement([])


def test_marks_of_two_models_are_refused():
    with pytest.raises(EvaluationError, match="different models do not compare"):
        mark_agreement([*FOUR, replace(MARK, model="other")])


def test_a_pair_marked_twice_is_refused():
    with pytest.raises(EvaluationError, match="marked twice"):
        mark_agreement([MARK, replace(MARK, verdict="wrong")])
