"""Results of a search: crops with their similarity to the query and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from iics.gallery.stored_values import local_path
from iics.pixels.crop_images import Box


@dataclass(frozen=True)
class Match:
    """A crop of a gallery that was found.

    Attributes:
        rank: From 1.
        similarity: Cosine with the query, in [-1, 1]; nan where nothing was compared.
        crop_id: Its key in the gallery.
        path: Its file when it was indexed; inside `archive` if that is set.
        camera: Name of its camera.
        time: When it was taken, in seconds since 1970 (or of the clock its source had); None if unknown.
        tracklet_id: The gallery's number of its tracklet; None if unknown.
        identity_id: As its source has it (-1 junk, 0 a distractor); None if there are none.
        box: Left, top, width and height within the file; None if the file is the crop.
        archive: Zip file that holds the path; None for a plain file.
    """

    rank: int
    similarity: float
    crop_id: str
    path: Path
    camera: str
    time: float | None
    tracklet_id: int | None
    identity_id: int | None
    box: Box | None
    archive: Path | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any], *, similarity: float = float("nan")) -> Match:
        """Return the match in a row of the database."""
        box = None if row["left"] is None else (row["left"], row["top"], row["width"], row["height"])
        return cls(
            rank=0,  # `ranked` numbers matches
            similarity=similarity,
            crop_id=row["crop_id"],
            path=local_path(row["path"]),
            camera=row["camera"],
            time=row["time"],
            tracklet_id=row["tracklet"],
            identity_id=row["identity"],
            box=box,
            archive=local_path(row["archive"]) if row["archive"] else None,
        )

    @property
    def place(self) -> str:
        """The full place of the crop, for messages and tables: its file, its archive and its box if there are any."""
        place = str(self.path) if self.archive is None else f"{self.archive}:{self.path.as_posix()}"
        if self.box is None:
            return place
        left, top, width, height = self.box
        return f"{place}[{width}x{height}+{left}+{top}]"


def ranked(matches: Sequence[Match]) -> list[Match]:
    """Return matches with their ranks in the order given."""
    return [replace(match, rank=rank) for rank, match in enumerate(matches, start=1)]


def best_of_tracklets(matches: Sequence[Match]) -> list[Match]:
    """Return the first match of each tracklet, in order; a crop without a tracklet stands for itself."""
    first: dict[int | str, Match] = {}
    for match in matches:
        first.setdefault(match.crop_id if match.tracklet_id is None else match.tracklet_id, match)
    return list(first.values())
