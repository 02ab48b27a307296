"""What a visitor does to people: answers, joins, splits, undoes. Each is checked against what the visitor saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from iics.errors import SettingsError
from iics.page.audit_log import AuditLog
from iics.page.lookalikes import Lookalikes
from iics.page.people_browser import Browsing, PeopleBrowser
from iics.page.people_narrowing import Narrowed, narrowed_by_join, narrowed_by_split
from iics.page.people_questions import Identity, Question
from iics.page.visitors import Visitor
from iics.people import correcting
from iics.people.book import present_numbers

_MOST_DIGITS = 9
_ASKED_AFTER_A_SPLIT = 3
"""Others that who was split off may be."""
_KEYS_NOTED = 50
"""Of a correction, in the audit log; its number leads to the others."""
Told = Mapping[str, Any]


@dataclass(frozen=True)
class Done:
    """What came of it.

    Attributes:
        browsing: What the window has open now.
        text: What was done, in a few words; "" for nothing but looking.
        focus: Number of the identity to go to; 0 to go on where the visitor is.
    """

    browsing: Browsing
    text: str = ""
    focus: int = 0


class PeopleAnswers:
    """Does what visitors tell.

    Args:
        browser: Of the people.
        lookalikes: Finds who else looks like somebody.
        audit: Notes who did what before it is done.
    """

    def __init__(self, browser: PeopleBrowser, lookalikes: Lookalikes, audit: AuditLog) -> None:
        self._browser, self._lookalikes, self._audit = browser, lookalikes, audit
        self._store = browser.store
        self._doing: Mapping[str, Callable[[Visitor, Browsing, Told], Done]] = {
            "yes": self._join,
            "no": self._set_apart,
            "join": self._join_number,
            "split": self._split,
            "undo": self._undo,
            "alike": self._alike,
            "page": self._page,
            "open": self._open,
            "back": self._back,
        }

    def tell(self, visitor: Visitor, browsing: Browsing, told: Told) -> Done:
        """Do what was told.

        Raises:
            SettingsError: If it is nothing that can be done, or not about what is there now.
            PeopleError: If the correction contradicts others, or another process changes the people.
            WriteError: If it cannot be noted in the audit log; nothing is done then.
            GalleryError: If the database fails.
        """
        if not isinstance(told, Mapping):  # whoever is no browser may send anything
            raise SettingsError(f"{told!r:.40} is nothing that can be done here.")
        what = str(told.get("do", ""))
        if what not in self._doing:
            raise SettingsError(f"{what!r:.40} is nothing that can be done here.")
        return self._doing[what](visitor, browsing, told)

    def _join(self, visitor: Visitor, browsing: Browsing, told: Told) -> Done:
        identity, own, others = self._asked(told)
        if len(others) > 1:
            return self._one_person(visitor, browsing, identity, others[1])
        # About a sighting: one other ties it to its identity.
        theirs = self._key(told, "theirs", identity)
        self._note(visitor, "people-same", [own], [theirs], persons=[identity.number])
        correction = correcting.join(self._store, [own], [theirs], by=visitor.user)
        return Done(_made(browsing, correction.number), f"Kept: the sighting stays with person {identity.number}.")

    def _join_number(self, visitor: Visitor, browsing: Browsing, told: Told) -> Done:
        people, identities = self._browser.now()
        identity, wanted = self._identity(identities, told, "person", "version"), whole(told, "number")
        other = identities.get(present_numbers(people.changes)(wanted))
        if other is None:
            raise SettingsError(f"There is no person {wanted}.")
        if other.number == identity.number:
            raise SettingsError(f"That is person {wanted} already.")
        done = self._one_person(visitor, browsing, identity, other)
        return replace(done, focus=min(identity.number, other.number))

    def _one_person(self, visitor: Visitor, browsing: Browsing, one: Identity, other: Identity) -> Done:
        """Say that two identities are one person: all their sightings, so that linking does not part them again."""
        first, second = _keys(one), _keys(other)
        self._note(visitor, "people-same", first, second, persons=[one.number, other.number])
        browsing, anew = self._narrowed(visitor, browsing, narrowed_by_join(self._browser.now()[0], first, second))
        correction = correcting.join(self._store, first, second, by=visitor.user)
        text = f"Joined: person {max(one.number, other.number)} is now person {min(one.number, other.number)}."
        return Done(_made(browsing, correction.number), text + anew)

    def _set_apart(self, visitor: Visitor, browsing: Browsing, told: Told) -> Done:
        identity, own, others = self._asked(told)
        if len(others) == 1:
            return self._split_off(visitor, browsing, identity, [own])
        other = others[1]
        first, second = _keys(identity), _keys(other)
        self._note(visitor, "people-different", first, second, persons=[identity.number, other.number])
        correction = correcting.set_apart(self._store, first, second, by=visitor.user)
        text = f"Told apart: person {identity.number} and person {other.number} are two people."
        # Who else looks alike goes on being asked.
        alike = tuple(each for each in browsing.alike if each.other != other.number)
        return Done(_made(browsing, correction.number, alike), text)

    def _split(self, visitor: Visitor, browsing: Browsing, told: Told) -> Done:
        identity = self._identity(self._browser.now()[1], told, "person", "version")
        wanted = told.get("keys")
        own = {seen.key for seen in identity.sightings}
        keys = [key for key in wanted if isinstance(key, str) and key in own] if isinstance(wanted, list) else []
        if not keys or len(set(keys)) == len(own):
            raise SettingsError(f"Choose some sightings of person {identity.number} to split off, and leave some.")
        return self._split_off(visitor, browsing, identity, list(dict.fromkeys(keys)))

    def _split_off(self, visitor: Visitor, browsing: Browsing, identity: Identity, keys: list[str]) -> Done:
        self._note(visitor, "people-split", keys, [], persons=[identity.number])
        staying = [key for key in _keys(identity) if key not in keys]
        browsing, anew = self._narrowed(visitor, browsing, narrowed_by_split(self._browser.now()[0], keys, staying))
        number = correcting.split(self._store, keys, by=visitor.user)
        changes = self._browser.now()[0].changes
        made = next(change.correction for change in changes if (change.kind, change.into) == ("split", number))
        numbers = list(browsing.numbers)
        if identity.number in numbers:
            numbers.insert(numbers.index(identity.number) + 1, number)
        count = f"{len(keys)} sighting{'' if len(keys) == 1 else 's'}"
        text = (
            f"Split: {count} of person {identity.number} {'is' if len(keys) == 1 else 'are'} now person {number}."
            + anew
        )
        people, identities = self._browser.now()
        alike = self._lookalikes.of(identities[number], people)[:_ASKED_AFTER_A_SPLIT]
        return Done(_made(replace(browsing, numbers=tuple(numbers)), made, alike), text, number if alike else 0)

    def _narrowed(self, visitor: Visitor, browsing: Browsing, narrowed: Sequence[Narrowed]) -> tuple[Browsing, str]:
        """Make corrections anew without what is said now; return what the window made, and a sentence."""
        for each in narrowed:
            say = correcting.join if each.correction.kind == "same" else correcting.set_apart
            # First the new ones: what was corrected stays so all the time.
            new = [say(self._store, *sides, by=each.correction.by).number for sides in each.instead]
            self._audit.note("people-undo", visitor, correction=each.correction.number, instead=list(map(str, new)))
            correcting.undo(self._store, each.correction.number)
            made = [number for number in browsing.made if number != each.correction.number]
            browsing = replace(browsing, made=(*made, *new))
        numbers = " and ".join(str(each.correction.number) for each in narrowed)
        return browsing, f" What correction {numbers} said holds for the others." if narrowed else ""

    def _undo(self, visitor: Visitor, browsing: Browsing, told: Told) -> Done:
        number = whole(told, "number")
        self._audit.note("people-undo", visitor, correction=number)
        undone = correcting.undo(self._store, number)
        made = tuple(each for each in browsing.made if each != number)
        person_of = {seen.key: seen.person for seen in self._browser.now()[0].seen}
        focus = next((person_of[key] for key in undone.second if key in person_of), 0)
        return Done(_next(replace(browsing, made=made, alike=())), f"Correction {number} is undone.", focus)

    def _alike(self, visitor: Visitor, browsing: Browsing, told: Told) -> Done:
        people, identities = self._browser.now()
        identity = self._identity(identities, told, "person", "version")
        found = self._lookalikes.of(identity, people)
        self._audit.note("people-alike", visitor, persons=[str(identity.number)], matches=len(found))
        text = "" if found else f"Nobody else looks like person {identity.number}, or all were said to be other people."
        return Done(_next(replace(browsing, alike=found)), text, identity.number)

    def _page(self, _: Visitor, browsing: Browsing, told: Told) -> Done:
        return Done(_next(replace(browsing, page=whole(told, "number"), alike=())))

    def _open(self, _: Visitor, browsing: Browsing, told: Told) -> Done:
        wanted = whole(told, "number")
        people, identities = self._browser.now()
        number = present_numbers(people.changes)(wanted)
        if number not in identities:
            raise SettingsError(f"There is no person {wanted}." + (" They are forgotten." if number == 0 else ""))
        return Done(_next(replace(browsing, alone=number, alike=())), focus=number)

    def _back(self, _: Visitor, browsing: Browsing, _told: Told) -> Done:
        return Done(_next(replace(browsing, alone=0, alike=())), focus=browsing.alone)

    def _asked(self, told: Told) -> tuple[Identity, str, list[Identity]]:
        """Return the identity that a question is about, its sighting, and all identities that it is about."""
        identities = self._browser.now()[1]
        identity = self._identity(identities, told, "person", "version")
        own = self._key(told, "own", identity)
        if not told.get("other"):
            if len(identity.sightings) < 2:
                raise SettingsError(f"There is no other sighting of person {identity.number}.")
            return identity, own, [identity]
        return identity, own, [identity, self._identity(identities, told, "other", "otherVersion")]

    def _identity(self, identities: Mapping[int, Identity], told: Told, name: str, version: str) -> Identity:
        number = whole(told, name)
        if number not in identities or identities[number].version != told.get(version):
            raise SettingsError(f"What is shown of person {number} has changed meanwhile; look again.")
        return identities[number]

    def _key(self, told: Told, name: str, identity: Identity) -> str:
        key = str(told.get(name, ""))
        if all(seen.key != key for seen in identity.sightings):
            raise SettingsError(f"There is no sighting {key!r:.40} of person {identity.number}.")
        return key

    def _note(
        self, visitor: Visitor, event: str, first: Sequence[str], second: Sequence[str], **entries: list[int]
    ) -> None:
        more = {name: list(map(str, numbers)) for name, numbers in entries.items()}
        self._audit.note(event, visitor, first=list(first[:_KEYS_NOTED]), second=list(second[:_KEYS_NOTED]), **more)


def whole(told: Told, name: str) -> int:
    """Return a number that was told.

    Raises:
        SettingsError: If it is none.
    """
    text = str(told.get(name, ""))
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise SettingsError(f"A number of digits is needed, got {text!r:.40}.")
    return int(text)


def _made(browsing: Browsing, number: int, alike: tuple[Question, ...] = ()) -> Browsing:
    return _next(replace(browsing, made=(*browsing.made, number), alike=alike))


def _next(browsing: Browsing) -> Browsing:
    return replace(browsing, answers=browsing.answers + 1)


def _keys(identity: Identity) -> list[str]:
    return [seen.key for seen in identity.sightings]
