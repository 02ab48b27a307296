"""What is asked of the crops stored in a collection: how many, which, their rows and features, and what is nearest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from iics.arrays import FloatArray
from iics.gallery import connection
from iics.gallery.filters import GalleryFilters
from iics.gallery.known_cameras import check_cameras
from iics.gallery.nearest import Nearest, nearest_rows
from iics.gallery.opening import OpenCollection
from iics.gallery.row_pages import row_pages
from iics.gallery.rows_in_memory import RowsInMemory
from iics.gallery.schema import FEATURE_FIELD, ID_FIELD, MOST_MATCHES, STORED_FIELDS
from iics.gallery.stored_values import Row, known_values
from iics.natural_order import natural_order

_ROWS_AT_ONCE = 1000
_ROWS_OF_A_RANGE = 50_000
_HEX_DIGITS = 8


class StoredCrops:
    """The crops of an open collection, asked; nothing is written.

    Args:
        opened: The collection.
    """

    def __init__(self, opened: OpenCollection) -> None:
        self._client, self._asking = opened.client, opened.asking
        self._uri, self._collection, self._dimension = opened.uri, opened.name, opened.header.dimension

    def count(self, expression: str) -> int:
        """Return the number of crops that meet an expression."""
        with self._asking():
            rows = self._client.query(
                self._collection, filter=expression, output_fields=["count(*)"], timeout=connection.SECONDS_TO_ANSWER
            )
        return int(rows[0]["count(*)"])

    def rows(self, filters: GalleryFilters, *, fields: Sequence[str] = STORED_FIELDS) -> Iterator[Row]:
        """Yield the stored fields of all crops that meet `filters`, with their ids, in no order."""
        expression = self.expression(filters)
        names = [ID_FIELD, *fields]
        in_memory = None if expression else self._in_memory()
        if in_memory is None:
            for page in self._pages(expression, names):
                yield from (known_values(row) for row in page)
            return
        for values in in_memory.pages(names):
            yield from (known_values(dict(zip(names, row, strict=True))) for row in values)

    def _in_memory(self) -> RowsInMemory | None:
        """Return the rows that this process holds; None if the database has to be asked."""
        with self._asking():
            return connection.rows_in_memory(self._uri, self._collection)

    def _pages(self, expression: str, fields: list[str]) -> Iterator[list[Row]]:
        """Yield the rows that meet an expression, many at a time."""
        if not connection.is_server(self._uri):
            # milvus-lite sorts all rows for each page of an iterator, so ranges of ids take half the time.
            for of_range in _ranges_of_ids(self.count(expression)):
                with self._asking():
                    found: list[Row] = self._client.query(
                        self._collection,
                        filter=f"({expression}) and {of_range}" if expression else of_range,
                        output_fields=fields,
                        timeout=connection.SECONDS_TO_ANSWER,
                    )
                yield found
            return
        yield from self._iterated(expression, fields, at_once=MOST_MATCHES)

    def _iterated(self, expression: str, fields: list[str], *, at_once: int) -> Iterator[list[Row]]:
        seconds = connection.SECONDS_TO_ANSWER
        with self._asking():
            yield from row_pages(
                self._client, self._collection, fields, at_once=at_once, seconds=seconds, expression=expression
            )

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
                rows = self._client.get(
                    self._collection, ids, output_fields=fields, timeout=connection.SECONDS_TO_ANSWER
                )
            found |= {row[ID_FIELD]: known_values(row) for row in rows}
        return found

    def features_by_id(self, crop_ids: Sequence[str]) -> dict[str, FloatArray]:
        """Return the features of those crops that are here, by id; not to be changed. Each of shape (d,)."""
        in_memory = self._in_memory()
        if in_memory is not None:
            return in_memory.vectors_of(crop_ids)
        found: dict[str, FloatArray] = {}
        for start in range(0, len(crop_ids), _ROWS_AT_ONCE):
            ids = list(crop_ids[start : start + _ROWS_AT_ONCE])
            with self._asking():
                rows = self._client.get(
                    self._collection, ids, output_fields=[ID_FIELD, FEATURE_FIELD], timeout=connection.SECONDS_TO_ANSWER
                )
            found |= {row[ID_FIELD]: np.asarray(row[FEATURE_FIELD], dtype=np.float32) for row in rows}
        return found

    def sample(self, filters: GalleryFilters, below: str) -> FloatArray:
        """Return the features of crops that meet `filters` and whose ids lie below a text ("" for any)."""
        expression = " and ".join(part for part in (filters.expression(), below and f'{ID_FIELD} < "{below}"') if part)
        pages = self._iterated(expression, [FEATURE_FIELD], at_once=_ROWS_AT_ONCE)
        found: list[list[float]] = [row[FEATURE_FIELD] for page in pages for row in page]
        return np.array(found, dtype=np.float32).reshape(-1, self._dimension)

    def nearest(self, expression: str) -> Nearest:
        """Return what finds the crops nearest to queries among those that meet an expression."""

        def nearest(queries: FloatArray, limit: int, with_features: bool) -> list[list[Row]]:
            with self._asking("Cannot search"):
                return nearest_rows(
                    self._client,
                    self._collection,
                    queries,
                    expression=expression,
                    limit=limit,
                    with_features=with_features,
                    seconds=connection.SECONDS_TO_ANSWER,
                )

        return nearest

    def expression(self, filters: GalleryFilters) -> str:
        """Return filters as the database reads them; a camera that is not here is refused."""
        check_cameras(
            filters,
            where=f"The gallery {self._uri}",
            is_known=lambda name: self._a_camera(GalleryFilters(cameras=(name,))) is not None,
            names=self.camera_names,
        )
        return filters.expression()

    def _a_camera(self, filters: GalleryFilters) -> str | None:
        """Return the camera of any crop that meets `filters`, None if there is no such crop."""
        with self._asking():
            rows = self._client.query(
                self._collection,
                filter=filters.expression(),
                output_fields=["camera"],
                limit=1,
                timeout=connection.SECONDS_TO_ANSWER,
            )
        return str(rows[0]["camera"]) if rows else None


def _ranges_of_ids(num_rows: int) -> Iterator[str]:
    """Yield expressions that each row meets one of; of ids that are hashes, about as many meet each."""
    num_ranges = max(1, num_rows // _ROWS_OF_A_RANGE)
    bounds = [f'"{number * 16**_HEX_DIGITS // num_ranges:0{_HEX_DIGITS}x}"' for number in range(1, num_ranges)]
    for low, high in zip(['""', *bounds], [*bounds, None], strict=True):
        yield f"{ID_FIELD} >= {low}" + (f" and {ID_FIELD} < {high}" if high else "")
