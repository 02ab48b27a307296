"""The flags of `iics forget`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from iics.errors import check_setting
from iics.ranges import check_ranges, number, whole


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
    json: bool = False
    """Print what was forgotten as JSON; it needs --yes, for programs cannot be asked."""
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
        check_setting(self.yes or not self.json, "--json is for programs, which cannot be asked: add --yes.")
