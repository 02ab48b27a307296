"""Collections beside a gallery's, in the same database: rows with an id, and a vector or a text.

`<collection>_people` holds texts, each a JSON value (`iics.people.kept`), with a vector that means nothing: a
collection needs one. `<collection>_people_features` holds vectors.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from iics.arrays import FloatArray
from iics.errors import PeopleError
from iics.gallery import connection
from iics.gallery.erasure import TOKEN_PROPERTY, erase, finish_deleting, finish_erasure
from iics.gallery.gallery import Gallery
from iics.gallery.row_pages import row_pages
from iics.gallery.rows_in_memory import RowsInMemory
from iics.gallery.schema import FEATURE_FIELD, ID_FIELD, MODEL_PROPERTY, CollectionHeader, Layout, create_collection
from iics.gallery.stored_values import Row

KIND_FIELD, TEXT_FIELD = "kind", "text"
MOST_TEXT = 60_000
"""Bytes of a text in one row; a database holds 65,535."""
TEXTS_LAYOUT = Layout(("people 1",), {KIND_FIELD: 16, TEXT_FIELD: 65_535}, id_length=128)
FEATURES_LAYOUT = Layout(("people features 1",), {}, id_length=128)
_DUMMY = (1.0, 0.0)
_ROWS_AT_ONCE = 500
"""A server takes 64 MB at once."""
_ROWS_PER_PAGE = 8192
_QUERIES_AT_ONCE = 32
_one_write_at_a_time = threading.Lock()
"""Of a lock that is renewed and of what it is held for: milvus-lite's log of writes takes no two of one process."""


class _Text(str):
    """A text whose only element is itself: pymilvus checks each element of a text, so by itself each of its letters."""

    __slots__ = ()

    def __iter__(self) -> Iterator[str]:
        return iter((str(self),))


