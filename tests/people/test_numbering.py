import numpy as np

from iics.people.numbering import home_of_numbers


def home(labels, before):
    return home_of_numbers(np.array(labels), np.array(before))


def test_number_is_at_home_where_most_of_its_sightings_are():
    assert home([0, 0, 1, 2], [5, 5, 5, -1]) == {5: 0}


def test_group_may_be_the_home_of_several_numbers():
    assert home([0, 0, 0], [5, 3, -1]) == {3: 0, 5: 0}


def test_group_with_fewer_others_is_the_home_on_a_tie_and_then_the_first():
    assert home([0, 1, 0], [5, 5, 3]) == {3: 0, 5: 1}
    assert home([0, 1], [5, 5]) == {5: 0}


def test_new_sightings_have_no_numbers():
    assert home([0, 1], [-1, -1]) == {}
