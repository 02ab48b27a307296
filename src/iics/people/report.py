"""The page of a gallery's people: how many, where and when, who went where, and which links are most in doubt.

`People` and small pictures in, text out that needs neither network nor scripts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path

from iics.atomic import check_folder_of, write_atomically
from iics.errors import WriteError
from iics.gallery.gallery import Gallery
from iics.gallery.matches import Match
from iics.gallery.moments import time_text
from iics.natural_order import natural_order
from iics.people.book import People, SeenPerson
from iics.people.doubtful_links import Pictures, drawn_crops, least_sure_links, links_not_made
from iics.people.flows import HourlySightings, Transition, hourly_sightings, transitions
from iics.plausible_times import TEN_YEARS
from iics.reports.report import page_of
from iics.reports.report_tables import Table, duration

_MOST_CAMERAS = 30
"""In the matrix of transitions, those with most of them."""
_DARKEST = 0.85
_TEMPLATE = "people_template.html"
_ENDINGS = (".html", ".htm")
Thumbnails = Callable[[Sequence[Match]], Pictures]
"""Crops -> small pictures as `data:` addresses by crop id; None where a file is gone."""


def check_report_path(path: Path) -> None:
    """Refuse a file that no page can be written to, before anything is computed.

    Raises:
        WriteError: If it does not end in .html, or cannot be made there.
    """
    if path.suffix.lower() not in _ENDINGS:
        raise WriteError(f"A report is written as .html; {path} ends in {path.suffix or 'nothing'}.")
    check_folder_of(path)


def write_people_report(
    people: People,
    gallery: Gallery,
    path: Path,
    *,
    thumbnails: Thumbnails,
    zone: tzinfo = UTC,
    told: Callable[[str], str] = str,
) -> None:
    """Write the page of a gallery's people; see `people_html`.

    Raises:
        WriteError: If it cannot be written.
        GalleryError: If the database fails.
    """
    rows = gallery.rows_by_id(drawn_crops(people))
    pictures = thumbnails([Match.from_row(row) for row in rows.values()])
    name = Path(gallery.uri).name or gallery.uri
    page = people_html(people, name=name, pictures=pictures, zone=zone, told=told)
    write_atomically(path, page.encode(errors="replace"))


def people_html(
    people: People, *, name: str, pictures: Pictures, zone: tzinfo = UTC, told: Callable[[str], str] = str
) -> str:
    """Return the page.

    Args:
        people: As they stand.
        name: Of the gallery.
        pictures: Small pictures as `data:` addresses, by crop id; crops that are not in it are shown as gone.
        zone: Of times.
        told: Makes a text that speaks of people one that speaks of what crops show.
    """
    hourly = hourly_sightings(people.seen, zone)
    found = transitions(people.seen)
    return page_of(
        _TEMPLATE,
        kind=told("IICS people"),
        name=name,
        data=_count(sum(len(one.crop_ids) for one in people.seen), "crop"),
        progress=_span(people.seen, zone),
        tiles=[(told(what), number) for what, number in _tiles(people)],
        notes=list(_notes(people, hourly)),
        told=told,
        by_cameras=_by_cameras(people, told),
        hourly=_shaded(hourly) if hourly.periods else None,
        hourly_says=_hourly_says(hourly, zone),
        passages=_matrix(found) if found else None,
        passages_say=told(_passages_say(found)),
        doubts=links_not_made(people, pictures, zone),
        unsure=least_sure_links(people, pictures, zone),
    )


@dataclass(frozen=True)
class _ShadedHours:
    """Sightings by camera and hour with how dark each cell is, 0 to 1."""

    periods: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[int, str], ...]], ...]
    people: tuple[int, ...]


def _tiles(people: People) -> Iterator[tuple[str, str]]:
    of = people.by_person()
    yield "people", f"{len(of):,}"
    yield "of them seen by several cameras", f"{sum(len({one.camera for one in seen}) > 1 for seen in of.values()):,}"
    yield "sightings", f"{len(people.seen):,}"
    yield "cameras", f"{len({one.camera for one in people.seen}):,}"
    yield "links in doubt, not made", f"{len(people.doubts):,}"
    yield "corrections that count", f"{sum(not one.is_undone for one in people.corrections):,}"


def _notes(people: People, hourly: HourlySightings) -> Iterator[str]:
    if hourly.num_untimed:
        yield (
            f"Without a time: {hourly.num_untimed:,} of {_count(len(people.seen), 'sighting')}. They are in no hour, "
            "and in no way from camera to camera."
        )
    yield from people.dropped


def _by_cameras(people: People, told: Callable[[str], str]) -> Table:
    counts = Counter(len({one.camera for one in seen}) for seen in people.by_person().values())
    rows = tuple((str(number), f"{counts[number]:,}") for number in sorted(counts))
    return Table((told("cameras that saw the person"), told("people")), rows)


def _shaded(hourly: HourlySightings) -> _ShadedHours:
    most = max(max(row) for row in hourly.counts)
    rows = tuple(
        (camera, tuple((count, f"{_DARKEST * count / most:.2f}") for count in row))
        for camera, row in zip(hourly.cameras, hourly.counts, strict=True)
    )
    return _ShadedHours(hourly.periods, rows, hourly.people)


def _hourly_says(hourly: HourlySightings, zone: tzinfo) -> str:
    what = (
        "Sightings that began in each hour of the day, all days together"
        if hourly.is_by_day
        else "Sightings by when they began"
    )
    return f"{what} ({zone}, where times have a date). A sighting is a tracklet of one camera, or a crop by itself."


def _matrix(found: Mapping[tuple[str, str], Transition]) -> Table:
    cameras = _busiest(found)
    rows = [
        (start, *("" if (one := found.get((start, end))) is None else _passage(one) for end in cameras))
        for start in cameras
    ]
    return Table(("from \\ to", *cameras), tuple(rows))


def _busiest(found: Mapping[tuple[str, str], Transition]) -> list[str]:
    counts: Counter[str] = Counter()
    for (start, end), one in found.items():
        counts[start] += one.count
        counts[end] += one.count
    return natural_order(camera for camera, _ in counts.most_common(_MOST_CAMERAS))


def _passage(one: Transition) -> str:
    seconds = one.median_seconds
    return f"{one.count:,} · {'-' if seconds < 0 else ''}{duration(abs(seconds))}"


def _passages_say(found: Mapping[tuple[str, str], Transition]) -> str:
    num_cameras = len({camera for pair in found for camera in pair})
    left_out = f" The {_MOST_CAMERAS} busiest of {num_cameras} cameras." if num_cameras > _MOST_CAMERAS else ""
    return (
        "How often people were seen by one camera (rows) and next by another (columns), and the median time from the "
        f"end of the one sighting to the beginning of the next; negative where both saw the person at once.{left_out}"
    )


def _span(seen: Sequence[SeenPerson], zone: tzinfo) -> str:
    times = [time for one in seen for time in (one.first, one.last) if time is not None]
    if not times:
        return "no times"
    span = f"{time_text(min(times), zone)} to {time_text(max(times), zone)}"
    return f"{span} ({zone})" if min(times) >= TEN_YEARS else f"{span} from the start of the recording"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
