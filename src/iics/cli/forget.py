"""`iics forget`: crops out of a gallery."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from iics.cli.gallery_model import embed_picture, model_of_gallery
from iics.cli.match_tables import match_table
from iics.cli.parse import parse
from iics.cli.people_told import told_persons
from iics.errors import SettingsError, check_setting
from iics.gallery.moments import parse_moment
from iics.natural_order import natural_order
from iics.pixels.picture_file import check_picture_path, write_picture
from iics.progress_display import count_of
from iics.ranges import check_ranges, number, whole
from iics.shown_name import shown

if TYPE_CHECKING:
    from iics.gallery.filters import GalleryFilters
    from iics.gallery.gallery import Gallery
    from iics.gallery.matches import Match

_CROPS_LISTED = 20


@dataclass(frozen=True)
class ForgetCommand:
    """Delete crops from a gallery, after showing them: all that meet every flag given.

    The picture files stay where they are: delete them too, or the next iics index brings the crops back
    (docs/gallery.md). Needs the extra gallery.
    """

    gallery: tyro.conf.Positional[str]
    """Gallery: a folder ending in .db, or a Milvus server, http://host:port."""
    camera: tuple[str, ...] = ()
    """Crops of these cameras; a name that the gallery does not have is refused."""
    since: str = ""
    """Crops taken then or later: date and time, 2026-03-01T08:00:00 (UTC unless it names a zone), or seconds."""
    until: str = ""
    """Crops taken before then."""
    path: Path | None = None
    """Crops of this file, or of all files below this folder; of an archive its zip file."""
    tracklet: Annotated[int, whole(0, 2**63 - 1)] | None = None
    """Crops of this tracklet, by the number that iics search shows."""
    person: Annotated[int, whole(1, 2**63 - 1)] | None = None
    """Crops of this person, by the number that iics people gave, and all else that is known of the person."""
    like: Path | None = None
    """A person: crops at least --above like this picture."""
    above: Annotated[float, number(-1, 1)] | None = None
    """Similarity from which a crop is taken for the person of --like."""
    model: Path | None = None
    """For --like: model file or run folder; by default the file that the gallery was indexed with."""
    contact_sheet: Path | None = None
    """Write a picture of the crops here (PNG or JPEG) before they are deleted."""
    yes: bool = False
    """Delete without asking."""
    collection: str = "iics"
    """Name of the gallery within its database."""
    device: str = "auto"
    """Device to compute on: auto, cpu, cuda."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")
        check_setting(
            (self.like is None) == (self.above is None),
            "A person is forgotten by --like PICTURE and --above SCORE together; give both or none.",
        )


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
            if gallery.finished_deleting or gallery.finish_deleting():
                forget_crops(gallery, [])
                print("An iics forget that was interrupted is finished; no crop is meant beside those it deleted.")
                return 0
            print("\n".join(["No crop of the gallery is meant; nothing was forgotten.", *unmet(gallery, filters)]))
            return 1
        _show(crops, command.contact_sheet)
        if not (command.yes or _is_confirmed(len(crops))):
            print("Nothing was deleted.")
            return 1
        forgotten = forget_crops(gallery, [crop.crop_id for crop in crops])
        print(f"{count_of(len(crops), 'crop')} forgotten; {count_of(gallery.num_crops, 'crop')} left.")
        if forgotten.persons:
            print(f"No crop of {told_persons(forgotten.persons)} is left; no other person gets the number.")
    if not forgotten.is_gone:
        print("They are found no more; the server removes them from its files by its own schedule.")
    print("Their picture files are untouched: delete them too, or iics index and iics watch bring the crops back.")
    return 0


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
        print(f"These are the first {MOST_MATCHES}; run the command again for the rest.")
    return chosen


def _show(crops: Sequence[Match], contact_sheet: Path | None) -> None:
    """Print how many crops of which cameras, and the first of them; draw all of them where asked for."""
    of_camera = Counter(crop.camera for crop in crops)
    cameras = ", ".join(f"{of_camera[name]} of {shown(name)}" for name in natural_order(of_camera))
    print(f"{count_of(len(crops), 'crop')} to forget ({cameras}):")
    Console().print(match_table(crops[:_CROPS_LISTED]))
    if len(crops) > _CROPS_LISTED:
        print(f"and {len(crops) - _CROPS_LISTED} more")
    if contact_sheet is not None:
        from iics.gallery.match_sheet import match_sheet

        write_picture(match_sheet(None, crops), contact_sheet)
        print(f"All of them are drawn in {contact_sheet}.")


def _is_confirmed(num_crops: int) -> bool:
    if not sys.stdin.isatty():
        raise SettingsError("Nothing was deleted: nobody is there to ask. Look at what is listed, then add --yes.")
    try:
        answer = input(f"Delete {count_of(num_crops, 'crop')} from the gallery? [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")
