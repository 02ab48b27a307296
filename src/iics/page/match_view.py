"""Matches -> HTML: a time axis, then a strip of pictures for each camera, or all in order of similarity.

Every text is escaped by the template: names of cameras and files may be anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import jinja2

from iics.evaluation.marks import Verdict
from iics.gallery.matches import Match
from iics.gallery.moments import time_text
from iics.models.match_thresholds import MatchThresholds
from iics.models.score_meaning import CENTRED, meaning_of, measured_elsewhere, rate_text, summary_lines
from iics.page.thumbnails import match_thumbnails
from iics.page.timeline import timeline_of
from iics.pixels.drawing import camera_caption
from iics.shown_name import shown
from iics.subjects import SUBJECTS, SubjectName

MatchOrder = Literal["by camera, along time", "by similarity"]


def similarity_meaning(thresholds: MatchThresholds | None, *, is_centred: bool = False) -> str:
    """Return in a few words what a visitor should know of the numbers beside matches; thresholds are of plain ones."""
    intro = "Similarity is the cosine of two features. Look at every match; a high similarity is not an identification."
    if is_centred:
        return f"{intro} {CENTRED}"
    known = [] if thresholds is None else [at for at in thresholds.thresholds if at.similarity is not None]
    if thresholds is None or not known:
        return intro
    rates = ", ".join(f"{rate_text(at.rate)} exceed {at.similarity:.3f}" for at in known)
    return f"{intro} Of pairs of two different people, {rates}. {measured_elsewhere(thresholds)}"


def meaning_details(thresholds: MatchThresholds | None) -> str:
    """Return all that is known of the thresholds, a line each."""
    return "\n".join(line.strip() for line in summary_lines(thresholds))


@dataclass(frozen=True)
class MatchGroup:
    """Matches under one heading.

    Attributes:
        heading: The camera, or "" for all matches in one.
        matches: In the order shown.
    """

    heading: str
    matches: tuple[Match, ...]


def grouped(matches: Sequence[Match], order: MatchOrder) -> tuple[MatchGroup, ...]:
    """Return matches in the order they are shown in.

    By camera: the camera of the best match first, and within a camera along time; those without a time come last.
    """
    in_rank = sorted(matches, key=lambda match: match.rank)
    if order == "by similarity":
        return (MatchGroup("", tuple(in_rank)),)
    cameras: dict[str, list[Match]] = {}
    for match in in_rank:
        cameras.setdefault(match.camera, []).append(match)
    return tuple(MatchGroup(camera, tuple(sorted(found, key=_along_time))) for camera, found in cameras.items())


def _along_time(match: Match) -> tuple[bool, float, int]:
    return match.time is None, match.time or 0.0, match.rank


def matches_html(
    matches: Sequence[Match],
    verdicts: Mapping[str, Verdict],
    *,
    order: MatchOrder,
    can_mark: bool,
    thresholds: MatchThresholds | None,
    is_centred: bool = False,
    subject: SubjectName = "person",
    persons: Mapping[str, int] | None = None,
) -> str:
    """Return the matches of a query as HTML.

    Args:
        matches: At least one.
        verdicts: What was said of them, by crop.
        order: How they are grouped.
        can_mark: Whether there is a file to keep marks in.
        thresholds: Of the model, which say what the similarities mean; None if it has none.
        is_centred: Whether similarities are of centred features, which thresholds say nothing of.
        subject: What crops show.
        persons: Number of the identity that a crop is part of, by crop; None where nobody looked for people.
    """
    told = SUBJECTS[subject].told
    of_match = {match.crop_id: match.similarity for match in matches}
    return template("matches.html").render(
        groups=grouped(matches, order),
        num_matches=len(matches),
        num_cameras=len({match.camera for match in matches}),
        timeline=timeline_of(matches),
        verdicts=verdicts,
        persons=persons or {},
        can_mark=can_mark,
        one=SUBJECTS[subject].one,
        meaning=told(similarity_meaning(thresholds, is_centred=is_centred)),
        meaning_question=told("Which similarity means the same person?"),
        meaning_details=told(CENTRED if is_centred else meaning_details(thresholds)),
        meaning_of={
            crop_id: f"{similarity:.2f}: of centred features"
            if is_centred
            else told(meaning_of(similarity, thresholds))
            for crop_id, similarity in of_match.items()
        },
        pictures=match_thumbnails(matches),
        time_text=time_text,
    )


def message_html(title: str, text: str = "", *, is_error: bool = False) -> str:
    """Return a message that stands where matches would."""
    return template("message.html").render(title=title, text=text, is_error=is_error)


def toast_html(text: str, *, is_error: bool) -> str:
    """Return a short message that lies over the page; an error stays, other messages fade."""
    return template("toast.html").render(text=text, is_error=is_error)


@cache
def template(name: str) -> jinja2.Template:
    """Return a template of this folder; it escapes what it is given."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: resources.files("iics.page").joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"caption": camera_caption, "shown": shown}
    return environment.get_template(name)
