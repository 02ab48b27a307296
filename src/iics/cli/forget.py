"""`iics forget`: crops out of a gallery."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from iics.cli.forget_command import ForgetCommand
from iics.cli.gallery_model import embed_picture, model_of_gallery, subject_of
from iics.cli.match_tables import match_table
from iics.cli.parse import parse
from iics.cli.people_told import told_persons
from iics.errors import SettingsError
from iics.gallery.moments import parse_moment
from iics.gallery.stored_values import unicode_name
from iics.natural_order import natural_order
from iics.pixels.picture_file import check_picture_path, write_picture
from iics.progress_display import count_of
from iics.shown_name import shown

if TYPE_CHECKING:
    from iics.gallery.filters import GalleryFilters
    from iics.gallery.gallery import Gallery
    from iics.gallery.matches import Match
    from iics.people.forgetting import Forgotten

logger = logging.getLogger(__name__)
_CROPS_LISTED = 20


def main(arguments: list[str]) -> int:
    """Run the command; 1 if nothing was deleted because no crop was meant or the user said no."""
    command = parse(ForgetCommand, arguments, command="forget")
    if command.contact_sheet is not None:
        check_picture_path(command.contact_sheet)
    from iics.gallery.filters import GalleryFilters
    from iics.gallery.gallery import Gallery
    from iics.gallery.nothing_found import unmet
    from iics.people.forgetting import forget_crops

    filters = GalleryFilters(
        cameras=command.camera,
        since=parse_moment(command.since, name="--since"),
        until=parse_moment(command.until, name="--until"),
        path=command.path,
        tracklet_id=command.tracklet,
    )
    if filters.is_empty and command.like is None and command.person is None:
        raise SettingsError(
            "Forget what? Give --camera, --since, --until, --path, --tracklet, --person, or --like with --above. To "
            f"forget everything, delete the gallery {command.gallery} itself."
        )
    with Gallery.open(command.gallery, collection=command.collection) as gallery:
        crops = _chosen_crops(command, gallery, filters)
        if not crops:
            return _nothing(command, gallery, unmet(gallery, filters))
        _show(crops, command)
        if not (command.yes or _is_confirmed(len(crops))):
            print("Nothing was deleted.")
            return 1
        forgotten = forget_crops(gallery, [crop.crop_id for crop in crops])
        num_left, subject = gallery.num_crops, subject_of(gallery)
    if command.json:
        _print_json(command, crops, forgotten, num_left)
        return 0
    print(f"{count_of(len(crops), 'crop')} forgotten; {count_of(num_left, 'crop')} left.")
    if forgotten.persons:
        print(subject.told(f"No crop of {told_persons(forgotten.persons)} is left; no other person gets the number."))
    if not forgotten.is_gone:
        print("They are found no more; the server removes them from its files by its own schedule.")
    print("Their picture files are untouched: delete them too, or iics index and iics watch bring the crops back.")
    return 0


def _nothing(command: ForgetCommand, gallery: Gallery, reasons: Sequence[str]) -> int:
    """Say that no crop is meant, after finishing what an interruption left; return the exit code."""
    from iics.people.forgetting import forget_crops

    is_finished = gallery.finished_deleting or gallery.finish_deleting()
    if is_finished:
        forget_crops(gallery, [])
    if command.json:
        _print_json(command, [], None, gallery.num_crops)
    elif is_finished:
        print("An iics forget that was interrupted is finished; no crop is meant beside those it deleted.")
    else:
        print("\n".join(["No crop of the gallery is meant; nothing was forgotten.", *reasons]))
    return 0 if is_finished else 1


def _print_json(command: ForgetCommand, crops: Sequence[Match], forgotten: Forgotten | None, num_left: int) -> None:
    """Print what was forgotten; see docs/gallery.md."""
    found = {
        "gallery": unicode_name(command.gallery),
        "forgotten_crops": len(crops),
        "by_camera": dict(Counter(crop.camera for crop in crops)),
        "forgotten_people": [] if forgotten is None else list(forgotten.persons),
        "crops_left": num_left,
        "out_of_files": forgotten is None or forgotten.is_gone,
    }
    print(json.dumps(found, indent=2))


def _chosen_crops(command: ForgetCommand, gallery: Gallery, filters: GalleryFilters) -> list[Match]:
    if command.person is None:
        return _crops_like(command, gallery, filters)
    from iics.gallery.matches import Match
    from iics.people.forgetting import crops_of_person
    from iics.people.store import PeopleStore

    ids = crops_of_person(PeopleStore.open(gallery), command.person)
    if filters.is_empty and command.like is None:
        found = [Match.from_row(row) for row in gallery.rows_by_id(ids).values()]
        return sorted(found, key=lambda match: (match.place, match.crop_id))
    of_person = set(ids)
    return [match for match in _crops_like(command, gallery, filters) if match.crop_id in of_person]


def _crops_like(command: ForgetCommand, gallery: Gallery, filters: GalleryFilters) -> list[Match]:
    if command.like is None or command.above is None:
        return gallery.crops(filters)
    from iics.gallery.schema import MOST_MATCHES

    model = model_of_gallery(gallery, command.model, device=command.device)
    (matches,) = gallery.search(embed_picture(model, command.like), filters=filters, top=MOST_MATCHES)
    chosen = [match for match in matches if match.similarity >= command.above]
    if len(chosen) == MOST_MATCHES:
        logger.warning("These are the first %d; run the command again for the rest.", MOST_MATCHES)
    return chosen


def _show(crops: Sequence[Match], command: ForgetCommand) -> None:
    """Print how many crops of which cameras, and the first of them; draw all of them where asked for."""
    contact_sheet = command.contact_sheet
    if contact_sheet is not None:
        from iics.gallery.match_sheet import match_sheet

        write_picture(match_sheet(None, crops), contact_sheet)
    if command.json:
        return
    of_camera = Counter(crop.camera for crop in crops)
    cameras = ", ".join(f"{of_camera[name]} of {shown(name)}" for name in natural_order(of_camera))
    print(f"{count_of(len(crops), 'crop')} to forget ({cameras}):")
    Console().print(match_table(crops[:_CROPS_LISTED]))
    if len(crops) > _CROPS_LISTED:
        print(f"and {len(crops) - _CROPS_LISTED} more")
    if contact_sheet is not None:
        print(f"All of them are drawn in {contact_sheet}.")


def _is_confirmed(num_crops: int) -> bool:
    if not sys.stdin.isatty():
        raise SettingsError("Nothing was deleted: nobody is there to ask. Look at what is listed, then add --yes.")
    try:
        answer = input(f"Delete {count_of(num_crops, 'crop')} from the gallery? [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")
