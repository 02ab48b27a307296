"""A folder's rows, read where milvus-lite holds them: they are those that the database gives."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from iics.gallery import connection, rows_in_memory
from iics.gallery.filters import GalleryFilters
from iics.gallery.gallery import Gallery
from iics.gallery.rows_in_memory import RowsInMemory, _Source
from tests.gallery.conftest import at_angles, row


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "rows.db"


@pytest.fixture
def gallery(folder: Path, model) -> Iterator[Gallery]:
    """Rows in a file and in none; some replaced, deleted, written again."""
    with Gallery.open_or_create(str(folder), model=model) as opened:
        write(opened, "abcdef", 0.0)
        opened.flush()
        write(opened, "bg", 40.0)
        opened.opened.client.delete(opened.collection, ids=["c", "d", "g"])
        write(opened, "d", 80.0)
        yield opened


def write(gallery, names, degrees):
    rows = [row(name, camera=f"camera {degrees}", time=None, tracklet=k or None) for k, name in enumerate(names)]
    gallery.write(rows, at_angles([degrees + k for k in range(len(names))]))


def read(gallery):
    """Return all that is read of all rows, by id."""
    found = {each["crop_id"]: each for each in gallery.rows(GalleryFilters())}
    features = gallery.features_by_id([*found, "c", "never there"])
    return found, {key: vector.tolist() for key, vector in features.items()}


def asked(gallery, action):
    """Return what an action gives where the database is asked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "rows_in_memory", lambda *_: None)
        return action(gallery)


@pytest.mark.parametrize("is_filed", [False, True], ids=["as written", "all in files"])
def test_rows_and_features_are_those_that_the_database_gives(gallery, is_filed):
    if is_filed:
        gallery.flush()
    assert connection.rows_in_memory(gallery.uri, gallery.collection) is not None
    found, features = read(gallery)
    assert (found, features) == asked(gallery, read)
    assert sorted(found) == sorted(features) == ["a", "b", "d", "e", "f"]
    assert [found[name]["camera"] for name in "abd"] == ["camera 0.0", "camera 40.0", "camera 80.0"]
    assert (found["a"]["time"], found["a"]["tracklet"], found["e"]["tracklet"]) == (None, None, 4)


def test_rows_are_read_after_forgetting_and_opening_again(gallery, folder):
    gallery.delete(["a"])
    assert sorted(read(gallery)[0]) == ["b", "d", "e", "f"]
    gallery.close()
    (folder.parent / "x").mkdir()
    with Gallery.open(str(folder.parent / "x" / ".." / folder.name)) as again:
        assert connection.rows_in_memory(again.uri, again.collection) is not None
        assert read(again) == asked(again, read)


def test_filters_are_the_databases(gallery):
    assert [each["crop_id"] for each in gallery.rows(GalleryFilters(cameras=("camera 80.0",)))] == ["d"]


def test_a_milvus_lite_that_holds_rows_otherwise_is_asked(gallery, monkeypatch):
    found = read(gallery)
    monkeypatch.delattr("milvus_lite.storage.memtable.MemTable.pk_index_snapshot")
    assert connection.rows_in_memory(gallery.uri, gallery.collection) is None
    assert read(gallery) == found


def test_a_milvus_lite_that_nobody_looked_into_is_asked(gallery, monkeypatch):
    monkeypatch.setattr(rows_in_memory, "_version", lambda: "3.3.0")
    assert connection.rows_in_memory(gallery.uri, gallery.collection) is None


def test_a_server_and_a_closed_folder_hold_no_rows_here(gallery):
    assert connection.rows_in_memory("http://127.0.0.1:19530", gallery.collection) is None
    assert connection.rows_in_memory(gallery.uri, "another") is None
    gallery.close()
    assert connection.rows_in_memory(gallery.uri, gallery.collection) is None


def test_the_databases_own_numbers_cannot_be_changed(gallery):
    for name in "ab":  # in a file, in none
        with pytest.raises(ValueError, match="read-only"):
            gallery.features_by_id([name])[name][0] = 1.0


def test_the_nearest_are_those_of_the_database(gallery):
    in_memory = connection.rows_in_memory(gallery.uri, gallery.collection)
    for degrees in (0.0, 39.0, 85.0):
        (hits,) = gallery.search(at_angles([degrees]), top=2)
        assert in_memory.nearest(at_angles([degrees]), 2) == {hit.crop_id for hit in hits}
    assert in_memory.nearest(at_angles([0.0, 85.0]), 1) == {"a", "d"}


def source(keys, written):
    numbers = np.array(written, dtype=np.int64)
    table = pa.table({"key": list(keys), "written": numbers})
    return _Source(list(keys), {key: at for at, key in enumerate(keys)}, numbers, table, at_angles(written))


def test_of_a_key_the_row_written_last_lives_unless_it_was_deleted_after_that():
    # d is being written to a file just now: it is in both.
    rows = RowsInMemory([source("abcd", [1, 2, 3, 7]), source("abd", [4, 5, 7])], [{"a": 3, "b": 6, "c": 9, "x": 8}])
    assert [each for page in rows.pages(["key", "written"]) for each in page] == [("d", 7), ("a", 4)]
    assert list(rows.fields_of("dcab", ["written"])) == [(7,), (4,)]
    assert sorted(rows.vectors_of("abcd")) == ["a", "d"]
    assert rows.nearest(at_angles([2.0]), 9) == {"a", "d"}
