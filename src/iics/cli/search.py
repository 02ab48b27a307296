"""`iics search`: who in the gallery is on this picture?"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from iics.cli.gallery_model import centring_of, embed_picture, model_of_gallery
from iics.cli.match_tables import json_values, print_matches
from iics.cli.parse import parse
from iics.cli.protocol_choice import RerankingForm, check_reranking_form
from iics.config import Centre
from iics.gallery.moments import parse_moment
from iics.pixels.picture_file import check_picture_path, write_picture
from iics.ranges import check_ranges, whole

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SearchCommand:
    """Rank the crops of a gallery by how like the person on a picture they are.

    A high score is not an identification: look at the pictures (--contact-sheet). Needs the extra gallery.
    """

    gallery: tyro.conf.Positional[str]
    """Gallery: a folder ending in .db, or a Milvus server, http://host:port."""
    query: tyro.conf.Positional[Path]
    """Picture of one person, cut out as the crops of the gallery are."""
    model: Path | None = None
    """Model file or run folder; by default the file that the gallery was indexed with."""
    camera: tuple[str, ...] = ()
    """Only crops of these cameras; a name that the gallery does not have is refused."""
    not_camera: tuple[str, ...] = ()
    """No crops of these cameras, e.g. the query's own."""
    since: str = ""
    """Only crops taken then or later: date and time, 2026-03-01T08:00:00 (UTC unless it names a zone), or seconds."""
    until: str = ""
    """Only crops taken before then."""
    top: Annotated[int, whole(1, 16384)] = 10
    """How many matches."""
    rerank: bool = False
    """Order the nearest crops by the k-reciprocal distance (k1 20, k2 6, lambda 0.3) among themselves."""
    rerank_form: RerankingForm = "paper"
    """With --rerank: as the paper's equations say; as the program its authors published computes it; or by the
    camera-aware Jaccard distance (CA-Jaccard), the query being of a camera of its own."""
    group_by: Literal["tracklet"] | None = None
    """Only the best crop of each tracklet."""
    centre: Centre | None = None
    """Compare features less their camera's mean: off, on, or auto, which decides without labels and says why; by
    default as iics index was told (docs/centring.md). Similarities then have no thresholds."""
    query_camera: str | None = None
    """Camera that took QUERY, whose mean is taken off it with --centre; the mean of all cameras without this."""
    contact_sheet: Path | None = None
    """Write a picture of the matches here (PNG or JPEG)."""
    json: bool = False
    """Print the matches as JSON."""
    collection: str = "iics"
    """Name of the gallery within its database."""
    device: str = "auto"
    """Device to compute on: auto, cpu, cuda."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")
        check_reranking_form(self.rerank, self.rerank_form)


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(SearchCommand, arguments, command="search")
    if command.contact_sheet is not None:
        check_picture_path(command.contact_sheet)
    from iics.gallery.centred_gallery import query_notes
    from iics.gallery.filters import GalleryFilters
    from iics.gallery.gallery import Gallery
    from iics.gallery.nothing_found import unmet

    filters = GalleryFilters(
        cameras=command.camera,
        not_cameras=command.not_camera,
        since=parse_moment(command.since, name="--since"),
        until=parse_moment(command.until, name="--until"),
    )
    with Gallery.open(command.gallery, collection=command.collection) as gallery:
        model = model_of_gallery(gallery, command.model, device=command.device)
        centring = centring_of(gallery, model, command.centre)
        for note in query_notes(gallery, model.camera_means, command.query_camera, is_centred=centring.is_centred):
            logger.warning("%s", note)
        (matches,) = gallery.search(
            embed_picture(model, command.query),
            filters=filters,
            top=command.top,
            rerank=command.rerank,
            group_by_tracklet=command.group_by == "tracklet",
            rerank_form=command.rerank_form,
            camera_means=model.camera_means if centring.is_centred else None,
            query_camera=command.query_camera,
        )
        for reason in [] if matches else unmet(gallery, filters):
            logger.warning(reason)
    if command.group_by is not None and matches and all(match.tracklet_id is None for match in matches):
        logger.warning("None of these crops has a tracklet, so each stands for itself.")
    if command.json:
        print(json.dumps(json_values(command.query, command.gallery, matches, model.header, centring), indent=2))
    else:
        print_matches(matches, model.header, is_centred=centring.is_centred)
    if command.contact_sheet is not None:
        from iics.gallery.match_sheet import match_sheet

        write_picture(match_sheet(command.query, matches), command.contact_sheet)
    return 0
