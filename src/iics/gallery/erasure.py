"""Crops out of a gallery, and off the disk as far as the database can.

A Milvus server marks rows as deleted, drops them when it compacts and removes the files later, by its own schedule.
milvus-lite keeps deleted rows in its files until it happens to merge them; so there the collection is written anew and
the old one dropped, which removes its files.

A property of the collection says that an erasure is under way. It is set before the first row is deleted, and the copy
is made without it; so whoever opens the gallery after an interruption knows of it, and can finish it.

Each erasure has a token. Its copy and what it sets aside are named by it, so two erasures never touch each other's
copy. The old collection is set aside before it is compared with the copy, so nobody writes to it any more, and it is
dropped only when a copy that is equal to it has its name.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from iics.errors import GalleryError
from iics.gallery.row_pages import row_pages
from iics.gallery.schema import CROPS_LAYOUT, FEATURE_FIELD, ID_FIELD, CollectionHeader, Layout, create_collection
from iics.gallery.stored_values import Row

if TYPE_CHECKING:
    from pymilvus import MilvusClient

_ROWS_AT_ONCE = 1000
_IDS_AT_ONCE = 16384
COPY, _ASIDE = "_written_anew", "_set_aside"
TOKEN_PROPERTY, _PENDING_PROPERTY = "iics.erasure", "iics.erasing"
MADE_BY_ERASURE = re.compile(f"(.+)(?P<kind>{COPY}|{_ASIDE})_(?P<token>[0-9a-f]{{32}})")
"""Names of copies and of collections set aside."""
_YES, _NO = "yes", "no"
_one_at_a_time = threading.Lock()


def is_milvus_lite(client: MilvusClient) -> bool:
    """Return whether a database is milvus-lite, as a folder or behind its server."""
    return "milvus_lite" in str(client.get_server_version())


def erase(
    client: MilvusClient, collection: str, crop_ids: Sequence[str], *, seconds: float, layout: Layout = CROPS_LAYOUT
) -> bool:
    """Delete rows and remove them from the database's files; whatever interrupts it, `finish_deleting` goes on.

    Returns:
        Whether they are gone now; False if the database removes them by its own schedule.

    Raises:
        GalleryError: If crops were written or erased by others meanwhile; no living crop is lost then.
    """
    with _one_at_a_time:
        _set_pending(client, collection, _YES, seconds=seconds)
        for start in range(0, len(crop_ids), _ROWS_AT_ONCE):
            client.delete(collection, ids=list(crop_ids[start : start + _ROWS_AT_ONCE]), timeout=seconds)
        return _off_the_disk(client, collection, layout, seconds=seconds)


def finish_deleting(client: MilvusClient, collection: str, *, seconds: float, layout: Layout = CROPS_LAYOUT) -> bool:
    """Remove what an interrupted erasure deleted from the database's files.

    Returns:
        Whether there was such an erasure.

    Raises:
        GalleryError: As `erase`.
    """
    with _one_at_a_time:
        if not is_pending(client, collection, seconds=seconds):
            return False
        _off_the_disk(client, collection, layout, seconds=seconds)
        return True


def is_pending(client: MilvusClient, collection: str, *, seconds: float) -> bool:
    """Return whether an erasure is at work, or was interrupted."""
    return _property(client, collection, _PENDING_PROPERTY, seconds=seconds) == _YES


def _off_the_disk(client: MilvusClient, collection: str, layout: Layout, *, seconds: float) -> bool:
    client.flush(collection, timeout=seconds)
    if not is_milvus_lite(client):
        client.compact(collection, timeout=seconds)
        _set_pending(client, collection, _NO, seconds=seconds)
        return False
    token = uuid.uuid4().hex
    copy = f"{collection}{COPY}_{token}"
    _write_anew(client, collection, copy, layout, token=token, seconds=seconds)
    _replace(client, collection, copy, layout, aside=f"{collection}{_ASIDE}_{token}", seconds=seconds)
    return True


def _set_pending(client: MilvusClient, collection: str, value: str, *, seconds: float) -> None:
    client.alter_collection_properties(collection, {_PENDING_PROPERTY: value}, timeout=seconds)


def finish_erasure(client: MilvusClient, collection: str, *, seconds: float) -> bool:
    """End an erasure that was killed: what it set aside is put back, or dropped if the copy has its place.

    An erasure at work whose old collection is put back here gives up with an error.

    Returns:
        Whether the collection is there.
    """
    for aside in _names(client, collection, _ASIDE, seconds=seconds):
        if not client.has_collection(collection, timeout=seconds):
            _put_in_place(client, aside, collection, seconds=seconds)
        elif aside.endswith(f"_{_property(client, collection, TOKEN_PROPERTY, seconds=seconds)}"):
            client.drop_collection(aside, timeout=seconds)
    copy = f"{collection}{COPY}"  # versions before the tokens dropped the old collection first
    if not client.has_collection(collection, timeout=seconds) and client.has_collection(copy, timeout=seconds):
        _put_in_place(client, copy, collection, seconds=seconds)
    return bool(client.has_collection(collection, timeout=seconds))


def _write_anew(
    client: MilvusClient, collection: str, copy: str, layout: Layout, *, token: str, seconds: float
) -> None:
    """Copy the living rows, after dropping what killed erasures left."""
    description = client.describe_collection(collection, timeout=seconds)
    for leftover in _names(client, collection, COPY, seconds=seconds):
        client.drop_collection(leftover, timeout=seconds)
    header = CollectionHeader.of(description, collection, layout)
    properties = {**header.properties, TOKEN_PROPERTY: token, _PENDING_PROPERTY: _NO}
    create_collection(
        client,
        copy,
        dimension=header.dimension,
        properties=properties,
        format_version=header.format_version,
        layout=layout,
    )
    for ids in _pages_of_ids(client, collection, seconds=seconds):
        fields = [ID_FIELD, *layout.fields, FEATURE_FIELD]
        found = client.get(collection, ids, output_fields=fields, timeout=seconds)
        rows = [dict(row) for row in found]
        if rows:
            client.upsert(copy, rows, timeout=seconds)
    client.flush(copy, timeout=seconds)


def _replace(client: MilvusClient, collection: str, copy: str, layout: Layout, *, aside: str, seconds: float) -> None:
    """Give the copy the collection's name and drop the old one, if they are equal; else leave all as it was."""
    from pymilvus.exceptions import MilvusException

    client.rename_collection(collection, aside, timeout=seconds)
    try:
        client.load_collection(aside, timeout=seconds)
        if not _are_equal(client, aside, copy, layout, seconds=seconds):
            raise GalleryError(
                "Crops were indexed while others were forgotten. Those forgotten are found no more but still in the "
                "database's files; give the same command again when nobody indexes."
            )
        client.rename_collection(copy, collection, timeout=seconds)
    except BaseException:
        with suppress(MilvusException):  # a database that is gone: whoever opens it next puts it back
            finish_erasure(client, collection, seconds=seconds)
            client.drop_collection(copy, timeout=seconds)
        raise
    client.load_collection(collection, timeout=seconds)
    client.drop_collection(aside, timeout=seconds)


