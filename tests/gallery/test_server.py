"""What can go wrong on the way to a database: nobody there, somebody else there, a server killed."""

import contextlib
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from iics.crops import CropSet
from iics.errors import GalleryError
from iics.gallery import connection, erasure, indexing
from iics.gallery.connection import check_server_version, connect
from iics.gallery.erasure import erase, finish_erasure
from iics.gallery.filters import GalleryFilters
from iics.gallery.gallery import Gallery
from iics.gallery.indexing import IndexResult, index_crops
from iics.pixels.images import load_pixels

written_anew = pytest.mark.parametrize("place", ["folder", "server"], indirect=True)
"""For what a Milvus server has no part in: it erases by itself."""


def test_a_server_killed_while_indexing_loses_nothing_that_was_written(mortal_server, model, people, monkeypatch):
    monkeypatch.setattr(indexing, "CROPS_PER_WRITE", 8)
    monkeypatch.setattr(connection, "SECONDS_TO_ANSWER", 1.0)
    done = []

    def kill_within_the_next_batch(number):
        done.append(number)
        if len(done) == 3:
            threading.Timer(0.03, mortal_server.kill).start()

    crops = people.train
    gallery = Gallery.open_or_create(mortal_server.uri, model=model)
    with pytest.raises(GalleryError, match=f"the gallery {mortal_server.uri}: "):
        index_crops(gallery, model, crops, progress=kill_within_the_next_batch)
    gallery.close()
    assert 24 <= sum(done) < len(crops)
    monkeypatch.setattr(connection, "SECONDS_TO_ANSWER", 60.0)
    mortal_server.start()
    with Gallery.open(mortal_server.uri) as gallery:
        num_kept = gallery.num_crops
        assert sum(done) <= num_kept < len(crops)
        assert index_crops(gallery, model, crops) == IndexResult(num_new=len(crops) - num_kept, num_known=num_kept)
        assert gallery.num_crops == len(crops)
        features = model.embed(crops)
        for own, (match,) in zip(crops.paths, gallery.search(features, top=1), strict=True):
            assert match.similarity == pytest.approx(1, abs=1e-5)
            assert (match.path == own) or np.array_equal(*_pixels(match.path, own))


def _pixels(*paths):
    crops = CropSet(paths, np.zeros(2), ("any",))
    return load_pixels(crops, height=64, width=32)


