"""`iics people`: who in a gallery is whom, across cameras."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iics.cli.gallery_model import model_of_gallery, subject_of
from iics.cli.keep_days import set_limit
from iics.cli.parse import parse
from iics.cli.people_command import PeopleCommand, check_files_differ
from iics.cli.people_told import told_aged, told_agreement, told_applied, told_people, told_update
from iics.gallery.moments import zone_of
from iics.home_folder import expanded
from iics.progress_display import step_display
from iics.subjects import SUBJECTS, Subject

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iics.cli.people_json import Found
    from iics.gallery.gallery import Gallery
    from iics.models.reid_model import ReidModel
    from iics.people.store import PeopleStore
    from iics.people.update import Travel

logger = logging.getLogger(__name__)


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = _checked(parse(PeopleCommand, arguments, command="people"))
    from iics.cli.people_json import Found, json_values
    from iics.gallery.gallery import Gallery
    from iics.people.keeping import forget_aged
    from iics.people.store import PeopleStore

    with Gallery.open(command.gallery, collection=command.collection) as gallery:
        model = model_of_gallery(gallery, command.model, device=command.device) if command.update else None
        subject = subject_of(gallery) if model is None else SUBJECTS[model.header.subject]
        run = _Run(command, gallery, model, subject, Found(began=time.time()))
        travel = _travel_times(command.travel_times, gallery)
        set_limit(gallery, command.keep_days)
        run.found.aged = forget_aged(gallery)
        run.tell(told_aged(run.found.aged, is_asked=command.keep_days is not None))
        run.update(travel)
        store = PeopleStore.open(gallery)
        if run.correct(store):
            run.update(travel, is_after_corrections=True)
        run.write(store)
    if command.json:
        print(json.dumps(json_values(command, run.found), indent=2))
    return 0


def _checked(command: PeopleCommand) -> PeopleCommand:
    """Refuse files that cannot be read or written before anything is computed."""
    from iics.people.corrections_file import check_corrections_path, read_corrections
    from iics.people.report import check_report_path
    from iics.people.table import check_table_path

    zone_of(command.time_zone, name="--time-zone")
    check_files_differ(command)
    if command.table is not None:
        check_table_path(expanded(command.table))
    if command.report is not None:
        check_report_path(expanded(command.report))
    if command.corrections is not None:
        check_corrections_path(expanded(command.corrections))
    if command.apply is not None:
        read_corrections(expanded(command.apply))
    return command


def _travel_times(wanted: str, gallery: Gallery) -> Travel:
    """Return travel times: to be learned, of a table, or none."""
    from iics.people.travel_times import read_travel_times

    if wanted in ("on", "off"):
        return "learned" if wanted == "on" else None
    return read_travel_times(expanded(wanted), gallery.camera_names())


@dataclass
class _Run:
    """One run of the command on an open gallery.

    Attributes:
        command: The flags.
        gallery: Open.
        model: Its model; None if nothing is linked.
        subject: What the crops show.
        found: What was done and found so far.
    """

    command: PeopleCommand
    gallery: Gallery
    model: ReidModel | None
    subject: Subject
    found: Found = field(repr=False)

    def tell(self, lines: Iterable[str]) -> None:
        """Print lines, by the subject's words; nothing where JSON is wanted."""
        for line in lines:
            if not self.command.json:
                print(self.subject.told(line))

    def _warn(self, sentence: str) -> None:
        self.found.warnings.append(self.subject.told(sentence))
        logger.warning("%s", self.found.warnings[-1])

    def update(self, travel: Travel, *, is_after_corrections: bool = False) -> None:
        """Link what is new."""
        from iics.people.update import update_people

        if self.model is None:
            return
        with step_display() as progress:
            result = update_people(
                self.gallery, self.model, wrong_links=self.command.wrong_links, travel=travel, progress=progress
            )
        for note in result.notes:
            self._warn(note)
        self.found.updates.append(result)
        self.tell(told_update(result, is_after_corrections=is_after_corrections))

    def correct(self, store: PeopleStore) -> bool:
        """Make and undo corrections; return whether there were any."""
        from iics.people.correcting import apply_corrections, undo

        number, file = self.command.undo, self.command.apply
        if number is not None:
            undo(store, number)
            self.tell([f"Correction {number} is undone."])
        if file is None:
            return number is not None
        applied = self.found.applied = apply_corrections(store, expanded(file))
        self.tell([told_applied(applied)])
        return number is not None or applied.num_new + applied.num_undone > 0

    def write(self, store: PeopleStore) -> None:
        """Tell how people stand, and write what was asked for."""
        from iics.page.thumbnails import match_thumbnails
        from iics.people.corrections_file import write_corrections
        from iics.people.measured import measured_people
        from iics.people.report import write_people_report
        from iics.people.table import write_table

        command, zone = self.command, zone_of(self.command.time_zone, name="--time-zone")
        people = self.found.people = store.read()
        for sentence in people.dropped:
            self._warn(sentence)
        self.tell(told_people(people))
        if command.corrections is not None:
            write_corrections(store, expanded(command.corrections))
        if command.table is not None:
            write_table(people.seen, expanded(command.table), zone=zone)
        if command.report is not None:
            write_people_report(
                people,
                self.gallery,
                expanded(command.report),
                thumbnails=match_thumbnails,
                zone=zone,
                told=self.subject.told,
            )
        if command.measure:  # last: where no identity is known, the files are there nevertheless
            self.found.agreement = measured_people(self.gallery, people)
            self.tell(told_agreement(self.found.agreement))
