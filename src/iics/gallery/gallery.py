"""A gallery: one collection of a vector database, for the features of one model: what it is asked and given.

How its collection is opened, made and checked is in `opening`; how the database is asked in `stored_crops`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iics.arrays import FloatArray, IntArray
from iics.errors import GalleryError
from iics.gallery import connection
from iics.gallery.camera_samples import OwnMeans, ids_below
from iics.gallery.centred_nearest import CameraCrops, CentredNearest
from iics.gallery.erasure import erase
from iics.gallery.filters import GalleryFilters
from iics.gallery.kept_choice import choice_in
from iics.gallery.matches import Match
from iics.gallery.nearest import Nearest, ranked_matches
from iics.gallery.opening import OpenCollection, open_collection, open_or_create_collection
from iics.gallery.schema import CENTRE_PROPERTY, FEATURE_FIELD, MOST_MATCHES, STORED_FIELDS
from iics.gallery.stored_crops import StoredCrops
from iics.gallery.stored_values import Row, stored_values
from iics.models.camera_means import CameraMeans
from iics.models.centre_choice import CentreChoice
from iics.models.centring import CameraCentres, centred

if TYPE_CHECKING:
    from iics.models.reid_model import ReidModel
    from iics.similarity.reranking import RerankingForm

DEFAULT_COLLECTION = "iics"


class Gallery:
    """An open gallery; safe to use from threads. Leave it by `close`, or use it as a context.

    Attributes:
        uri: Where it is.
        collection: Its name there.
        model_fingerprint: Of the only model whose features may be added.
        model_file: Where that model was when crops were last indexed; None if that is not known.
        dimension: Length of a feature.
        centre_choice: Whether searches compare centred features unless they say otherwise; None if nobody said.
        own_mean: Answers for a camera how many crops it has, and the mean of their features.
        finished_deleting: Whether opening it finished a deletion that had been interrupted.
    """

    def __init__(self, opened: OpenCollection) -> None:
        self._opened, self._client, self._asking = opened, opened.client, opened.asking
        self.uri = opened.uri
        self.collection = opened.name
        self.model_fingerprint: str = opened.header.model_fingerprint
        self.model_file: Path | None = opened.model_file
        self.dimension: int = opened.header.dimension
        self.centre_choice = choice_in(opened.header.properties.get(CENTRE_PROPERTY), opened.uri)
        self._stored = StoredCrops(opened)
        self.own_mean = OwnMeans(self._stored.count, self._stored.sample)
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
    def opened(self) -> OpenCollection:
        """The collection and its connection, for what is kept beside it."""
        return self._opened

    @property
    def num_crops(self) -> int:
        """Number of crops in the gallery."""
        return self.count(GalleryFilters())

    def count(self, filters: GalleryFilters) -> int:
        """Return the number of crops that meet `filters`, whose cameras must be the gallery's."""
        return self._stored.count(self._stored.expression(filters))

    def rows(self, filters: GalleryFilters, *, fields: Sequence[str] = STORED_FIELDS) -> Iterator[Row]:
        """Yield the stored fields of all crops that meet `filters`, with their ids, in no order."""
        return self._stored.rows(filters, fields=fields)

    def rows_by_id(self, crop_ids: Sequence[str], *, with_features: bool = False) -> dict[str, Row]:
        """Return the rows of those crops that are here, by id."""
        return self._stored.rows_by_id(crop_ids, with_features=with_features)

    def features_by_id(self, crop_ids: Sequence[str]) -> dict[str, FloatArray]:
        """Return the features of those crops that are here, by id; not to be changed. Each of shape (dimension,)."""
        return self._stored.features_by_id(crop_ids)

    def camera_names(self) -> list[str]:
        """Return the names of the cameras that have crops here, in natural order."""
        return self._stored.camera_names()

    def crops(self, filters: GalleryFilters) -> list[Match]:
        """Return all crops that meet `filters`, by path; nothing is compared, so ranks are 0 and similarities nan."""
        found = [Match.from_row(row) for row in self.rows(filters)]
        return sorted(found, key=lambda match: (match.place, match.crop_id))

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
            self._client.upsert(self.collection, values, timeout=connection.SECONDS_TO_ANSWER)
        self.own_mean.forget()

    def flush(self) -> None:
        """Make the database write its final files, which makes searches fast."""
        with self._asking("Cannot flush"):
            self._client.flush(self.collection, timeout=connection.SECONDS_TO_ANSWER)

    def delete(self, crop_ids: Sequence[str]) -> bool:
        """Remove crops from searches and from the database's files.

        Returns:
            Whether they are gone from the files; False if the server removes them by its own schedule.

        Raises:
            GalleryError: If the database fails, or crops were indexed or erased by others meanwhile.
        """
        self.own_mean.forget()
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
        camera_means: CameraMeans | None = None,
        query_camera: str | None = None,
    ) -> list[list[Match]]:
        """Return the best matches of each query.

        Args:
            features: Of the gallery's model, L2-normalised. Shape (m, dimension).
            filters: Crops that count; None for all.
            top: Matches for each query at most, up to `MOST_MATCHES`.
            rerank: Whether to order the nearest crops by the k-reciprocal distance; see `ranked_matches`.
            group_by_tracklet: Whether only the best crop of each tracklet counts.
            rerank_form: Of the k-reciprocal distance; or camera-jaccard, in its place.
            camera_means: Of the model, to compare centred features; None compares plain ones.
            query_camera: Camera of the queries, which are centred by its mean; None if it is not known: by that of all.

        Raises:
            GalleryError: If `top` is out of range, the features are of another length, a camera is not one of the
                gallery's, or the database fails.
        """
        if not 1 <= top <= MOST_MATCHES:
            raise GalleryError(f"top must lie between 1 and {MOST_MATCHES}, got {top}.")
        if features.ndim != 2 or features.shape[1] != self.dimension:
            raise GalleryError(f"Queries need features of shape (m, {self.dimension}), got {features.shape}.")
        filters = filters or GalleryFilters()
        expression = self._stored.expression(filters)
        _check_finite(features)
        nearest: Nearest = self._stored.nearest(expression)
        if camera_means is not None:
            nearest = self._centred_nearest(filters, camera_means)
            centre = camera_means.of_all
            if query_camera is not None:
                (centre,) = self.centres(camera_means, [query_camera]).centres
            features = centred(features, centre)
        return ranked_matches(
            nearest,
            features,
            top=top,
            rerank=rerank,
            group_by_tracklet=group_by_tracklet,
            rerank_form=rerank_form,
        )

    def centres(self, camera_means: CameraMeans, names: Sequence[str]) -> CameraCentres:
        """Return by which means features of cameras are centred here.

        Args:
            camera_means: Of the model.
            names: Of the cameras; those that training saw too little of are centred by their crops here, if these are
                enough.
        """
        return CameraCentres.of(camera_means, names, self.own_mean)

    def sample_of_cameras(self, names: Sequence[str], most: int) -> tuple[FloatArray, IntArray]:
        """Return features of about `most` crops, as if drawn by lot but always the same, and their cameras.

        Args:
            names: Of the cameras, at least one; crops of others are left out.
            most: How many.

        Returns:
            Features, shape (n, d), and indices into `names`, shape (n,).
        """
        below = ids_below(most, self.num_crops)
        of_cameras = [self._stored.sample(GalleryFilters(cameras=(name,)), below) for name in names]
        return np.concatenate(of_cameras), np.repeat(np.arange(len(names)), list(map(len, of_cameras)))

    def keep_centre_choice(self, choice: CentreChoice) -> None:
        """Store how this gallery is searched unless a search says otherwise."""
        with self._asking("Cannot write to"):
            self._client.alter_collection_properties(self.collection, {CENTRE_PROPERTY: json.dumps(asdict(choice))})
        self.centre_choice = choice

    def _centred_nearest(self, filters: GalleryFilters, camera_means: CameraMeans) -> CentredNearest:
        names = [name for name in filters.cameras or self.camera_names() if name not in filters.not_cameras]
        cameras = [
            CameraCrops(
                name, centre, self._stored.nearest(replace(filters, cameras=(name,), not_cameras=()).expression())
            )
            for name, centre in zip(names, self.centres(camera_means, names).centres, strict=True)
        ]

        return CentredNearest(cameras, self.features_by_id)


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
