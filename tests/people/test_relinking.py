"""What becomes of numbers when linking finds that an identity is several, or several are one."""

import numpy as np
import pytest

from iics.people.book import Change
from iics.people.linked import Linked
from iics.people.relinking import constraints, with_links

KEYS = ["b2", "c1", "t1", "t2", "t3"]  # of persons 2, 3, 1, 1, 2


@pytest.fixture
def relinked(store):
    """Return people after linking has found these groups."""

    def relink(labels):
        return with_links(store.kept(), KEYS, Linked(np.array(labels), np.full(5, 0.8), ()), now=9.0)

    return relink


def numbers(kept):
    return [kept.persons()[key] for key in KEYS]


def changes(kept):
    return [(each.kind, each.person, each.into) for each in kept.changes.values()]


def test_groups_as_they_were_change_nothing(relinked):
    kept = relinked([0, 1, 2, 2, 0])
    assert numbers(kept) == [2, 3, 1, 1, 2]
    assert changes(kept) == []


def test_what_is_linked_away_gets_a_new_number_and_the_split_is_recorded(relinked):
    kept = relinked([0, 1, 2, 3, 0])
    assert numbers(kept) == [2, 3, 1, 4, 2]
    assert changes(kept) == [("split", 1, 4)]
    assert kept.highest == 4


def test_what_is_linked_to_another_person_gets_its_number(relinked):
    kept = relinked([0, 1, 2, 1, 0])
    assert numbers(kept) == [2, 3, 1, 3, 2]
    assert changes(kept) == [("split", 1, 3)]


def test_merged_persons_have_the_older_number(relinked):
    kept = relinked([0, 1, 0, 0, 0])
    assert numbers(kept) == [1, 3, 1, 1, 1]
    assert changes(kept) == [("merged", 2, 1)]


def test_number_whose_sightings_all_went_to_others_leads_to_one_of_them(relinked):
    kept = relinked([0, 1, 1, 0, 0])  # one sighting of person 1 goes to person 3, one to the two sightings of person 2
    assert numbers(kept) == [2, 1, 1, 2, 2]
    assert changes(kept) == [("merged", 3, 1), ("split", 1, 2)]


def test_next_relinking_finds_the_numbers_of_the_last(relinked):
    kept = relinked([0, 1, 2, 3, 0])
    again = with_links(kept, KEYS, Linked(np.array([0, 1, 2, 3, 0]), np.full(5, 0.8), ()), now=10.0)
    assert again.persons() == kept.persons()
    assert again.changes == kept.changes
    back = with_links(kept, KEYS, Linked(np.array([0, 1, 2, 2, 0]), np.full(5, 0.8), ()), now=10.0)
    assert numbers(back) == [2, 3, 1, 1, 2]
    assert Change("merged", 4, 1, 10.0) in back.changes.values()


def test_each_sighting_of_a_correction_is_kept_apart(store):
    from iics.people.correcting import set_apart

    set_apart(store, ["t1", "t2"], ["c1"])
    _, _, apart = constraints(store.kept(), KEYS)
    assert sorted(zip(apart.first.tolist(), apart.second.tolist(), strict=True)) == [(1, 2), (1, 3)]