def test_ten_searches_beside_indexing_see_only_whole_crops(gallery, model, people, monkeypatch):
    monkeypatch.setattr(indexing, "CROPS_PER_WRITE", 4)
    monkeypatch.setattr(indexing, "CROPS_PER_FLUSH", 12)
    first, rest = people.train.subset(range(10)), people.train.subset(range(10, 34))
    index_crops(gallery, model, first)
    queries = model.embed(first)
    before = {path: match for path, (match,) in zip(first.paths, gallery.search(queries, top=1), strict=True)}
    is_over, faults, num_answers = threading.Event(), [], []

    def search(number):
        last = 0
        while not (is_over.is_set() and last):
            index = number % len(first)
            (matches,) = gallery.search(queries[index : index + 1], top=40)
            paths = [match.path for match in matches]
            similarities = [match.similarity for match in matches]
            if (
                matches[0].similarity < before[first.paths[index]].similarity - 1e-6
                or not set(first.paths) <= set(paths)
                or len(set(paths)) < len(paths)
                or similarities != sorted(similarities, reverse=True)
            ):
                faults.append((index, matches))
            last = len(matches)
        num_answers.append(last)

    threads = [threading.Thread(target=search, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    try:
        result = index_crops(gallery, model, rest)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert result == IndexResult(num_new=len(rest))
    assert faults == []
    assert len(num_answers) == 10
    (matches,) = gallery.search(queries[:1], top=100)
    assert len(matches) == len(first) + len(rest)


HOLD = """
import sys
from pymilvus import MilvusClient
client = MilvusClient(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("is_quicker", [False, True], ids=["before", "after we looked"])
def test_a_folder_that_another_process_has_open_is_refused_with_a_way_out(tmp_path, model, monkeypatch, is_quicker):
    folder = tmp_path / "held.db"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "open\n"
    if is_quicker:
        monkeypatch.setattr(connection, "check_contents", lambda _: None)
        held, looks = connection._held, [contextlib.nullcontext()]
        monkeypatch.setattr(connection, "_held", lambda folder: looks.pop() if looks else held(folder))
    try:
        with pytest.raises(GalleryError, match=r"Another process has the gallery .*milvus-lite server --data-dir"):
            Gallery.open_or_create(str(folder), model=model)
    finally:
        holder.communicate("")
    with Gallery.open_or_create(str(folder), model=model) as gallery:
        assert gallery.num_crops == 0


def test_two_galleries_share_a_folder_within_a_process(tmp_path, model, angles, stored_row):
    uri = str(tmp_path / "shared.db")
    with Gallery.open_or_create(uri, model=model) as writer, Gallery.open(uri) as reader:
        writer.write([stored_row("a")], angles([0]))
        assert reader.num_crops == 1
        writer.close()
        assert reader.num_crops == 1
        connect(uri, is_new=False)  # stands for the one that was closed


def test_a_place_without_a_gallery_is_refused_by_name(tmp_path, server, model):
    with pytest.raises(GalleryError, match=r"'people' is no gallery; name a folder ending in .db, or a Milvus server"):
        Gallery.open("people")
    with pytest.raises(GalleryError, match=r"There is no gallery .*none.db; `iics index"):
        Gallery.open(str(tmp_path / "none.db"))
    with pytest.raises(GalleryError, match=r"There is no folder .*nowhere to make the gallery new.db in"):
        Gallery.open_or_create(str(tmp_path / "nowhere" / "new.db"), model=model)
    (tmp_path / "file.db").write_text("")
    with pytest.raises(GalleryError, match=r"file.db is a file; a gallery is a folder"):
        Gallery.open(str(tmp_path / "file.db"))
    with pytest.raises(GalleryError, match="holds no gallery named none; `iics index"):
        Gallery.open(server.uri, collection="none")


def test_a_server_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(connection, "SECONDS_TO_CONNECT", 0.5)
    with pytest.raises(GalleryError, match=r"Cannot reach a Milvus server at http://127.0.0.1:9: "):
        Gallery.open("http://127.0.0.1:9")


@pytest.mark.parametrize("version", ["v2.2.16-lite", "v2.2.9", "1.1.0"])
def test_a_server_that_is_too_old_is_refused_by_its_version(version):
    with pytest.raises(
        GalleryError, match=f"The server at http://here is Milvus {version}; galleries need 2.3 or newer"
    ):
        check_server_version(version, "http://here")


@pytest.mark.parametrize(
    "version",
    ["v2.3.0", "v2.3.5-lite", "2.6.1", "v3.0.0", "milvus_lite-3.2.2", "v2.2-testing-20230824-68-ga34a9d6-lite"],
)
def test_servers_from_2_3_on_are_taken(version):
    check_server_version(version, "http://here")


def test_an_address_with_no_such_port_is_named():
    with pytest.raises(GalleryError, match=r"Cannot reach a Milvus server at http://127.0.0.1:99999: .*[Pp]ort"):
        Gallery.open("http://127.0.0.1:99999")


def test_a_collection_of_somebody_else_is_refused(server):
    client = connect(server.uri, is_new=False)
    client.create_collection("foreign", dimension=4)
    with pytest.raises(GalleryError, match="The collection foreign was not made by iics"):
        Gallery.open(server.uri, collection="foreign")


def test_an_erasure_that_was_killed_before_its_end_is_finished_by_the_next_one_to_look(
    place, model, angles, stored_row
):
    with place.create(model) as gallery:
        gallery.write([stored_row("a"), stored_row("b")], angles([0, 90]))
    client = connect(place.uri, is_new=False)
    client.rename_collection(place.collection, f"{place.collection}_written_anew")
    with place.open() as gallery:
        assert gallery.num_crops == 2
        assert gallery.model_fingerprint
    finish_erasure(client, place.collection, seconds=10)
    assert client.has_collection(place.collection)


def test_leftovers_of_an_erasure_do_not_come_back(place, model, angles, stored_row):
    with (
        place.create(model) as gallery,
        Gallery.open_or_create(place.uri, model=model, collection=f"{place.collection}_written_anew") as leftover,
    ):
        gallery.write([stored_row("a"), stored_row("b")], angles([0, 90]))
        leftover.write([stored_row("old")], angles([0]))
        erase(gallery._client, place.collection, ["nobody"], seconds=60)
        assert [match.crop_id for match in gallery.search(angles([0]))[0]] == ["a", "b"]


def _write_once(monkeypatch, name, write):
    """Have others write after the erasure first calls a function of its module."""
    function, calls = getattr(erasure, name), []

    def call_and_write(*arguments, **options):
        result = function(*arguments, **options)
        if not calls:
            calls.append(name)
            write()
        return result

    monkeypatch.setattr(erasure, name, call_and_write)


@written_anew
def test_a_crop_written_while_others_are_forgotten_is_not_lost_and_keeps_what_is_new(
    gallery, angles, stored_row, monkeypatch
):
    gallery.write([stored_row("a"), stored_row("b"), stored_row("c")], angles([0, 45, 90]))
    _write_once(monkeypatch, "_write_anew", lambda: gallery.write([stored_row("b", time=5.0)], angles([50])))
    with pytest.raises(GalleryError, match="Crops were indexed while others were forgotten"):
        gallery.delete(["a"])
    assert {row["crop_id"]: row["time"] for row in gallery.rows(GalleryFilters())} == {"b": 5.0, "c": None}
    assert gallery.delete(["c"])
    assert {row["crop_id"]: row["time"] for row in gallery.rows(GalleryFilters())} == {"b": 5.0}


@written_anew
def test_nobody_writes_between_the_comparison_and_the_end(gallery, angles, stored_row, monkeypatch):
    gallery.write([stored_row("a"), stored_row("b")], angles([0, 45]))
    refusals = []

    def write():
        with pytest.raises(GalleryError, match="Cannot write to the gallery") as refusal:
            gallery.write([stored_row("late")], angles([50]))
        refusals.append(refusal)

    _write_once(monkeypatch, "_are_equal", write)
    assert gallery.delete(["a"])
    assert len(refusals) == 1
    assert [row["crop_id"] for row in gallery.rows(GalleryFilters())] == ["b"]


@written_anew
def test_an_erasure_within_another_loses_no_crop(gallery, place, angles, stored_row, monkeypatch):
    gallery.write([stored_row(name) for name in "abcd"], angles([0, 30, 60, 90]))
    monkeypatch.setattr(erasure, "_one_at_a_time", contextlib.nullcontext())  # as if they were two processes
    with place.open() as other:
        _write_once(monkeypatch, "_write_anew", lambda: other.delete(["b"]))
        with pytest.raises(GalleryError):
            gallery.delete(["a"])
    assert sorted(row["crop_id"] for row in gallery.rows(GalleryFilters())) == ["c", "d"]


def test_threads_that_forget_at_once_all_succeed(gallery, place, angles, stored_row):
    gallery.write([stored_row(name) for name in "abcd"], angles([0, 30, 60, 90]))
    with ThreadPoolExecutor(2) as pool:
        erased = pool.map(gallery.delete, (["a"], ["b"]))
        assert list(erased) == [place.erases_at_once] * 2
    assert gallery.num_crops == 2


def test_what_a_killed_erasure_set_aside_is_put_back(place, model, angles, stored_row):
    with place.create(model) as gallery:
        gallery.write([stored_row("a"), stored_row("b")], angles([0, 90]))
    client = connect(place.uri, is_new=False)
    client.rename_collection(place.collection, f"{place.collection}_set_aside_{'0' * 32}")
    with place.create(model) as gallery:
        assert gallery.num_crops == 2
    assert not [name for name in client.list_collections() if name.startswith(f"{place.collection}_set_aside")]


def test_what_a_killed_erasure_set_aside_goes_when_its_copy_is_in_place(gallery, place, angles, stored_row):
    gallery.write([stored_row("a"), stored_row("b")], angles([0, 90]))
    client, token = gallery._client, "1" * 32
    aside = f"{place.collection}_set_aside_{token}"
    client.create_collection(aside, dimension=4)
    assert finish_erasure(client, place.collection, seconds=10)
    assert client.has_collection(aside)  # of an erasure that did not write this collection: kept
    client.alter_collection_properties(place.collection, {"iics.erasure": token})
    assert finish_erasure(client, place.collection, seconds=10)
    assert not client.has_collection(aside)
    assert gallery.num_crops == 2


def test_without_pymilvus_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(GalleryError, match=r"pip install 'iics\[gallery\]'"):
        Gallery.open("people.db")
