"""What is asked of identities, and in which order they come."""

from __future__ import annotations

import pytest

from iics.page.people_questions import ORDERS, identities_of, said_apart
from iics.people.book import Change, People, PossibleLink, SeenPerson, present_numbers
from iics.people.corrections import Correction


def seen(key, person, certainty=1.0, camera="hall", first=0.0):
    return SeenPerson(key, person, certainty, camera, first, first, (f"crop of {key}",))


def asked(people):
    """Return person, sighting, other and doubt of all questions, the most doubtful first."""
    questions = [question for identity in identities_of(people).values() for question in identity.questions]
    questions.sort(key=lambda question: -question.doubt)
    return [(each.person, each.own, each.other, pytest.approx(each.doubt)) for each in questions]


TWO = (seen("a", 1), seen("b", 1, 0.6), seen("c", 2), seen("d", 3))


def test_the_older_of_two_identities_asks_and_the_other_says_where():
    identities = identities_of(People(TWO, (PossibleLink("c", "a", 0.3),)))
    (question,) = [each for each in identities[1].questions if each.other]
    assert (question.own, question.other, question.theirs, question.doubt) == ("a", 2, "c", 0.3)
    assert identities[2].questions == ()
    assert identities[2].asked_at == (1,)


def test_the_likeliest_link_of_two_identities_is_the_one_asked_about():
    doubts = (PossibleLink("b", "c", 0.2), PossibleLink("a", "c", 0.4), PossibleLink("c", "b", 0.1))
    assert asked(People(TWO, doubts)) == [(1, "a", 2, 0.4), (1, "b", 0, 0.4)]


def test_a_sighting_is_asked_about_from_a_tenth_on_and_not_alone():
    people = People((seen("a", 1, 0.89), seen("b", 1, 0.91), seen("c", 2, 0.3)))
    assert asked(people) == [(1, "a", 0, 0.11)]


def test_what_was_answered_is_not_asked_until_it_is_undone():
    doubts = (PossibleLink("a", "c", 0.4),)
    apart, kept = Correction(1, "different", ("a",), ("c",), 5.0), Correction(2, "same", ("b",), ("a",), 6.0)
    assert asked(People(TWO, doubts, corrections=(apart, kept))) == []
    undone = tuple(Correction(each.number, each.kind, each.first, each.second, 5.0, "", True) for each in (apart, kept))
    assert len(asked(People(TWO, doubts, corrections=undone))) == 2


def test_a_link_to_a_deleted_sighting_or_within_one_identity_is_not_asked_about():
    doubts = (PossibleLink("a", "gone", 0.4), PossibleLink("a", "b", 0.4))
    assert asked(People(TWO[1:] + TWO[:1], doubts)) == [(1, "b", 0, 0.4)]


def test_two_identities_are_apart_if_any_sightings_of_them_were_said_to_be():
    corrections = (Correction(1, "different", ("a", "b", "gone"), ("c", "d"), 5.0),)
    assert said_apart(People(TWO, corrections=corrections)) == {frozenset((1, 2)), frozenset((1, 3))}


def test_identities_come_in_the_order_that_is_asked_for():
    people = People(
        (*TWO, seen("e", 3), seen("f", 3)),
        (PossibleLink("c", "d", 0.2),),
        (Change("split", 1, 3, 7.0),),
        (Correction(1, "same", ("c",), ("gone",), 9.0),),
    )
    identities = identities_of(people).values()
    numbers = {name: [each.number for each in sorted(identities, key=order)] for name, order in ORDERS.items()}
    assert numbers == {
        "doubtful first": [1, 2, 3],
        "largest first": [3, 1, 2],
        "changed last first": [2, 1, 3],
        "by number": [1, 2, 3],
    }


def test_old_numbers_lead_through_all_merges_and_forgotten_ones_to_none():
    changes = (Change("merged", 4, 2, 1.0), Change("split", 2, 5, 2.0), Change("merged", 2, 1, 3.0))
    present = present_numbers((*changes, Change("forgotten", 5, 0, 4.0)))
    assert [present(number) for number in (1, 2, 4, 5, 9)] == [1, 1, 1, 0, 9]


def test_a_version_changes_with_the_sightings_alone():
    before, same = identities_of(People(TWO)), identities_of(People(tuple(reversed(TWO))))
    assert before[1].version == same[1].version
    assert before[1].version != identities_of(People(TWO[1:]))[1].version