class Table:
    """A collection beside the gallery's.

    Args:
        gallery: Open as long as this is used.
        suffix: Of its name.
        layout: Of its rows.
    """

    def __init__(self, gallery: Gallery, suffix: str, layout: Layout) -> None:
        self._opened, self._client, self._asking = gallery.opened, gallery.opened.client, gallery.opened.asking
        self.name = f"{gallery.collection}{suffix}"
        self._layout, self._fingerprint = layout, gallery.model_fingerprint
        self._dimension = gallery.dimension if not layout.fields else len(_DUMMY)
        self._seconds = connection.SECONDS_TO_ANSWER

    def open(self, *, must_exist: bool) -> bool:
        """Open the collection, after finishing an erasure that was interrupted; made if it need not exist.

        Returns:
            Whether it is there.

        Raises:
            PeopleError: If it is of another model's gallery.
        """
        with self._asking("Cannot look into"):
            if not finish_erasure(self._client, self.name, seconds=self._seconds):
                if must_exist:
                    return False
                properties = {MODEL_PROPERTY: self._fingerprint, TOKEN_PROPERTY: uuid.uuid4().hex}
                create_collection(
                    self._client,
                    self.name,
                    dimension=self._dimension,
                    properties=properties,
                    format_version=self._layout.formats[-1],
                    layout=self._layout,
                )
            header = CollectionHeader.of(self._client.describe_collection(self.name), self.name, self._layout)
            if header.model_fingerprint != self._fingerprint:
                raise PeopleError(
                    f"The people of {self._opened.uri} were found by features of model {header.model_fingerprint}, and "
                    f"the gallery now holds those of model {self._fingerprint}. Index into a gallery of another name "
                    "(--collection) or place, whose people have numbers of their own."
                )
            self._client.load_collection(self.name, timeout=self._seconds)
            if not connection.is_server(self._opened.uri):
                finish_deleting(self._client, self.name, seconds=self._seconds, layout=self._layout)
        return True

    def texts(self) -> dict[str, tuple[str, str]]:
        """Return kind and text of all rows, by id."""
        return {row[ID_FIELD]: (row[KIND_FIELD], row[TEXT_FIELD]) for row in self._rows(KIND_FIELD, TEXT_FIELD)}

    def texts_of_kind(self, kind: str) -> dict[str, str]:
        """Return the texts of the rows of a kind of which there are few, by id: one look at all rows, not three."""
        return {row[ID_FIELD]: row[TEXT_FIELD] for row in self._of_kind(kind, TEXT_FIELD)}

    def ids_of_kind(self, kind: str) -> list[str]:
        """Return the ids of the rows of a kind."""
        return [row[ID_FIELD] for row in self._of_kind(kind, KIND_FIELD)]

    def _in_memory(self) -> RowsInMemory | None:
        """Return the rows that this process holds; None if the database has to be asked."""
        with self._asking():
            return connection.rows_in_memory(self._opened.uri, self.name)

    def _of_kind(self, kind: str, field: str) -> list[Row]:
        in_memory = self._in_memory()
        if in_memory is not None:
            pages = in_memory.pages([ID_FIELD, KIND_FIELD, field])
            return [{ID_FIELD: key, field: value} for page in pages for key, other, value in page if other == kind]
        with self._asking():
            rows: list[Row] = self._client.query(
                self.name, filter=f'{KIND_FIELD} == "{kind}"', output_fields=[ID_FIELD, field], timeout=self._seconds
            )
        return rows

    def texts_of(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the texts of those ids that are there."""
        in_memory = self._in_memory()
        if in_memory is not None:
            return dict(in_memory.fields_of(ids, [ID_FIELD, TEXT_FIELD]))
        found: dict[str, str] = {}
        for block in _blocks(ids):
            with self._asking():
                rows = self._client.get(self.name, block, output_fields=[ID_FIELD, TEXT_FIELD], timeout=self._seconds)
            found |= {row[ID_FIELD]: row[TEXT_FIELD] for row in rows}
        return found

    def write_texts(self, texts: Mapping[str, tuple[str, str]]) -> None:
        """Store kinds and texts by id; not all at once, but each row as a whole."""
        for block in _blocks(list(texts)):
            rows = [
                {ID_FIELD: key, KIND_FIELD: texts[key][0], TEXT_FIELD: _Text(texts[key][1]), FEATURE_FIELD: _DUMMY}
                for key in block
            ]
            with _one_write_at_a_time, self._asking("Cannot write to"):
                self._client.upsert(self.name, rows, timeout=self._seconds)

    def vectors_of(self, ids: Sequence[str]) -> dict[str, FloatArray]:
        """Return the vectors of those ids that are there; not to be changed."""
        in_memory = self._in_memory()
        if in_memory is not None:
            return in_memory.vectors_of(ids)
        found: dict[str, FloatArray] = {}
        for block in _blocks(ids):
            with self._asking():
                rows = self._client.get(
                    self.name, block, output_fields=[ID_FIELD, FEATURE_FIELD], timeout=self._seconds
                )
            found |= {row[ID_FIELD]: np.asarray(row[FEATURE_FIELD], dtype=np.float32) for row in rows}
        return found

    def nearest(self, queries: FloatArray, limit: int) -> set[str]:
        """Return the ids of the vectors with the largest products with any of some queries. Shape (n, d)."""
        in_memory = self._in_memory()
        if in_memory is not None:
            return in_memory.nearest(queries, limit)
        found: set[str] = set()
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            block = [row.tolist() for row in queries[start : start + _QUERIES_AT_ONCE]]
            with self._asking("Cannot search"):
                # Unasked, milvus-lite has the id under its field's name, Milvus under "id".
                answers = self._client.search(
                    self.name, block, limit=limit, output_fields=[ID_FIELD], timeout=self._seconds
                )
            found |= {hit[ID_FIELD] for hits in answers for hit in hits}
        return found

    def write_vectors(self, ids: Sequence[str], vectors: FloatArray) -> None:
        """Store vectors by id. Shape (len(ids), d)."""
        for start in range(0, len(ids), _ROWS_AT_ONCE):
            block = slice(start, start + _ROWS_AT_ONCE)
            rows = [
                {ID_FIELD: key, FEATURE_FIELD: vector} for key, vector in zip(ids[block], vectors[block], strict=True)
            ]
            with _one_write_at_a_time, self._asking("Cannot write to"):
                self._client.upsert(self.name, rows, timeout=self._seconds)

    def ids(self) -> list[str]:
        """Return all ids."""
        return [row[ID_FIELD] for row in self._rows()]

    def _rows(self, *fields: str) -> Iterator[Row]:
        read = [ID_FIELD, *fields]
        in_memory = self._in_memory()
        if in_memory is not None:
            for values in in_memory.pages(read):
                yield from (dict(zip(read, row, strict=True)) for row in values)
            return
        with self._asking():
            for page in row_pages(self._client, self.name, read, at_once=_ROWS_PER_PAGE, seconds=self._seconds):
                yield from page

    def delete(self, ids: Sequence[str]) -> None:
        """Delete rows; they may stay in the database's files."""
        for block in _blocks(ids):
            with _one_write_at_a_time, self._asking("Cannot write to"):
                self._client.delete(self.name, ids=block, timeout=self._seconds)

    def erase(self, ids: Sequence[str]) -> bool:
        """Delete rows, out of the database's files too; as `Gallery.delete`."""
        with self._asking("Cannot erase from"):
            return erase(self._client, self.name, ids, seconds=self._seconds, layout=self._layout)

    def flush(self) -> None:
        """Make the database write its final files."""
        with self._asking("Cannot flush"):
            self._client.flush(self.name, timeout=self._seconds)


def _blocks(ids: Sequence[str]) -> Iterator[list[str]]:
    return (list(ids[start : start + _ROWS_AT_ONCE]) for start in range(0, len(ids), _ROWS_AT_ONCE))
