"""What is doubtful of each identity, as questions that people answer with yes or no, and identities in an order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from iics.people.book import People, SeenPerson, present_numbers

PeopleOrder = Literal["doubtful first", "largest first", "changed last first", "by number"]
_ASKED_FROM = 0.1
"""Chance that a sighting is in the wrong identity from which people are asked."""


@dataclass(frozen=True)
class Question:
    """Whether two identities are one person, or whether a sighting is of the identity that it is in.

    Attributes:
        person: Number of the identity.
        own: Key of its sighting that is asked about.
        other: Number of another identity that may be the same person; 0 if the sighting alone is asked about.
        theirs: Key of the other's sighting that is most like `own`; "" without another.
        doubt: Chance that what stands is wrong, 0 to 1.
        hint: What to say in place of the doubt.
    """

    person: int
    own: str
    other: int
    theirs: str
    doubt: float
    hint: str = ""

    @property
    def name(self) -> str:
        """What tells it from others on a page."""
        return f"{self.own}|{self.theirs}"


@dataclass(frozen=True)
class Identity:
    """A person of the gallery and what is asked about them.

    Attributes:
        number: Its present one.
        sightings: In order of time, then of key.
        questions: The most doubtful first. Of two identities, the older one's asks whether they are one person.
        asked_at: Older identities that ask whether this is the same person.
        changed: When it last changed, in seconds since 1970 UTC; 0 if never.
    """

    number: int
    sightings: tuple[SeenPerson, ...]
    questions: tuple[Question, ...]
    asked_at: tuple[int, ...]
    changed: float

    @property
    def doubt(self) -> float:
        """Chance that its most doubtful question has another answer than what stands; 0 without questions."""
        return self.questions[0].doubt if self.questions else 0.0

    @property
    def version(self) -> str:
        """Says which sightings it has: who corrects what has changed meanwhile is told so."""
        return hashlib.sha256("\n".join(sorted(seen.key for seen in self.sightings)).encode()).hexdigest()[:16]

    @property
    def cameras(self) -> frozenset[str]:
        """Who saw it."""
        return frozenset(seen.camera for seen in self.sightings)


def identities_of(people: People) -> dict[int, Identity]:
    """Return all identities by number."""
    by_person = people.by_person()
    person_of = {seen.key: seen.person for seen in people.seen}
    questions: dict[int, list[Question]] = {number: [] for number in by_person}
    asked_at: dict[int, list[int]] = {number: [] for number in by_person}
    for question in _open_links(people, person_of):
        questions[question.person].append(question)
        asked_at[question.other].append(question.person)
    confirmed = _confirmed(people)
    for seen in people.seen:
        doubt = 1 - seen.certainty
        if doubt >= _ASKED_FROM and seen.key not in confirmed and len(by_person[seen.person]) > 1:
            questions[seen.person].append(Question(seen.person, seen.key, 0, "", doubt))
    changed = _changed(people, person_of)
    return {
        number: Identity(
            number=number,
            sightings=tuple(sightings),
            questions=tuple(sorted(questions[number], key=lambda question: (-question.doubt, question.name))),
            asked_at=tuple(sorted(asked_at[number])),
            changed=changed.get(number, 0.0),
        )
        for number, sightings in by_person.items()
    }


def _open_links(people: People, person_of: Mapping[str, int]) -> list[Question]:
    """Return a question for each two identities that may be one and were not said to be two."""
    denied = said_apart(people)
    likeliest: dict[frozenset[int], Question] = {}
    for link in people.doubts:
        if link.first not in person_of or link.second not in person_of:
            continue  # a crop was deleted since
        ends = sorted([(person_of[link.first], link.first), (person_of[link.second], link.second)])
        (person, own), (other, theirs) = ends
        pair = frozenset((person, other))
        if person == other or pair in denied:
            continue
        if pair not in likeliest or link.certainty > likeliest[pair].doubt:
            likeliest[pair] = Question(person, own, other, theirs, link.certainty)
    return list(likeliest.values())


def said_apart(people: People) -> frozenset[frozenset[int]]:
    """Return the pairs of identities that somebody said to be two people."""
    person_of = {seen.key: seen.person for seen in people.seen}
    pairs = set()
    for correction in people.corrections:
        if correction.kind == "different" and not correction.is_undone:
            ones = {person_of[key] for key in correction.first if key in person_of}
            others = {person_of[key] for key in correction.second if key in person_of}
            pairs |= {frozenset((one, other)) for one in ones for other in others}
    return frozenset(pairs)


def _confirmed(people: People) -> frozenset[str]:
    """Return the sightings of which somebody said, of each by itself, whose they are."""
    said = [each for each in people.corrections if each.kind == "same" and not each.is_undone]
    return frozenset(side[0] for each in said for side in (each.first, each.second) if len(side) == 1)


def _changed(people: People, person_of: Mapping[str, int]) -> dict[int, float]:
    """Return when identities last changed, by their present numbers."""
    moments: dict[int, float] = {}

    def note(number: int, when: float) -> None:
        moments[number] = max(when, moments.get(number, 0.0))

    present = present_numbers(people.changes)
    for change in people.changes:
        for number in (change.person, change.into):
            note(present(number), change.when)
    for correction in people.corrections:
        for key in (*correction.first, *correction.second):
            if key in person_of:
                note(person_of[key], correction.made)
    return moments


ORDERS: Mapping[PeopleOrder, Callable[[Identity], tuple[float, ...]]] = {
    "doubtful first": lambda identity: (-identity.doubt, -len(identity.sightings), identity.number),
    "largest first": lambda identity: (-len(identity.sightings), identity.number),
    "changed last first": lambda identity: (-identity.changed, identity.number),
    "by number": lambda identity: (identity.number,),
}
"""By what identities are sorted, smallest first."""
