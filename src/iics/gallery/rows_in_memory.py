"""Rows of a folder's database, read where they lie: milvus-lite runs within this process and holds all of them.

Asked as a server, it makes a Python list of every number of every feature of every row that it looks at, wanted or not:
0.1 ms a row, and as much again for the answer. Here columns and vectors are taken as arrays. Which rows live is told as
milvus-lite tells it: of a key the row that was written last, unless it was deleted after that.

Nothing is written here. A server has no rows in this process, and a milvus-lite of another version may hold them
otherwise; then `rows_in_memory` gives None, and the database is asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iics.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    import pyarrow as pa

_KNOWN_VERSION = "3.2."
"""Of milvus-lite: how it begins. How another one tells which rows live is not known."""
_ROWS_AT_ONCE = 16384


@dataclass(frozen=True, eq=False)
class _Source:
    """A file's rows, or those not yet in a file: keys, in which row each is, and all that is stored of them."""

    keys: Sequence[str]
    row_of: Mapping[str, int]
    written: IntArray
    table: pa.Table
    vectors: FloatArray


class RowsInMemory:
    """All rows of a collection at one moment.

    Args:
        sources: The files, and last what is in none.
        deleted: When keys were deleted last, in the order of all writes.
    """

    def __init__(self, sources: Sequence[_Source], deleted: Sequence[Mapping[str, int]]) -> None:
        self._sources, self._deleted = sources, deleted

    def pages(self, fields: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the fields of all living rows, in no order, many at a time."""
        for number, rows in enumerate(self._living()):
            table = self._sources[number].table.select(list(fields))
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                columns = table.take(rows[start : start + _ROWS_AT_ONCE]).columns
                yield list(zip(*(column.to_pylist() for column in columns), strict=True))

    def fields_of(self, keys: Sequence[str], fields: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Yield the fields of those keys that are there."""
        for key in keys:
            place = self._place(key)
            if place is not None:
                source, row = self._sources[place[0]], place[1]
                yield tuple(source.table.column(name)[row].as_py() for name in fields)

    def vectors_of(self, keys: Sequence[str]) -> dict[str, FloatArray]:
        """Return the vectors of those keys that are there; not to be changed."""
        places = {key: self._place(key) for key in dict.fromkeys(keys)}
        return {key: self._sources[at[0]].vectors[at[1]] for key, at in places.items() if at is not None}

    def nearest(self, queries: FloatArray, limit: int) -> set[str]:
        """Return the keys of the vectors with the largest products with any of some queries, `limit` of each.

        Args:
            queries: Shape (n, d).
            limit: At least 1.
        """
        best = np.empty((len(queries), 0), dtype=np.float32)
        keys: list[str] = []
        places = np.empty((len(queries), 0), dtype=np.int64)
        for number, rows in enumerate(self._living()):
            source = self._sources[number]
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                block = rows[start : start + _ROWS_AT_ONCE]
                own = np.broadcast_to(np.arange(len(keys), len(keys) + len(block)), (len(queries), len(block)))
                keys += [source.keys[row] for row in block.tolist()]
                best = np.concatenate([best, queries @ source.vectors[block].T], axis=1)
                places = np.concatenate([places, own], axis=1)
                if best.shape[1] > limit:
                    chosen = np.argpartition(-best, limit - 1, axis=1)[:, :limit]
                    best = np.take_along_axis(best, chosen, axis=1)
                    places = np.take_along_axis(places, chosen, axis=1)
        return {keys[place] for place in np.unique(places).tolist()}

    def _living(self) -> Iterator[IntArray]:
        """Yield the rows of each source that live."""
        last: dict[str, int] = {}
        written = [source.written.tolist() for source in self._sources]
        for source, own in zip(self._sources, written, strict=True):
            for key, at in zip(source.keys, own, strict=True):
                if at > last.get(key, -1):
                    last[key] = at
        for deleted in self._deleted:
            for key, at in deleted.items():
                if at > last.get(key, at):
                    del last[key]
        for source, own in zip(self._sources, written, strict=True):
            # Taken out when found: a row that is being written to a file is there twice.
            rows = [row for row, key in enumerate(source.keys) if last.get(key) == own[row] and last.pop(key) >= 0]
            yield np.array(rows, dtype=np.int64)

    def _place(self, key: str) -> tuple[int, int] | None:
        """Return the source and the row of a key, None if it is not there."""
        found, last = None, -1
        for number, source in enumerate(self._sources):
            row = source.row_of.get(key)
            if row is not None and source.written[row] > last:
                found, last = (number, row), int(source.written[row])
        if any(each.get(key, -1) > last for each in self._deleted):
            return None
        return found


def rows_in_memory(folder: Path, collection: str) -> RowsInMemory | None:
    """Return the rows of a collection in a folder that this process has open; None if they are not within reach.

    Args:
        folder: Of the database.
        collection: Its name there.
    """
    from milvus_lite import MilvusLiteError, server_manager_instance

    if not _version().startswith(_KNOWN_VERSION):
        return None
    try:
        _, database, _ = server_manager_instance._servers[os.path.normpath(folder)]
        of_name = database.get_collection(collection)
        # First what is in no file yet: what is written to one meanwhile is then found twice, not never.
        unfiled, deleted = _unfiled(of_name._memtable)
        segments, of_files = of_name._read_snapshot()
        filed = [
            _Source(each.pks, each.pk_to_row, each.seqs, each.table, _unchanged(each.vectors)) for each in segments
        ]
        return RowsInMemory([*filed, unfiled], [of_files.snapshot, deleted])
    except (AttributeError, KeyError, TypeError, ValueError, MilvusLiteError):
        return None


@cache
def _version() -> str:
    return metadata.version("milvus-lite")


def _unfiled(memtable: Any) -> tuple[_Source, dict[str, int]]:
    """Return the rows that are in no file yet, and when keys were deleted since the last one."""
    with memtable._lock:
        table = memtable.to_arrow_table()
        index = memtable.pk_index_snapshot()
        deleted = {key: written for key, (written, _) in memtable.delete_index_snapshot().items()}
    keys = [key for key, _ in index]
    written = np.array([of_key[2] for _, of_key in index], dtype=np.int64)
    vectors = _unchanged(_vectors(table))
    return _Source(keys, {key: row for row, key in enumerate(keys)}, written, table, vectors), deleted


def _vectors(table: pa.Table) -> FloatArray:
    """Return the only column of vectors. Shape (n, d)."""
    (column,) = (each for each in table.columns if hasattr(each.type, "list_size"))
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    flat = np.concatenate([np.empty(0, np.float32), *parts])
    return flat.reshape(-1, column.type.list_size)


def _unchanged(vectors: FloatArray) -> FloatArray:
    """Return the same numbers, which cannot be written to: they are the database's own."""
    view = vectors.view()
    view.flags.writeable = False
    return view
