"""Names as a database and as this process spell them."""

import os
from pathlib import Path

import pytest

from iics.gallery.spelling import local_path, unicode_name


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
