"""A gallery: one collection of a vector database, for the features of one model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iics.data.crops import natural_order
from iics.errors import GalleryError
from iics.gallery import connection
from iics.gallery.connection import connect, database_errors, disconnect
from iics.gallery.erasure import erase_deleted, finish_erasure
from iics.gallery.filters import GalleryFilters
from iics.gallery.known_cameras import check_cameras
from iics.gallery.matches import Match
from iics.gallery.nearest import nearest_rows
from iics.gallery.schema import (
    FEATURE_FIELD,
    ID_FIELD,
    MODEL_FILE_PROPERTY,
    MODEL_PROPERTY,
    MOST_MATCHES,
    STORED_FIELDS,
    Features,
    Row,
    create_collection,
    model_of_collection,
)
from iics.gallery.search import ranked_matches
from iics.models.fingerprint import model_fingerprint

if TYPE_CHECKING:
    from pymilvus import MilvusClient

    from iics.models.reid_model import ReidModel

DEFAULT_COLLECTION = "iics"
_ROWS_AT_ONCE = 1000


class Gallery:
    """An open gallery; safe to use from threads. Leave it by `close`, or use it as a context.

    Attributes:
        uri: Where it is.
        collection: Its name there.
        model_fingerprint: Of the only model whose features may enter.
        model_file: Where that model was when crops were last indexed; None if that is not known.
        dimension: Length of a feature.
    """

    def __init__(self, client: MilvusClient, uri: str, collection: str) -> None:
        self._client = client
        self.uri = uri
        self.collection = collection
        with self._asking():
            fingerprint, model_file, dimension = model_of_collection(client.describe_collection(collection), collection)
            client.load_collection(collection, timeout=connection.SECONDS_TO_ANSWER)
        self.model_fingerprint: str = fingerprint
        self.model_file: Path | None = Path(model_file) if model_file else None
        self.dimension: int = dimension

    @classmethod
    def open(cls, uri: str, *, collection: str = DEFAULT_COLLECTION) -> Gallery:
        """Return a gallery that exists.

        Args:
            uri: A folder ending in .db, or a Milvus server's address, http://host:port.
            collection: Its name in the database.

        Raises:
            GalleryError: If there is none, it cannot be reached, or pymilvus is not installed.
        """
        client = connect(uri, is_new=False)
        try:
            with database_errors(f"Cannot look into {uri}"):
                is_there = finish_erasure(client, collection, seconds=connection.SECONDS_TO_CONNECT)
            if not is_there:
                raise GalleryError(
                    f"{uri} holds no gallery named {collection}; `iics index {uri} CROPS --model MODEL` makes one."
                )
            return cls(client, uri, collection)
        except BaseException:
            disconnect(client, uri)
            raise

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
        fingerprint = model_fingerprint(model)
        file = "" if model_file is None else str(model_file.expanduser().absolute())
        client = connect(uri, is_new=True)
        try:
            with database_errors(f"Cannot make a gallery in {uri}"):
                if not finish_erasure(client, collection, seconds=connection.SECONDS_TO_CONNECT):
                    properties = {MODEL_PROPERTY: fingerprint, MODEL_FILE_PROPERTY: file}
                    create_collection(client, collection, dimension=model.num_features, properties=properties)
            gallery = cls(client, uri, collection)
            gallery._check_fingerprint(fingerprint)
            if file and str(gallery.model_file) != file:
                with gallery._asking():
                    client.alter_collection_properties(collection, {MODEL_FILE_PROPERTY: file})
                gallery.model_file = Path(file)
            return gallery
        except BaseException:
            disconnect(client, uri)
            raise

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the gallery; a folder is free for other processes then."""
        disconnect(self._client, self.uri)

    def check_model(self, model: ReidModel) -> None:
        """Refuse a model whose features do not belong here.

        Raises:
            GalleryError: If it is another one than the gallery's.
        """
        self._check_fingerprint(model_fingerprint(model))

    def _check_fingerprint(self, fingerprint: str) -> None:
        if fingerprint != self.model_fingerprint:
            known = "" if self.model_file is None else f" ({self.model_file})"
            raise GalleryError(
                f"The gallery {self.uri} holds features of model {self.model_fingerprint}{known}; those of model "
                f"{fingerprint} cannot be compared with them. Use that model, or another gallery."
            )

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
                    yield from (dict(row) for row in page)
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
            found |= {row[ID_FIELD]: dict(row) for row in rows}
        return found

    def write(self, rows: Sequence[Mapping[str, Any]], features: Features) -> None:
        """Store crops, or replace those with the same ids; when it returns, a crash of this process loses nothing.

        Args:
            rows: Id and stored fields of each crop.
            features: Of this gallery's model, L2-normalised. Shape (len(rows), dimension).

        Raises:
            GalleryError: If a feature is not a number, or the database fails.
        """
        _check_finite(features)
        values = [{**row, FEATURE_FIELD: feature} for row, feature in zip(rows, features, strict=True)]
        with self._asking("Cannot write to"):
            self._client.upsert(self.collection, values, **self._patience())

    def flush(self) -> None:
        """Have the database put what was written into its final files, which makes searches fast."""
        with self._asking("Cannot flush"):
            self._client.flush(self.collection, **self._patience())

    def delete(self, crop_ids: Sequence[str]) -> bool:
        """Remove crops: they are found no more, and go from the database's files.

        Returns:
            Whether they are gone from the files; False if the server removes them by its own schedule.

        Raises:
            GalleryError: If the database fails, or crops were indexed or erased by others meanwhile.
        """
        for start in range(0, len(crop_ids), _ROWS_AT_ONCE):
            with self._asking("Cannot delete from"):
                self._client.delete(
                    self.collection, ids=list(crop_ids[start : start + _ROWS_AT_ONCE]), **self._patience()
                )
        self.flush()
        with self._asking("Cannot erase from"):
            return erase_deleted(self._client, self.collection, seconds=connection.SECONDS_TO_ANSWER)

    def search(
        self,
        features: Features,
        *,
        filters: GalleryFilters | None = None,
        top: int = 10,
        rerank: bool = False,
        group_by_tracklet: bool = False,
    ) -> list[list[Match]]:
        """Return the best matches of each query.

        Args:
            features: Of the gallery's model, L2-normalised. Shape (m, dimension).
            filters: Crops that count; None for all.
            top: Matches for each query at most, up to `MOST_MATCHES`.
            rerank: Whether to order the nearest crops by the k-reciprocal distance; see `ranked_matches`.
            group_by_tracklet: Whether only the best crop of each tracklet counts.

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

        def nearest(queries: Features, limit: int) -> list[list[Row]]:
            with self._asking("Cannot search"):
                return nearest_rows(
                    self._client,
                    self.collection,
                    queries,
                    expression=expression,
                    limit=limit,
                    with_features=rerank,
                    seconds=connection.SECONDS_TO_ANSWER,
                )

        return ranked_matches(nearest, features, top=top, rerank=rerank, group_by_tracklet=group_by_tracklet)

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

    @contextmanager
    def _asking(self, what: str = "Cannot read") -> Iterator[None]:
        with database_errors(f"{what} the gallery {self.uri}"):
            yield

    @staticmethod
    def _patience() -> dict[str, float]:
        return {"timeout": connection.SECONDS_TO_ANSWER}


def _check_finite(features: Features) -> None:
    """Refuse features that are not numbers: nothing could be found by them.

    Raises:
        GalleryError: If there are some.
    """
    num_bad = int((~np.isfinite(features)).any(axis=1).sum())
    if num_bad:
        raise GalleryError(
            f"{num_bad} of {len(features)} features are no numbers (NaN or infinite); the model that made "
            "them is damaged."
        )
