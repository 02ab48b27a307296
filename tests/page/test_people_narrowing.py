"""What earlier corrections say without the exception that somebody found."""

from __future__ import annotations

from iics.page.people_narrowing import narrowed_by_join, narrowed_by_split
from iics.people.book import People, SeenPerson
from iics.people.corrections import Correction


def people(*corrections):
    """Sightings a to h that are all there, and corrections of a kind, two sides and perhaps undone."""
    seen = tuple(SeenPerson(key, 1, 1.0, "hall", None, None, (key,)) for key in "abcdefgh")
    return People(
        seen,
        corrections=tuple(
            Correction(number, kind, tuple(first), tuple(second), 0.0, is_undone=bool(undone))
            for number, (kind, first, second, *undone) in enumerate(corrections, start=1)
        ),
    )


def instead(narrowed):
    return [
        (each.correction.number, [("".join(one), "".join(other)) for one, other in each.instead]) for each in narrowed
    ]


def test_a_join_holds_within_those_who_leave_those_who_stay_and_others():
    found = narrowed_by_split(people(("same", "abc", "defg")), leaving="ab", staying="cde")
    assert instead(found) == [(1, [("a", "b"), ("c", "de"), ("f", "g")])]


def test_a_join_of_two_single_sightings_that_part_says_nothing_more():
    assert instead(narrowed_by_split(people(("same", "a", "b")), leaving="a", staying="bc")) == [(1, [])]


def test_a_join_that_ties_nobody_who_leaves_to_one_who_stays_is_left_alone():
    said = people(("same", "a", "b"), ("same", "c", "d"), ("same", "a", "h"), ("same", "a", "c", "undone"))
    assert narrowed_by_split(said, leaving="ab", staying="cd") == []


def test_sightings_that_are_gone_are_not_named_again():
    assert instead(narrowed_by_split(people(("same", "abx", "cy")), leaving="a", staying="bc")) == [(1, [("b", "c")])]
    assert instead(narrowed_by_join(people(("different", "abx", "cy")), "a", "c")) == [(1, [("b", "c")])]


def test_those_told_apart_stay_so_but_for_the_one_who_is_joined():
    said = people(("different", "ab", "cd"))
    assert instead(narrowed_by_join(said, "a", "cd")) == [(1, [("b", "cd")])]
    assert instead(narrowed_by_join(said, "cd", "a")) == [(1, [("b", "cd")])]
    assert instead(narrowed_by_join(said, "ab", "c")) == [(1, [("ab", "d")])]


def test_what_says_nothing_but_the_opposite_has_to_be_undone_first():
    assert narrowed_by_join(people(("different", "ab", "cd")), "ab", "cdef") == []
    assert narrowed_by_join(people(("different", "ab", "cd"), ("different", "a", "c", "undone")), "e", "cd") == []
