"""The flags of `iics people`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from iics.errors import SettingsError, check_setting
from iics.home_folder import expanded
from iics.ranges import check_ranges, number, whole


@dataclass(frozen=True)
class PeopleCommand:
    """Link the tracklets of a gallery's cameras into people, and tell who was where.

    Each person has a number that stays. Run again, the command takes in what is new, and changes nothing if nothing is.
    Some links are wrong: look at the crops (--report, iics app) before anything follows from one (docs/people.md,
    docs/responsible_use.md). Needs the extra gallery.
    """

    gallery: tyro.conf.Positional[str]
    """Gallery: a folder ending in .db, or a Milvus server, http://host:port."""
    wrong_links: Annotated[float, number(0, 0.5, above=True)] | None = None
    """Share of links that may be wrong, e.g. 0.02, as far as that can be told without labels. It makes links stricter,
    never looser than they are without it; the gallery keeps it for later runs."""
    travel_times: str = "off"
    """Whether the time that people take from one camera to another keeps sightings apart: off; on learns it from links
    that are sure, where crops have times; or a table (CSV) with the columns from, to and seconds, the shortest time
    that anybody needs. It is never a reason for a link."""
    table: Path | None = None
    """Write a row for each sighting here (.csv or .parquet): person, camera, tracklet, from, to, certainty."""
    report: Path | None = None
    """Write a page here (.html): how many people, where and when, ways and their times, doubtful links with crops."""
    time_zone: str = "UTC"
    """Zone of the times in table and report, e.g. Europe/Berlin."""
    measure: bool = False
    """Compare with the identities that the gallery knows: precision, recall and F of pairs, B-cubed, IDF1."""
    apply: Path | None = None
    """Take corrections from this file: lines without a number are added, lines marked undone are undone. It is written
    like the one beside the gallery."""
    undo: Annotated[int, whole(1, 2**31 - 1)] | None = None
    """Undo the correction of this number, and what only it caused."""
    corrections: Path | None = None
    """Write all corrections here (.csv); of a gallery in a folder they stand beside it anyway."""
    keep_days: Annotated[float, number(0, 36500)] | None = None
    """Delete crops that were taken so many days ago or longer, and what is known of people by them. The gallery keeps
    the limit, and iics people, index and watch act on it from then on; 0 ends it."""
    update: bool = True
    """Link what is new in the gallery; --no-update tells of the people as they stand, and needs no model."""
    json: bool = False
    """Print what was done and found as JSON."""
    model: Path | None = None
    """Model of the gallery's features, or its run folder; by default the file that the gallery was indexed with."""
    collection: str = "iics"
    """Name of the gallery within its database."""
    device: str = "auto"
    """Device to compute on: auto, cpu, cuda."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")
        check_setting(
            self.update or (self.wrong_links is None and self.model is None and self.travel_times == "off"),
            "--no-update links nothing, so --wrong-links, --travel-times and --model have no use; leave them out.",
        )
        check_setting(
            self.time_zone == "UTC" or self.table is not None or self.report is not None,
            "--time-zone is the zone of times in --table and --report; give one of them, or leave it out.",
        )


def check_files_differ(command: PeopleCommand) -> None:
    """Refuse to write a file over another one that the command reads or writes.

    --corrections may write the file that --apply read: they are the same corrections.

    Raises:
        SettingsError: If two flags name one file.
    """
    ways = None if command.travel_times in ("on", "off") else Path(command.travel_times)
    flags = [
        ("--table", command.table),
        ("--report", command.report),
        ("--corrections", command.corrections),
        ("--apply", command.apply),
        ("--travel-times", ways),
    ]
    seen: dict[Path, str] = {}
    for flag, path in flags:
        if path is None:
            continue
        other = seen.setdefault(expanded(path).resolve(), flag)
        if other != flag and (other, flag) != ("--corrections", "--apply"):
            raise SettingsError(f"{other} would be written over the file of {flag}, {path}; name two files.")
