"""The people of a gallery, a page of identities or of corrections at a time, as HTML."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from iics.errors import SettingsError
from iics.gallery.gallery import Gallery
from iics.gallery.moments import time_text
from iics.page.match_view import template
from iics.page.people_cards import CardMaker
from iics.page.people_corrections import corrections_html, page_of
from iics.page.people_questions import ORDERS, Identity, PeopleOrder, Question, identities_of
from iics.page.thumbnails import CropPictures
from iics.people.book import People, present_numbers
from iics.people.kept import Kept
from iics.people.store import PeopleStore
from iics.pixels.drawing import camera_caption
from iics.subjects import SUBJECTS, SubjectName

Shown = Literal[PeopleOrder, "corrections"]
IDENTITIES_AT_ONCE = 8
_HISTORY_SHOWN, _WARNINGS_SHOWN = 3, 3


@dataclass(frozen=True)
class Browsing:
    """What a window has open.

    Attributes:
        shown: Identities in an order, or corrections.
        camera: Only identities that it saw; "" for all.
        page: From 1.
        alone: Number of the only identity shown; 0 for the list.
        numbers: Of identities, in the order they had when the list was asked for: what is corrected keeps its place.
        made: Numbers of the corrections that this window made and did not undo.
        alike: Who else looks like an identity, as questions.
        answers: How many answers the window got; each is another page, even if it says the same.
    """

    shown: Shown = "doubtful first"
    camera: str = ""
    page: int = 1
    alone: int = 0
    numbers: tuple[int, ...] = ()
    made: tuple[int, ...] = ()
    alike: tuple[Question, ...] = ()
    answers: int = 0


class PeopleBrowser:
    """The people of an open gallery.

    Attributes:
        store: Where they are kept.
        told: Makes a text that speaks of people one that speaks of what crops show.

    Args:
        store: Open.
        subject: What crops show.
    """

    def __init__(self, store: PeopleStore, subject: SubjectName = "person") -> None:
        self.store, self._subject = store, SUBJECTS[subject]
        self.told = self._subject.told
        self._pictures = CropPictures(store.gallery)
        self._known: tuple[Kept, People, Mapping[int, Identity]] | None = None

    @classmethod
    def of(cls, gallery: Gallery, subject: SubjectName = "person") -> PeopleBrowser | None:
        """Return the people of a gallery; None if they were never looked for.

        Raises:
            PeopleError: If they were found by another model.
            GalleryError: If the database fails.
        """
        return cls(PeopleStore.open(gallery), subject) if PeopleStore.exists(gallery) else None

    def now(self) -> tuple[People, Mapping[int, Identity]]:
        """Return the people as they stand, and their identities; quick if nothing changed since the last call.

        Raises:
            GalleryError: If the database fails.
        """
        kept = self.store.kept()
        if self._known is None or self._known[0] is not kept:
            people = kept.people()
            self._known = kept, people, identities_of(people)
        return self._known[1:]

    def persons_of(self, crop_ids: Collection[str]) -> dict[str, int]:
        """Return the number of the identity that each crop is part of, if it is of one.

        Raises:
            GalleryError: If the database fails.
        """
        wanted = frozenset(crop_ids)
        return {crop: seen.person for seen in self.now()[0].seen for crop in wanted.intersection(seen.crop_ids)}

    def list(self, shown: str, camera: str, made: tuple[int, ...] = ()) -> Browsing:
        """Return a list from its beginning.

        Raises:
            SettingsError: If it cannot be sorted so.
            GalleryError: If the database fails.
        """
        known: dict[str, Shown] = {"corrections": "corrections", **{name: name for name in ORDERS}}
        if shown not in known:
            raise SettingsError(f"People are sorted {' or '.join(ORDERS)}, got {shown!r:.40}.")
        numbers = sorted_numbers(self.now()[1], known[shown], camera)
        return Browsing(known[shown], camera, numbers=numbers, made=made)

    def html(self, browsing: Browsing, focus: int = 0) -> str:
        """Return what a window shows.

        Args:
            browsing: What it has open; pages beyond the last show the last.
            focus: Number of the identity that is marked; 0 leaves that to the page.

        Raises:
            GalleryError: If the database fails.
        """
        people, identities = self.now()
        undoes, answer = browsing.made[-1] if browsing.made else 0, browsing.answers
        if browsing.shown == "corrections" and not browsing.alone:
            return corrections_html(
                people, self._pictures, told=self.told, page=browsing.page, undoes=undoes, answer=answer
            )
        present = present_numbers(people.changes)
        numbers = [browsing.alone] if browsing.alone else browsing.numbers
        numbers = [each for each in dict.fromkeys(map(present, numbers)) if each in identities]
        start, page, num_pages = page_of(browsing.page, len(numbers), IDENTITIES_AT_ONCE)
        maker = CardMaker(identities, self._pictures, told=self.told)
        more: dict[int, list[Question]] = {}
        for question in browsing.alike:
            if {question.person, question.other} <= identities.keys():
                more.setdefault(question.person, []).append(question)
        cards = maker.cards(
            numbers[start : start + IDENTITIES_AT_ONCE],
            history=lambda number: history_of(people, number),
            is_alone=bool(browsing.alone),
            more=more,
        )
        return template("people.html").render(
            cards=cards,
            told=self.told,
            summary=self._summary(identities, numbers, browsing),
            page=page,
            num_pages=num_pages,
            focus=focus or "",
            is_alone=bool(browsing.alone),
            undoes=undoes or "",
            warnings=people.dropped[:_WARNINGS_SHOWN],
            answer=answer,
        )

    def _summary(self, identities: Mapping[int, Identity], numbers: Sequence[int], browsing: Browsing) -> str:
        doubtful = sum(bool(each.questions) for each in identities.values())
        all_of_them = f"{len(identities):,} {self._subject.one if len(identities) == 1 else self._subject.many}"
        where = (
            f", {len(numbers):,} of them seen by {camera_caption(browsing.camera)}"
            if browsing.camera and not browsing.alone
            else ""
        )
        return f"{all_of_them}{where}; {doubtful:,} in doubt"


def sorted_numbers(identities: Mapping[int, Identity], shown: Shown, camera: str) -> tuple[int, ...]:
    """Return the numbers of the identities that a camera saw ("" for all), in an order."""
    order = ORDERS["by number" if shown == "corrections" else shown]
    wanted = [each for each in identities.values() if not camera or camera in each.cameras]
    return tuple(each.number for each in sorted(wanted, key=order))


def history_of(people: People, number: int) -> tuple[str, ...]:
    """Return what is to be told of what became of an identity and of the numbers that lead to it, the newest first."""
    present = present_numbers(people.changes)
    lines = []
    for change in reversed(people.changes):
        why = f"correction {change.correction}" if change.correction else "linking"
        when = f"{time_text(change.when)}, {why}"
        if change.kind == "merged" and present(change.into) == number:
            lines.append(f"Joined: person {change.person} into person {change.into} ({when}).")
        elif change.kind == "split" and number in (present(change.person), present(change.into)):
            lines.append(f"Split: person {change.into} off person {change.person} ({when}).")
    return tuple(lines[:_HISTORY_SHOWN])
