"""Deleted crops off the disk, as far as the database can.

A Milvus server marks rows as deleted, drops them when it compacts and removes the files later, by its own schedule.
milvus-lite keeps deleted rows in its files until it happens to merge them; so there the collection is written anew and
the old one dropped, which removes its files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from iics.errors import GalleryError
from iics.gallery.schema import FEATURE_FIELD, ID_FIELD, STORED_FIELDS, create_collection, model_of_collection

if TYPE_CHECKING:
    from pymilvus import MilvusClient

_ROWS_AT_ONCE = 1000
_IDS_AT_ONCE = 16384


def is_milvus_lite(client: MilvusClient) -> bool:
    """Return whether a database is milvus-lite, as a folder or behind its server."""
    return "milvus_lite" in str(client.get_server_version())


def erase_deleted(client: MilvusClient, collection: str, *, seconds: float) -> bool:
    """Remove what was deleted from the database's files.

    Args:
        client: Of the database.
        collection: Whose deleted rows shall go.
        seconds: How long one request may take.

    Returns:
        Whether they are gone now; False if the database removes them by its own schedule.

    Raises:
        GalleryError: If crops were written meanwhile.
    """
    if not is_milvus_lite(client):
        client.compact(collection, timeout=seconds)
        return False
    new = _new_name(collection)
    if client.has_collection(new, timeout=seconds):
        client.drop_collection(new, timeout=seconds)
    description = client.describe_collection(collection, timeout=seconds)
    _, _, dimension = model_of_collection(description, collection)
    create_collection(client, new, dimension=dimension, properties=description["properties"])
    num_rows = 0
    for ids in _pages_of_ids(client, collection, seconds=seconds):
        fields = [ID_FIELD, *STORED_FIELDS, FEATURE_FIELD]
        rows = [dict(row) for row in client.get(collection, ids, output_fields=fields, timeout=seconds)]
        client.upsert(new, rows, timeout=seconds)
        num_rows += len(rows)
    client.flush(new, timeout=seconds)
    if num_rows != client.query(collection, filter="", output_fields=["count(*)"], timeout=seconds)[0]["count(*)"]:
        client.drop_collection(new, timeout=seconds)
        raise GalleryError(
            "Crops were indexed while others were forgotten. Those forgotten are found no more but still in the "
            "database's files; forget something again when nobody indexes."
        )
    client.drop_collection(collection, timeout=seconds)
    finish_erasure(client, collection, seconds=seconds)
    return True


def finish_erasure(client: MilvusClient, collection: str, *, seconds: float) -> None:
    """Give a collection that was written anew its name, if whoever did so was killed before that."""
    new = _new_name(collection)
    if not client.has_collection(collection, timeout=seconds) and client.has_collection(new, timeout=seconds):
        client.rename_collection(new, collection, timeout=seconds)
        client.load_collection(collection, timeout=seconds)


def _new_name(collection: str) -> str:
    return f"{collection}_written_anew"


def _pages_of_ids(client: MilvusClient, collection: str, *, seconds: float) -> Iterator[list[str]]:
    pages: Any = client.query_iterator(
        collection, batch_size=_IDS_AT_ONCE, filter="", output_fields=[ID_FIELD], timeout=seconds
    )
    try:
        while page := pages.next():
            ids = [row[ID_FIELD] for row in page]
            yield from (ids[start : start + _ROWS_AT_ONCE] for start in range(0, len(ids), _ROWS_AT_ONCE))
    finally:
        pages.close()
