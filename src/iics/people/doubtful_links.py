"""The links of a gallery's people that are most in doubt, as two sightings beside each other with their crops.

Links that may be right and were not made, the likeliest first; links that were made, the least sure first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo

from iics.gallery.moments import time_text
from iics.people.book import People, SeenPerson

MOST_LINKS = 24
"""Shown of each kind."""
_CROPS_A_SIDE = 3
Pictures = Mapping[str, str | None]
"""Small pictures as `data:` addresses by crop id; None where a file is gone."""


@dataclass(frozen=True)
class LinkSide:
    """A sighting as it is shown."""

    person: int
    camera: str
    time: str
    crops: tuple[str | None, ...]


@dataclass(frozen=True)
class DoubtfulLink:
    """Two sightings, and what is in doubt of them."""

    title: str
    first: LinkSide
    second: LinkSide


def links_not_made(people: People, pictures: Pictures, zone: tzinfo = UTC) -> list[DoubtfulLink]:
    """Return the likeliest links between people that stay apart."""
    return [
        DoubtfulLink(
            f"{100 * certainty:.0f} % sure that {first.person} and {second.person} are one person",
            _side(first, pictures, zone),
            _side(second, pictures, zone),
        )
        for first, second, certainty in _not_made(people)
    ]


def least_sure_links(people: People, pictures: Pictures, zone: tzinfo = UTC) -> list[DoubtfulLink]:
    """Return the sighting of each person that is least sure, beside the surest other of that person."""
    return [
        DoubtfulLink(
            f"{100 * one.certainty:.0f} % sure that this is person {one.person}",
            _side(one, pictures, zone),
            _side(other, pictures, zone),
        )
        for one, other in _least_sure(people)
    ]


def drawn_crops(people: People) -> list[str]:
    """Return the ids of the crops that these links show."""
    shown = [one for first, second, _ in _not_made(people) for one in (first, second)]
    shown += [one for pair in _least_sure(people) for one in pair]
    return sorted({crop_id for one in shown for crop_id in _drawn(one)})


def _not_made(people: People) -> list[tuple[SeenPerson, SeenPerson, float]]:
    by_key = {one.key: one for one in people.seen}
    return [(by_key[one.first], by_key[one.second], one.certainty) for one in people.doubts[:MOST_LINKS]]


def _least_sure(people: People) -> list[tuple[SeenPerson, SeenPerson]]:
    """Return the least certain sighting of each person seen twice, the least first, and the surest other one."""
    found = []
    for seen in people.by_person().values():
        by_certainty = sorted(seen, key=lambda one: (one.certainty, one.key))
        if len(seen) > 1 and by_certainty[0].certainty < 1:
            found.append((by_certainty[0], by_certainty[-1]))
    return sorted(found, key=lambda pair: (pair[0].certainty, pair[0].key))[:MOST_LINKS]


def _side(one: SeenPerson, pictures: Pictures, zone: tzinfo) -> LinkSide:
    time = "" if one.first is None else time_text(one.first, zone)
    crops = tuple(pictures.get(crop_id) for crop_id in _drawn(one))
    return LinkSide(one.person, one.camera, time, crops)


def _drawn(one: SeenPerson) -> list[str]:
    """Return the first, the middle and the last crop of a sighting."""
    last = len(one.crop_ids) - 1
    places = {round(last * step / (_CROPS_A_SIDE - 1)) for step in range(_CROPS_A_SIDE)}
    return [one.crop_ids[place] for place in sorted(places)]