def _are_equal(client: MilvusClient, old: str, copy: str, layout: Layout, *, seconds: float) -> bool:
    """Return whether two collections hold the same crops, and the same of each."""
    num_rows = 0
    for ids in _pages_of_ids(client, old, seconds=seconds):
        if _stored(client, old, ids, layout, seconds=seconds) != _stored(client, copy, ids, layout, seconds=seconds):
            return False
        num_rows += len(ids)
    count = client.query(copy, filter="", output_fields=["count(*)"], timeout=seconds)[0]["count(*)"]
    return num_rows == int(count)


def _stored(client: MilvusClient, collection: str, ids: list[str], layout: Layout, *, seconds: float) -> dict[str, Row]:
    rows = client.get(collection, ids, output_fields=[ID_FIELD, *layout.fields], timeout=seconds)
    return {row[ID_FIELD]: dict(row) for row in rows}


def _put_in_place(client: MilvusClient, name: str, collection: str, *, seconds: float) -> None:
    """Rename to the collection's name, unless somebody else was quicker."""
    from pymilvus.exceptions import MilvusException

    try:
        client.rename_collection(name, collection, timeout=seconds)
    except MilvusException:
        if not client.has_collection(collection, timeout=seconds):
            raise
    client.load_collection(collection, timeout=seconds)


def _names(client: MilvusClient, collection: str, kind: str, *, seconds: float) -> list[str]:
    """Return the collections that erasures of this one made, of one kind."""
    pattern = re.compile(re.escape(collection + kind) + "(_[0-9a-f]{32})?")
    return sorted(name for name in client.list_collections(timeout=seconds) if pattern.fullmatch(name))


def _property(client: MilvusClient, collection: str, name: str, *, seconds: float) -> str:
    properties = client.describe_collection(collection, timeout=seconds).get("properties", {})
    return str(properties.get(name, "none"))


def _pages_of_ids(client: MilvusClient, collection: str, *, seconds: float) -> Iterator[list[str]]:
    for page in row_pages(client, collection, [ID_FIELD], at_once=_IDS_AT_ONCE, seconds=seconds):
        ids = [row[ID_FIELD] for row in page]
        yield from (ids[start : start + _ROWS_AT_ONCE] for start in range(0, len(ids), _ROWS_AT_ONCE))
