"""A visitor's search: an uploaded picture and filters -> matches. Holds the gallery and its model; no page, no HTML."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

from iics.arrays import FloatArray
from iics.errors import SettingsError
from iics.evaluation.marks import Mark, Verdict
from iics.gallery.filters import GalleryFilters
from iics.gallery.gallery import Gallery
from iics.gallery.matches import Match
from iics.gallery.moments import parse_moment
from iics.models.centring import needed_means
from iics.models.reid_model import ReidModel
from iics.page.marks_book import MarksBook
from iics.page.query_picture import QueryPicture

MAX_TOP = 200


@dataclass(frozen=True)
class Wanted:
    """What a visitor asks for, as the page's fields have it.

    Attributes:
        cameras: Only these; none for all.
        not_cameras: None of these.
        since: Not before this moment; "" or None for any: a field that was never shown has no text.
        until: Before this moment; "" or None for any.
        top: Matches at most.
        one_per_tracklet: Whether only the best crop of each tracklet counts.
        rerank: Whether matches are ordered by the k-reciprocal distance.
        by_camera: Whether they are by the camera-aware Jaccard distance; it goes before `rerank`.
        query_camera: Camera that took the picture, where features are centred; "" or None if it is not known.
    """

    cameras: Sequence[str] = ()
    not_cameras: Sequence[str] = ()
    since: str | None = ""
    until: str | None = ""
    top: int = 24
    one_per_tracklet: bool = False
    rerank: bool = False
    by_camera: bool = False
    query_camera: str | None = ""

    def filters(self) -> GalleryFilters:
        """Return what the gallery is asked.

        Raises:
            SettingsError: If a moment cannot be read, or `top` is out of range.
            GalleryError: If the filters contradict each other.
        """
        if not 1 <= self.top <= MAX_TOP:
            raise SettingsError(f"The number of matches must be from 1 to {MAX_TOP}, got {self.top}.")
        return GalleryFilters(
            cameras=tuple(self.cameras),
            not_cameras=tuple(self.not_cameras),
            since=parse_moment(self.since or "", name="Since"),
            until=parse_moment(self.until or "", name="Until"),
        )


@dataclass(frozen=True, eq=False)
class Query:
    """A picture that went through the model, and what it found. The picture itself is not kept: it may have 75 MB.

    Attributes:
        name: What the upload was called.
        digest: SHA-256 of the upload, in hexadecimal.
        features: Of the picture. Shape (1, d).
        matches: What the last search found, best first.
    """

    name: str
    digest: str
    features: FloatArray
    matches: tuple[Match, ...] = ()

    def match(self, crop_id: str) -> Match:
        """Return the match of a crop.

        Raises:
            SettingsError: If it is not among the matches.
        """
        for match in self.matches:
            if match.crop_id == crop_id:
                return match
        raise SettingsError("This match is not on the page any more; search again.")


class Searcher:
    """A gallery with the model of its features, and the marks on what it finds.

    Attributes:
        camera_means: Of the model, where centred features are compared; else None.

    Args:
        gallery: Open.
        model: Of the gallery's features.
        marks: Where verdicts are kept; None to take none.
        is_centred: Whether features are compared less their camera's mean.

    Raises:
        GalleryError: If the gallery's features are of another model.
        WeightsError: If they are to be centred and the model has no camera means.
    """

    def __init__(
        self, gallery: Gallery, model: ReidModel, marks: MarksBook | None, *, is_centred: bool = False
    ) -> None:
        gallery.check_model(model)
        self.gallery, self.model, self.marks, self.is_centred = gallery, model, marks, is_centred
        self.camera_means = needed_means(model.camera_means) if is_centred else None

    def query(self, picture: QueryPicture) -> Query:
        """Return an upload by its features."""
        return Query(picture.name, picture.digest, self.model.embed([picture.image]))

    def search(self, query: Query, wanted: Wanted) -> Query:
        """Return the query with what it finds.

        Raises:
            SettingsError: If the fields of the page cannot be read.
            GalleryError: If the gallery cannot be searched.
        """
        (matches,) = self.gallery.search(
            query.features,
            filters=wanted.filters(),
            top=wanted.top,
            rerank=wanted.rerank or wanted.by_camera,
            group_by_tracklet=wanted.one_per_tracklet,
            camera_means=self.camera_means,
            query_camera=wanted.query_camera or None,
            rerank_form="camera-jaccard" if wanted.by_camera else "paper",
        )
        return replace(query, matches=tuple(matches))

    def verdicts(self, query: Query) -> dict[str, Verdict]:
        """Return what was said of the matches of a query, by crop.

        Raises:
            DataError: If the file of marks is damaged.
        """
        if self.marks is None:
            return {}
        return self.marks.verdicts(query.digest, self.gallery.model_fingerprint)

    def mark(self, query: Query, crop_id: str, verdict: str) -> None:
        """Keep a verdict on a match; "" takes it back.

        Raises:
            SettingsError: If the match is not one of the query's, the verdict is none, or no marks are taken.
            DataError: If the file of marks is damaged.
            WriteError: If it cannot be written.
        """
        if self.marks is None:
            raise SettingsError("No marks are kept; start the page with --marks FILE.")
        match = query.match(crop_id)
        digest, fingerprint = query.digest, self.gallery.model_fingerprint
        if not verdict:
            self.marks.remove((digest, crop_id, fingerprint))
            return
        known: dict[str, Verdict] = {name: name for name in get_args(Verdict)}
        if verdict not in known:
            raise SettingsError(f"A match is right or wrong, got {verdict!r}.")
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.marks.put(
            Mark(
                marked_at=now,
                query=digest,
                query_name=query.name,
                crop_id=crop_id,
                path=match.place,
                camera=match.camera,
                verdict=known[verdict],
                rank=match.rank,
                similarity=round(match.similarity, 6),
                model=fingerprint,
            )
        )
