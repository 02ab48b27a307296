"""A gallery: one collection of a vector database, for the features of one model.

Longer than most files: all of it needs the one open connection, its guard against forks and its wording of the
database's errors. What can be done without these (filters, erasure, ranking, schema, stored values) has its own files.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iics.arrays import FloatArray
from iics.crops import natural_order
from iics.errors import GalleryError
from iics.gallery import connection
from iics.gallery.connection import connect, database_errors, disconnect, is_server
from iics.gallery.erasure import TOKEN_PROPERTY, erase, finish_deleting, finish_erasure, is_pending
from iics.gallery.filters import GalleryFilters
from iics.gallery.known_cameras import check_cameras
from iics.gallery.matches import Match
from iics.gallery.nearest import nearest_rows, ranked_matches
from iics.gallery.schema import (
    FEATURE_FIELD,
    ID_FIELD,
    MODEL_FILE_PROPERTY,
    MODEL_PROPERTY,
    MOST_MATCHES,
    STORED_FIELDS,
    CollectionHeader,
    create_collection,
)
from iics.gallery.stored_values import Row, known_values, local_path, stored_values, unicode_name
from iics.home_folder import expanded
from iics.models.fingerprint import model_fingerprint

if TYPE_CHECKING:
    from pymilvus import MilvusClient

    from iics.models.reid_model import ReidModel
    from iics.similarity.reranking import RerankingForm

logger = logging.getLogger(__name__)
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

    def __init__(self, client: MilvusClient, uri: str, collection: str) -> None:
        self._client, self._process = client, os.getpid()
        self.uri = uri
        self.collection = collection
        with self._asking():
            header = CollectionHeader.of(client.describe_collection(collection), collection)
            client.load_collection(collection, timeout=connection.SECONDS_TO_ANSWER)
        self.model_fingerprint: str = header.model_fingerprint
        self.model_file: Path | None = local_path(header.model_file) if header.model_file else None
        self.dimension: int = header.dimension
        self._format_version = header.format_version
        self.finished_deleting = self._go_on_with_deleting()

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
        file = "" if model_file is None else unicode_name(str(expanded(model_file).absolute()))
        client = connect(uri, is_new=True)
        try:
            with database_errors(f"Cannot make a gallery in {uri}"):
                if not finish_erasure(client, collection, seconds=connection.SECONDS_TO_CONNECT):
                    properties = {
                        MODEL_PROPERTY: fingerprint,
                        MODEL_FILE_PROPERTY: file,
                        TOKEN_PROPERTY: uuid.uuid4().hex,
                    }
                    create_collection(client, collection, dimension=model.num_features, properties=properties)
            gallery = cls(client, uri, collection)
            gallery._check_fingerprint(fingerprint)
            if file and gallery.model_file != local_path(file):
                with gallery._asking():
                    client.alter_collection_properties(collection, {MODEL_FILE_PROPERTY: file})
                gallery.model_file = local_path(file)
            return gallery
        except BaseException:
            disconnect(client, uri)
            raise

    def _go_on_with_deleting(self) -> bool:
        """In a folder, finish an interrupted `delete`; on a server, where it may still be running, only warn.

        Returns:
            Whether one was finished.
        """
        if not is_server(self.uri):
            if is_finished := self.finish_deleting():
                logger.warning(
                    "Forgetting crops of %s was interrupted; those deleted are out of its files now. Give the same "
                    "`iics forget` again, in case some were not reached.",
                    self.uri,
                )
            return is_finished
        with self._asking():
            is_unfinished = is_pending(self._client, self.collection, seconds=connection.SECONDS_TO_ANSWER)
        if is_unfinished:
            logger.warning(
                "Crops of %s are being forgotten, or were until an interruption: they may still be in the database's "
                "files. If nobody is at it, give the same `iics forget` again, which finishes it.",
                self.uri,
            )
        return False

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the gallery; other processes can open a folder then. In a forked process, only its parent does so."""
        if os.getpid() == self._process:
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
            {**stored_values(row, format_version=self._format_version), FEATURE_FIELD: feature}
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
        with self._asking("Cannot erase from"):
            return finish_deleting(self._client, self.collection, seconds=connection.SECONDS_TO_ANSWER)

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
            rerank_form: Of the k-reciprocal distance; or camera-jaccard, in its place.

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

    @contextmanager
    def _asking(self, what: str = "Cannot read") -> Iterator[None]:
        if os.getpid() != self._process:
            raise GalleryError(
                f"The gallery {self.uri} was opened before this process was forked, and a connection does not survive "
                "that. Open it in each worker; a folder serves one process at a time, a Milvus server many."
            )
        with database_errors(f"{what} the gallery {self.uri}"):
            yield

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
