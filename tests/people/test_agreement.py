import numpy as np
import pytest

from iics.errors import PeopleError
from iics.people.agreement import agreement

# Identity 1: four crops, three of them person 7 and one person 8. Identity 2: two crops, both person 8.
PEOPLE, IDENTITIES = np.array([7, 7, 7, 8, 8, 8]), np.array([1, 1, 1, 1, 2, 2])


def test_pairs_worked_by_hand():
    found = agreement(PEOPLE, IDENTITIES)
    assert found.pairwise_precision == pytest.approx(4 / 6)  # of three pairs of person 7 and three of 8
    assert found.pairwise_recall == pytest.approx(4 / 7)  # of six pairs of identity 1 and one of 2
    assert found.pairwise_f == pytest.approx(2 * (4 / 6) * (4 / 7) / (4 / 6 + 4 / 7))


def test_bcubed_worked_by_hand():
    found = agreement(PEOPLE, IDENTITIES)
    assert found.bcubed_precision == pytest.approx((3 * 1 + 1 / 3 + 2 * 2 / 3) / 6)
    assert found.bcubed_recall == pytest.approx((3 * 3 / 4 + 1 / 4 + 2 * 1) / 6)


def test_idf1_matches_each_identity_with_one_person():
    assert agreement(PEOPLE, IDENTITIES).idf1 == pytest.approx(5 / 6)
    # Identity 1 shares most with person 1, and so does identity 2, which has to take what is left.
    people, identities = np.array([1, 1, 1, 1, 1, 2]), np.array([1, 1, 1, 2, 2, 2])
    assert agreement(people, identities).idf1 == pytest.approx(4 / 6)


def test_idf1_of_parts_is_that_of_one_table():
    generator = np.random.default_rng(0)
    people, identities = generator.integers(0, 40, 200), generator.integers(1, 40, 200)
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics.cluster import contingency_matrix

    table = contingency_matrix(identities, people)
    expected = table[linear_sum_assignment(table, maximize=True)].sum() / 200
    assert agreement(people, identities).idf1 == pytest.approx(expected)


def test_perfect_people_agree_in_everything():
    found = agreement(IDENTITIES + 10, IDENTITIES)
    assert (found.pairwise_f, found.bcubed_f, found.idf1) == (1, 1, 1)


def test_people_of_one_crop_each_have_no_wrong_pair():
    found = agreement(np.arange(6), IDENTITIES)
    assert (found.pairwise_precision, found.pairwise_recall, found.pairwise_f) == (1, 0, 0)


def test_distractors_and_the_unknown_do_not_count():
    more = agreement(np.concatenate([PEOPLE, [7, 9]]), np.concatenate([IDENTITIES, [0, -1]]))
    assert more == agreement(PEOPLE, IDENTITIES)
    assert (more.num_crops, more.num_identities, more.num_people) == (6, 2, 2)


def test_nothing_is_measured_without_identities():
    with pytest.raises(
        PeopleError, match=r"No crop of these people has a known identity, so nothing can be measured\."
    ):
        agreement(PEOPLE, np.full(6, -1))
