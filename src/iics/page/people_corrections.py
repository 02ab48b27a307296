"""The corrections of a gallery's people, the newest first, a page at a time, as HTML."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from iics.gallery.moments import time_text
from iics.page.match_view import template
from iics.page.people_cards import Pictures
from iics.page.people_lanes import face
from iics.people.book import People, SeenPerson
from iics.people.corrections import Correction

CORRECTIONS_AT_ONCE = 20
_FACES = 3
_SAID = {"same": "the same person", "different": "two people"}


def corrections_html(
    people: People, pictures: Pictures, *, told: Callable[[str], str], page: int, undoes: int, answer: int
) -> str:
    """Return a page of corrections.

    Args:
        people: As they stand.
        pictures: Reads crops.
        told: Makes a text that speaks of people one that speaks of what crops show.
        page: From 1; beyond the last it is the last.
        undoes: Number of the correction that the window would undo; 0 for none.
        answer: Number of the answer.
    """
    newest = sorted(people.corrections, key=lambda each: -each.number)
    start, page, num_pages = page_of(page, len(newest), CORRECTIONS_AT_ONCE)
    shown = newest[start : start + CORRECTIONS_AT_ONCE]
    named = {key for each in shown for key in (*each.first, *each.second)}
    seen = {each.key: each for each in people.seen if each.key in named}
    faces = {
        key: face(seen[key])
        for each in shown
        for keys in (each.first, each.second)
        for key in _there(keys, seen)[:_FACES]
    }
    read = pictures(faces.values())
    undone = sum(each.is_undone for each in newest)
    return template("people_corrections.html").render(
        rows=[_row(each, seen, {key: read.get(crop) for key, crop in faces.items()}, told) for each in shown],
        told=told,
        summary=f"{len(newest):,} correction{'' if len(newest) == 1 else 's'}, {undone:,} undone",
        page=page,
        num_pages=num_pages,
        undoes=undoes or "",
        warnings=people.dropped,
        is_alone=False,
        answer=answer,
    )


def page_of(wanted: int, count: int, at_once: int) -> tuple[int, int, int]:
    """Return where a page starts, its number within those there are, and how many there are."""
    num_pages = max(1, math.ceil(count / at_once))
    page = min(max(wanted, 1), num_pages)
    return (page - 1) * at_once, page, num_pages


def _row(
    correction: Correction,
    seen: Mapping[str, SeenPerson],
    pictures: Mapping[str, str | None],
    told: Callable[[str], str],
) -> dict[str, object]:
    sides = [(keys, _there(keys, seen)[:_FACES]) for keys in (correction.first, correction.second)]
    return {
        "number": correction.number,
        "kind": correction.kind,
        "text": told(_SAID[correction.kind]),
        "by": correction.by,
        "moment": time_text(correction.made),
        "is_undone": correction.is_undone,
        "sides": [
            {
                "pictures": [pictures[key] for key in faces],
                "num_more": len(keys) - len(faces),
                "numbers": sorted({seen[key].person for key in _there(keys, seen)}),
            }
            for keys, faces in sides
        ],
    }


def _there(keys: tuple[str, ...], seen: Mapping[str, SeenPerson]) -> list[str]:
    return [key for key in keys if key in seen]
