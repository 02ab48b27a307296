"""An identity as the page shows it: its questions with both sides, its sightings by camera along time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from iics.gallery.moments import time_text
from iics.page.people_lanes import Axis, bars, face, faces, facts_of, lanes_of
from iics.page.people_questions import Identity, Question
from iics.people.book import SeenPerson
from iics.pixels.drawing import camera_caption

QUESTIONS_SHOWN, QUESTIONS_OF_ONE = 1, 10
"""Where many identities are shown, and where one is alone."""
Pictures = Callable[[Iterable[str]], Mapping[str, str | None]]
"""Ids of crops -> their pictures as `data:` addresses; None where the file or the crop is gone."""


@dataclass(frozen=True)
class ShownSighting:
    """A sighting on a card."""

    key: str
    camera: str
    moment: str
    clock: str
    num_crops: int
    percent: int
    is_doubtful: bool
    label: str
    picture: str | None


@dataclass(frozen=True)
class ShownQuestion:
    """A question on a card; `other` is "" where a sighting alone is asked about."""

    name: str
    own: str
    theirs: str
    other: str
    other_version: str
    text: str
    hint: str
    yes: str
    no: str
    our_name: str
    others_name: str
    ours: tuple[ShownSighting, ...]
    others: tuple[ShownSighting, ...]


@dataclass(frozen=True)
class Lane:
    """The sightings of one camera; bars are their left ends and widths along the card's time, in percent."""

    camera: str
    sightings: tuple[ShownSighting, ...]
    bars: tuple[tuple[float, float], ...]
    num_hidden: int


@dataclass(frozen=True)
class Card:
    """An identity on the page."""

    number: int
    version: str
    facts: str
    doubt: int
    history: tuple[str, ...]
    questions: tuple[ShownQuestion, ...]
    more_questions: str
    lanes: tuple[Lane, ...]
    axis: tuple[tuple[float, str], ...]


class CardMaker:
    """Makes cards of identities.

    Args:
        identities: All there are, by number.
        pictures: Reads crops.
        told: Makes a text that speaks of people one that speaks of what crops show.
    """

    def __init__(self, identities: Mapping[int, Identity], pictures: Pictures, *, told: Callable[[str], str]) -> None:
        self._identities, self._read, self._told = identities, pictures, told
        self._pictures: Mapping[str, str | None] = {}

    def cards(
        self,
        numbers: Sequence[int],
        *,
        history: Callable[[int], tuple[str, ...]],
        is_alone: bool,
        more: Mapping[int, Sequence[Question]],
    ) -> list[Card]:
        """Return the cards of identities; all their pictures are read at once.

        Args:
            numbers: Of present identities.
            history: What to tell of what became of a number.
            is_alone: Whether one identity has the page for itself.
            more: Questions that are asked besides those of the identities, by number.
        """
        shown = [self._identities[number] for number in numbers]
        most = QUESTIONS_OF_ONE if is_alone else QUESTIONS_SHOWN
        asked = {each.number: _asked(each, more.get(each.number, ()), most) for each in shown}
        lanes = {each.number: lanes_of(each, is_alone=is_alone) for each in shown}
        wanted = [seen for of_one in lanes.values() for _, kept, _ in of_one for seen in kept]
        wanted += [seen for each in shown for question in asked[each.number] for seen in self._sides(question)]
        self._pictures = self._read({face(seen) for seen in wanted})
        return [self._card(each, asked[each.number], lanes[each.number], history(each.number)) for each in shown]

    def _sides(self, question: Question) -> list[SeenPerson]:
        ours, others = self._both(question)
        return [*ours, *others]

    def _both(self, question: Question) -> tuple[list[SeenPerson], list[SeenPerson]]:
        """Return what a question compares: the sighting asked about first, then typical ones."""
        own = self._identities[question.person].sightings
        if question.other:
            theirs = self._identities[question.other].sightings
            return faces(own, question.own), faces(theirs, question.theirs)
        others = [seen for seen in own if seen.key != question.own]
        return [seen for seen in own if seen.key == question.own], faces(others, "")

    def _card(
        self,
        identity: Identity,
        asked: Sequence[Question],
        lanes: Sequence[tuple[str, list[SeenPerson], int]],
        history: tuple[str, ...],
    ) -> Card:
        axis = Axis.of(identity.sightings)
        doubtful = {question.own for question in identity.questions if not question.other}
        elsewhere = [f"person {number}" for number in identity.asked_at]
        hidden = sum(question not in asked for question in identity.questions)
        told = [f"{hidden} more question{'' if hidden == 1 else 's'} after that."] if hidden else []
        told += [f"Whether this is {' or '.join(elsewhere[:5])} is asked there."] if elsewhere else []
        return Card(
            number=identity.number,
            version=identity.version,
            facts=facts_of(identity),
            doubt=round(100 * identity.doubt),
            history=tuple(map(self._told, history)),
            questions=tuple(self._question(question) for question in asked),
            more_questions=self._told(" ".join(told)),
            lanes=tuple(
                Lane(
                    camera,
                    tuple(self._sighting(seen, doubtful) for seen in kept),
                    bars(axis, [seen for seen in identity.sightings if seen.camera == camera]),
                    num_hidden,
                )
                for camera, kept, num_hidden in lanes
            ),
            axis=axis.ticks() if axis else (),
        )

    def _question(self, question: Question) -> ShownQuestion:
        ours, others = self._both(question)
        text, hint, yes, no, our_name, others_name = map(self._told, _texts(question))
        return ShownQuestion(
            name=question.name,
            own=question.own,
            theirs=question.theirs or others[0].key,
            other=str(question.other or ""),
            other_version=self._identities[question.other].version if question.other else "",
            text=text,
            hint=hint,
            yes=yes,
            no=no,
            our_name=our_name,
            others_name=others_name,
            ours=tuple(self._sighting(seen, frozenset()) for seen in ours),
            others=tuple(self._sighting(seen, frozenset()) for seen in others),
        )

    def _sighting(self, seen: SeenPerson, doubtful: Iterable[str]) -> ShownSighting:
        moment = "" if seen.first is None else time_text(seen.first)
        crops = f"{len(seen.crop_ids)} crop{'' if len(seen.crop_ids) == 1 else 's'}"
        percent = round(100 * seen.certainty)
        return ShownSighting(
            key=seen.key,
            camera=seen.camera,
            moment=moment,
            clock=moment.rpartition(" ")[2],
            num_crops=len(seen.crop_ids),
            percent=percent,
            is_doubtful=seen.key in doubtful,
            label=", ".join(
                part for part in (camera_caption(seen.camera), moment, crops, f"{percent} % certain") if part
            ),
            picture=self._pictures.get(face(seen)),
        )


def _texts(question: Question) -> tuple[str, str, str, str, str, str]:
    """Return the question, a hint, its two answers, and what the two sides are."""
    sure = f"{100 * question.doubt:.0f} % likely"
    if question.other:
        return (
            f"Are person {question.person} and person {question.other} the same person?",
            question.hint or sure,
            "The same person",
            "Two people",
            f"person {question.person}",
            f"person {question.other}",
        )
    return (
        f"Is this sighting of person {question.person}?",
        f"{sure} not",
        "Yes, keep it",
        "No, split it off",
        "this sighting",
        f"others of person {question.person}",
    )


def _asked(identity: Identity, more: Sequence[Question], most: int) -> tuple[Question, ...]:
    """Return what is asked besides, and up to so many questions of the identity; about another identity once."""
    others = {question.other for question in more}
    return (*more, *[each for each in identity.questions if not each.other or each.other not in others][:most])
