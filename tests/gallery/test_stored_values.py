"""What is not known of a crop: values of our own, and the nulls of galleries of format 1."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from iics.gallery.connection import connect, disconnect
from iics.gallery.filters import GalleryFilters
from iics.gallery.gallery import Gallery
from iics.gallery.schema import FORMAT_PROPERTY, MODEL_PROPERTY, create_collection
from iics.gallery.stored_values import FORMAT_WITH_NULLS, known_values, local_path, stored_values, unicode_name
from iics.models.fingerprint import model_fingerprint


def test_a_row_comes_back_as_it_was_given(stored_row):
    row = stored_row("a", time=None, tracklet=3, left=0)
    stored = stored_values(row, format_version="2")
    assert None not in stored.values()
    assert known_values(stored) == row
    assert stored_values(row, format_version=FORMAT_WITH_NULLS) == row


def test_a_crop_without_a_time_is_in_no_range_and_has_no_box(gallery, angles, stored_row):
    gallery.write([stored_row("a"), stored_row("b", time=-5.0, identity=-1)], angles([0, 10]))
    for filters in (GalleryFilters(until=1e9), GalleryFilters(since=-100.0), GalleryFilters(since=-9.0, until=9.0)):
        assert [crop.crop_id for crop in gallery.crops(filters)] == ["b"]
    (matches,) = gallery.search(angles([0]))
    assert [(m.time, m.tracklet_id, m.identity_id, m.box) for m in matches] == [
        (None, None, None, None),
        (-5.0, None, -1, None),
    ]


def test_a_gallery_with_nulls_is_searched_grows_and_forgets(tmp_path, model, angles, stored_row):
    uri = str(tmp_path / "old.db")
    client = connect(uri, is_new=True)
    properties = {MODEL_PROPERTY: model_fingerprint(model)}
    create_collection(client, "iics", dimension=256, properties=properties, format_version=FORMAT_WITH_NULLS)
    client.upsert("iics", [{**stored_row("old"), "feature": angles([0])[0]}])
    assert client.get("iics", ["old"], output_fields=["time"])[0]["time"] is None
    disconnect(client, uri)
    with Gallery.open_or_create(uri, model=model) as gallery:
        gallery.write([stored_row("new", time=5.0), stored_row("gone")], angles([10, 20]))
        assert gallery.delete(["gone"])
        gallery.write([stored_row("late")], angles([30]))
        (matches,) = gallery.search(angles([0]))
        assert [(m.crop_id, m.time) for m in matches] == [("old", None), ("new", 5.0), ("late", None)]
        assert gallery.count(GalleryFilters(until=1e9)) == 1
        assert gallery._client.describe_collection("iics")["properties"][FORMAT_PROPERTY] == FORMAT_WITH_NULLS


@pytest.fixture
def one_port(monkeypatch):
    """All folders have the port of the first one, as happens by chance."""
    from milvus_lite.adapter.grpc import server

    start, ports = server.start_server_in_thread, []

    def at_one_port(*args, **options):
        started = start(*args, **{**options, "port": ports[0] if ports else 0})
        ports.append(started[2])
        return started

    monkeypatch.setattr(server, "start_server_in_thread", at_one_port)
    return ports


def test_a_folder_at_the_port_of_another_one_is_written_by_its_own_fields(
    tmp_path, model, angles, stored_row, one_port
):
    with Gallery.open_or_create(str(tmp_path / "new.db"), model=model) as gallery:
        gallery.write([stored_row("first")], angles([0]))
    uri = str(tmp_path / "old.db")
    client = connect(uri, is_new=True)
    properties = {MODEL_PROPERTY: model_fingerprint(model)}
    create_collection(client, "iics", dimension=256, properties=properties, format_version=FORMAT_WITH_NULLS)
    disconnect(client, uri)
    with Gallery.open_or_create(uri, model=model) as gallery:
        gallery.write([stored_row("timed", time=5.0), stored_row("untimed")], angles([10, 20]))
        assert gallery.num_crops == 2
    assert len(set(one_port)) == 1


def test_the_version_of_a_server_is_told_where_crops_are_indexed(place, model, caplog):
    with caplog.at_level(logging.INFO, "iics"), place.create(model):
        assert (" is Milvus " in caplog.text) == place.uri.startswith("http")


@pytest.mark.parametrize("name", ["lobby", "straße", "東", "stra\udcff"])
def test_names_of_a_utf8_locale_are_the_databases(name):
    assert unicode_name(name) == name
    assert local_path(name) == Path(name)


def test_bytes_that_ascii_does_not_know_are_read_as_utf8():
    of_ascii = "stra\N{LATIN SMALL LETTER SHARP S}e".encode().decode("ascii", "surrogateescape")
    assert of_ascii == "stra\udcc3\udc9fe"
    assert unicode_name(of_ascii) == "straße"


def test_a_name_that_this_process_cannot_spell_becomes_a_path_that_it_can(monkeypatch):
    def encoded_as_ascii(name):
        return name.encode("ascii", "surrogateescape")

    monkeypatch.setattr(os, "fsencode", encoded_as_ascii)
    monkeypatch.setattr(os, "fsdecode", lambda data: data.decode("ascii", "surrogateescape"))
    path = local_path("straße")
    assert encoded_as_ascii(str(path)) == "straße".encode()
