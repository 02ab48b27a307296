"""A gallery: one collection of a vector database, for the features of one model: what it is asked and given.

How its collection is opened, made and checked is in `opening`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iics.arrays import FloatArray
from iics.crops import natural_order
from iics.errors import GalleryError
from iics.gallery import connection
from iics.gallery.erasure import erase
from iics.gallery.filters import GalleryFilters
from iics.gallery.known_cameras import check_cameras
from iics.gallery.matches import Match
from iics.gallery.nearest import nearest_rows, ranked_matches
from iics.gallery.opening import OpenCollection, open_collection, open_or_create_collection
from iics.gallery.schema import FEATURE_FIELD, ID_FIELD, MOST_MATCHES, STORED_FIELDS
from iics.gallery.stored_values import Row, known_values, stored_values

if TYPE_CHECKING:
    from iics.models.reid_model import ReidModel
    from iics.similarity.reranking import RerankingForm

DEFAULT_COLLECTION = "iics"
_ROWS_AT_ONCE = 1000


class Gallery:
    """An open gallery; safe to use from threads. Leave it by `close`, or use it as a context.

    Attributes:
        uri: Where it is.
        collection: Its name there.
        model_fingerprint: Of the only model whose features may be added.
        model_file: Where that model was when crops were last indexed; None if that is not known.
        dimension: Length of a feature.
        finished_deleting: Whether opening it finished a deletion that had been interrupted.
    """

    def __init__(self, opened: OpenCollection) -> None:
        self._opened, self._client, self._asking = opened, opened.client, opened.asking
        self.uri = opened.uri
        self.collection = opened.name
        self.model_fingerprint: str = opened.header.model_fingerprint
        self.model_file: Path | None = opened.model_file
        self.dimension: int = opened.header.dimension
        self.finished_deleting = opened.finished_deleting

    @classmethod
    def open(cls, uri: str, *, collection: str = DEFAULT_COLLECTION) -> Gallery:
        """Return a gallery that exists.

        Args:
            uri: A folder ending in .db, or a Milvus server's address, http://host:port.
            collection: Its name in the database.

        Raises:
            GalleryError: If there is none, it cannot be reached, or pymilvus is not installed.
        """
        return cls(open_collection(uri, name=collection))

    @classmethod
    def open_or_create(
        cls, uri: str, *, model: ReidModel, model_file: Path | None = None, collection: str = DEFAULT_COLLECTION
    ) -> Gallery:
        """Return a gallery for the features of `model`, made if there is none yet.

        Args:
            uri: A folder ending in .db, or a Milvus server's address, http://host:port.
            model: Whose features it holds.
            model_file: Where the model is, to be found again by a search.
            collection: Its name in the database.

        Raises:
            GalleryError: If there is one of another model, or as `open`.
        """
        return cls(open_or_create_collection(uri, model=model, model_file=model_file, name=collection))

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the gallery; other processes can open a folder then. In a forked process, only its parent does so."""
        self._opened.close()

    def check_model(self, model: ReidModel) -> None:
        """Refuse a model whose features do not belong here.

        Raises:
            GalleryError: If it is another one than the gallery's.
        """
        self._opened.check_model(model)

    @property
    def num_crops(self) -> int:
        """Number of crops in the gallery."""
        return self.count(GalleryFilters())

    def count(self, filters: GalleryFilters) -> int:
        """Return the number of crops that meet `filters`, whose cameras must be the gallery's."""
        expression = self._expression(filters)
        with self._asking():
            rows = self._client.query(
                self.collection, filter=expression, output_fields=["count(*)"], **self._patience()
            )
        return int(rows[0]["count(*)"])

    def rows(self, filters: GalleryFilters, *, fields: Sequence[str] = STORED_FIELDS) -> Iterator[Row]:
        """Yield the stored fields of all crops that meet `filters`, with their ids, in no order."""
        expression = self._expression(filters)
        with self._asking():
            pages = self._client.query_iterator(
                self.collection,
                batch_size=MOST_MATCHES,  # milvus-lite goes through all rows for each page
                filter=expression,
                output_fields=[ID_FIELD, *fields],
                **self._patience(),
            )
            try:
                while page := pages.next():
                    yield from (known_values(row) for row in page)
            finally:
                pages.close()

    def crops(self, filters: GalleryFilters) -> list[Match]:
        """Return all crops that meet `filters`, by path; nothing is compared, so ranks are 0 and similarities nan."""
        found = [Match.from_row(row) for row in self.rows(filters)]
        return sorted(found, key=lambda match: (match.place, match.crop_id))

    def camera_names(self) -> list[str]:
        """Return the names of the cameras that have crops here, in natural order."""
        names: list[str] = []
        while True:  # one question for each camera: far quicker than reading all rows
            other = self._a_camera(GalleryFilters(not_cameras=tuple(names)))
            if other is None:
                return natural_order(names)
            names.append(other)

    def rows_by_id(self, crop_ids: Sequence[str], *, with_features: bool = False) -> dict[str, Row]:
        """Return the rows of those crops that are here, by id."""
        fields = [ID_FIELD, *STORED_FIELDS, *([FEATURE_FIELD] if with_features else [])]
        found: dict[str, Row] = {}
        for start in range(0, len(crop_ids), _ROWS_AT_ONCE):
            ids = list(crop_ids[start : start + _ROWS_AT_ONCE])
            with self._asking():
                rows = self._client.get(self.collection, ids, output_fields=fields, **self._patience())
            found |= {row[ID_FIELD]: known_values(row) for row in rows}
        return found

    def write(self, rows: Sequence[Mapping[str, Any]], features: FloatArray) -> None:
        """Store crops, or replace those with the same ids; when it returns, a crash of this process loses nothing.

        Args:
            rows: Id and stored fields of each crop.
            features: Of this gallery's model, L2-normalised. Shape (len(rows), dimension).

        Raises:
            GalleryError: If a feature is not a number, or the database fails.
        """
        _check_finite(features)
        values = [
            {**stored_values(row, format_version=self._opened.header.format_version), FEATURE_FIELD: feature}
            for row, feature in zip(rows, features, strict=True)
        ]
        with self._asking("Cannot write to"):
            self._client.upsert(self.collection, values, **self._patience())

    def flush(self) -> None:
        """Make the database write its final files, which makes searches fast."""
        with self._asking("Cannot flush"):
            self._client.flush(self.collection, **self._patience())

    def delete(self, crop_ids: Sequence[str]) -> bool:
        """Remove crops from searches and from the database's files.

        Returns:
            Whether they are gone from the files; False if the server removes them by its own schedule.

        Raises:
            GalleryError: If the database fails, or crops were indexed or erased by others meanwhile.
        """
        with self._asking("Cannot erase from"):
            return erase(self._client, self.collection, crop_ids, seconds=connection.SECONDS_TO_ANSWER)

    def finish_deleting(self) -> bool:
        """Go on with a `delete` that was interrupted, and return whether there was one; as `delete` otherwise."""
        return self._opened.finish_deleting()

    def search(
        self,
        features: FloatArray,
        *,
        filters: GalleryFilters | None = None,
        top: int = 10,
        rerank: bool = False,
        group_by_tracklet: bool = False,
        rerank_form: RerankingForm = "paper",
    ) -> list[list[Match]]:
        """Return the best matches of each query.

        Args:
            features: Of the gallery's model, L2-normalised. Shape (m, dimension).
            filters: Crops that count; None for all.
            top: Matches for each query at most, up to `MOST_MATCHES`.
            rerank: Whether to order the nearest crops by the k-reciprocal distance; see `ranked_matches`.
            group_by_tracklet: Whether only the best crop of each tracklet counts.
            rerank_form: Of the k-reciprocal distance.

        Raises:
            GalleryError: If `top` is out of range, the features are of another length, a camera is not one of the
                gallery's, or the database fails.
        """
        if not 1 <= top <= MOST_MATCHES:
            raise GalleryError(f"top must lie between 1 and {MOST_MATCHES}, got {top}.")
        if features.ndim != 2 or features.shape[1] != self.dimension:
            raise GalleryError(f"Queries need features of shape (m, {self.dimension}), got {features.shape}.")
        expression = self._expression(filters or GalleryFilters())
        _check_finite(features)

        def nearest(queries: FloatArray, limit: int, with_features: bool) -> list[list[Row]]:
            with self._asking("Cannot search"):
                return nearest_rows(
                    self._client,
                    self.collection,
                    queries,
                    expression=expression,
                    limit=limit,
                    with_features=with_features,
                    seconds=connection.SECONDS_TO_ANSWER,
                )

        return ranked_matches(
            nearest,
            features,
            top=top,
            rerank=rerank,
            group_by_tracklet=group_by_tracklet,
            rerank_form=rerank_form,
        )

    def _a_camera(self, filters: GalleryFilters) -> str | None:
        """Return the camera of any crop that meets `filters`, None if there is no such crop."""
        with self._asking():
            rows = self._client.query(
                self.collection, filter=filters.expression(), output_fields=["camera"], limit=1, **self._patience()
            )
        return str(rows[0]["camera"]) if rows else None

    def _expression(self, filters: GalleryFilters) -> str:
        check_cameras(
            filters,
            where=f"The gallery {self.uri}",
            is_known=lambda name: self._a_camera(GalleryFilters(cameras=(name,))) is not None,
            names=self.camera_names,
        )
        return filters.expression()

    @staticmethod
    def _patience() -> dict[str, float]:
        return {"timeout": connection.SECONDS_TO_ANSWER}


def _check_finite(features: FloatArray) -> None:
    """Refuse features with NaN or infinity: a search could not find them.

    Raises:
        GalleryError: If there are some.
    """
    num_bad = int((~np.isfinite(features)).any(axis=1).sum())
    if num_bad:
        raise GalleryError(
            f"{num_bad} of {len(features)} features are no numbers (NaN or infinite); the model that made "
            "them is damaged."
        )
