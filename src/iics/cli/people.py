"""`iics people`: who in a gallery is whom, across cameras."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from iics.atomic import check_folder_of
from iics.cli.gallery_model import model_of_gallery
from iics.cli.parse import parse
from iics.cli.people_told import told_agreement, told_applied, told_old, told_people, told_update
from iics.errors import check_setting
from iics.home_folder import expanded
from iics.progress_display import step_display
from iics.ranges import check_ranges, number, whole

if TYPE_CHECKING:
    from iics.gallery.gallery import Gallery
    from iics.models.reid_model import ReidModel
    from iics.people.store import PeopleStore
    from iics.people.update import Travel

logger = logging.getLogger(__name__)


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
    """Delete crops that were taken so many days ago or longer, and what is known of people by them: now, and whenever
    this command runs again. The gallery keeps the limit; 0 ends it."""
    update: bool = True
    """Link what is new in the gallery; --no-update tells of the people as they stand, and needs no model."""
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


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = _checked(parse(PeopleCommand, arguments, command="people"))
    from iics.gallery.gallery import Gallery
    from iics.people.keeping import keep_for
    from iics.people.store import PeopleStore

    with Gallery.open(command.gallery, collection=command.collection) as gallery:
        model = model_of_gallery(gallery, command.model, device=command.device) if command.update else None
        travel = _travel_times(command.travel_times, gallery)
        _forget_old(gallery, command.keep_days)
        update = partial(_update, command, gallery, model, travel)
        update()
        store = PeopleStore.open(gallery)
        if _correct(command, store):
            update(is_after_corrections=True)
        if command.keep_days is not None:
            keep_for(store, command.keep_days)
        _write(command, store)
    return 0


def _checked(command: PeopleCommand) -> PeopleCommand:
    """Refuse files that cannot be read or written before anything is computed."""
    from iics.people.corrections_file import read_corrections
    from iics.people.report import check_report_path
    from iics.people.table import check_table_path

    if command.table is not None:
        check_table_path(expanded(command.table))
    if command.report is not None:
        check_report_path(expanded(command.report))
    if command.corrections is not None:
        check_folder_of(expanded(command.corrections))
    if command.apply is not None:
        read_corrections(expanded(command.apply))
    return command


def _forget_old(gallery: Gallery, days: float | None) -> None:
    """Delete what is too old, by the limit given or by the one that the gallery has."""
    from iics.people.forgetting import forget_older_than
    from iics.people.keeping import kept_days
    from iics.people.store import PeopleStore

    if days is None and PeopleStore.exists(gallery):
        days = kept_days(PeopleStore.open(gallery))
    if days:
        print("\n".join(told_old(forget_older_than(gallery, days), days)))


def _update(
    command: PeopleCommand,
    gallery: Gallery,
    model: ReidModel | None,
    travel: Travel,
    *,
    is_after_corrections: bool = False,
) -> None:
    from iics.people.update import update_people

    if model is None:
        return
    with step_display() as progress:
        result = update_people(gallery, model, wrong_links=command.wrong_links, travel=travel, progress=progress)
    for note in result.notes:
        logger.warning("%s", note)
    for line in told_update(result, is_after_corrections=is_after_corrections):
        print(line)


def _travel_times(wanted: str, gallery: Gallery) -> Travel:
    """Return travel times: to be learned, of a table, or none."""
    from iics.people.travel_times import read_travel_times

    if wanted in ("on", "off"):
        return "learned" if wanted == "on" else None
    return read_travel_times(expanded(wanted), gallery.camera_names())


def _correct(command: PeopleCommand, store: PeopleStore) -> bool:
    """Make and undo corrections; return whether there were any."""
    from iics.people.correcting import apply_corrections, undo

    if command.undo is not None:
        undo(store, command.undo)
        print(f"Correction {command.undo} is undone.")
    if command.apply is None:
        return command.undo is not None
    applied = apply_corrections(store, expanded(command.apply))
    print(told_applied(applied))
    return command.undo is not None or applied.num_new + applied.num_undone > 0


def _write(command: PeopleCommand, store: PeopleStore) -> None:
    from iics.page.thumbnails import match_thumbnails
    from iics.people.corrections_file import write_corrections
    from iics.people.measured import measured_people
    from iics.people.report import write_people_report
    from iics.people.table import write_table

    people = store.read()
    for sentence in people.dropped:
        logger.warning("%s", sentence)
    print("\n".join(told_people(people)))
    if command.measure:
        print("\n".join(told_agreement(measured_people(store.gallery, people))))
    if command.corrections is not None:
        write_corrections(store, expanded(command.corrections))
    if command.table is not None:
        write_table(people.seen, expanded(command.table))
    if command.report is not None:
        write_people_report(people, store.gallery, expanded(command.report), thumbnails=match_thumbnails)
