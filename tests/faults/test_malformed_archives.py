"""Zips of any contents: read in place, or refused by name, before anything large is unpacked."""

import io
import struct
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from iics.errors import DataError
from iics.pixels.images import describe_failures, for_each_image
from iics.readers.benchmarks import load_market_layout

CALM = settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
MEMBERS = (
    *("bounding_box_train/0001_c1s1_000001_00.jpg", "bounding_box_train/0001_c2s1_000001_00.jpg"),
    *("query/0002_c1s1_000001_00.jpg", "bounding_box_test/0002_c2s1_000001_00.jpg"),
)
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def _picture():
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 16, 3), dtype=np.uint8)).save(content, "JPEG")
    return content.getvalue()


PICTURE = _picture()


def _zip(members, method=zipfile.ZIP_DEFLATED):
    """Return a zip of (name, contents)."""
    content = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(content, "w", method) as archive:
        warnings.simplefilter("ignore")  # of names that occur twice
        for name, data in members:
            archive.writestr(name, data)
    return content.getvalue()


def _good(method=zipfile.ZIP_DEFLATED):
    return _zip([(name, PICTURE) for name in MEMBERS], method)


def _read(file):
    """Read the layout, then every picture."""
    splits = load_market_layout(file, name="zip")
    for crops in splits.sets.values():
        failures = for_each_image(crops, lambda *_: None, num_threads=1)
        if failures:
            raise DataError(describe_failures(crops, failures))


@pytest.fixture
def sentence(answers, tmp_path):
    """What is said of a zip, "" if it is read."""

    def call(content):
        file = tmp_path / "market.zip"
        file.write_bytes(content)
        return answers.ask(lambda: _read(file), names="market.zip")

    return call


@pytest.mark.parametrize("method", METHODS)
def test_whole_zips_of_every_usual_method_are_read(sentence, method):
    assert sentence(_good(method)) == ""


names = st.one_of(
    st.sampled_from(
        [
            *(
                "../bounding_box_train/x.jpg",
                "/query/0002_c1s1_000001_00.jpg",
                "query\\0002_c1s1_000001_00.jpg",
                "query//",
            ),
            *(
                "./query/0002_c1s1_000001_00.jpg",
                "query/./0002_c1s1_000002_00.jpg",
                "query/\x1b[2J.jpg",
                "query/a\n.jpg",
            ),
            *("query/" + "9" * 5000 + "_c1s1_000001_00.jpg", "query/0002_c9s1_000001_00.jpg", "query", "query/"),
            *("bounding_box_train/é.jpg", "query/0002_c1s1_000001_00.jpg/x", "query/\u202e.jpg", *MEMBERS),
        ]
    ),
    st.text(min_size=1, max_size=12).filter(lambda name: name[0] != "\x00"),  # zipfile writes no empty name
)


@st.composite
def zips(draw):
    """A good zip with members of any name, its bytes then spoilt, mostly in the directory at its end."""
    members = [(name, PICTURE) for name in MEMBERS] + [
        (name, draw(st.one_of(st.just(PICTURE), st.binary(max_size=9)))) for name in draw(st.lists(names, max_size=3))
    ]
    data = bytearray(_zip(members, draw(st.sampled_from(METHODS))))
    for _ in range(draw(st.integers(0, 4))):
        from_end = draw(st.booleans())
        at = draw(st.integers(0, min(len(data) - 1, 600)))
        data[-1 - at if from_end else at] = draw(st.sampled_from((0, 1, 8, 9, 12, 14, 99, 127, 255)))
    return bytes(data[: draw(st.integers(0, len(data)))]) if draw(st.integers(0, 5)) == 0 else bytes(data)


def _check(answers, folder, content):
    file = folder / "market.zip"
    file.write_bytes(content)
    answers.ask(lambda: _read(file), names="market.zip")


@settings(CALM, max_examples=60)
@given(content=zips())
def test_a_zip_is_read_or_refused_by_name(answers, pictures, content):
    _check(answers, pictures, content)


@pytest.mark.slow
def test_many_zips_are_read_or_refused_by_name(told, pictures):
    @settings(CALM, max_examples=2500)
    @given(content=zips())
    def check(content):
        _check(told, pictures, content)

    check()
    assert told.counts["sentences"] > 500


def test_a_member_that_claims_gigabytes_is_not_unpacked(sentence):
    zeros = _zip([(MEMBERS[0], bytes(300_000_000)), *((name, PICTURE) for name in MEMBERS[1:])])
    assert len(zeros) < 500_000
    tracemalloc.start()
    text = sentence(zeros)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "it has 300 MB, at most 268 MB are read" in text
    assert peak < 20_000_000


@pytest.mark.parametrize(("method", "most"), [(zipfile.ZIP_DEFLATED, 20_000_000), (zipfile.ZIP_LZMA, 100_000_000)])
def test_a_member_that_holds_more_than_it_claims_is_not_unpacked_further(sentence, method, most):
    content = bytearray(_zip([(MEMBERS[0], bytes(100_000_000)), *((name, PICTURE) for name in MEMBERS[1:])], method))
    claimed = struct.pack("<L", 100_000_000)
    while (at := content.find(claimed)) >= 0:
        content[at : at + 4] = struct.pack("<L", 1000)
    tracemalloc.start()
    text = sentence(bytes(content))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "Bad CRC-32" in text
    assert peak < most


CASES = {
    "encrypted": (b"PK\x01\x02", 8, b"\x01\x00"),
    "packed by deflate64": (b"PK\x01\x02", 10, b"\x09\x00"),
    "packed by a method that is none": (b"PK\x01\x02", 10, b"\x63\x00"),
    "made by a version of the future": (b"PK\x01\x02", 6, b"\xff\x00"),
    "an offset beyond the end": (b"PK\x01\x02", 42, b"\xff\xff\xff\x7f"),
    "a name that is no UTF-8": (b"PK\x01\x02", 8, b"\x00\x08"),
    "more entries than there are": (b"PK\x05\x06", 10, b"\xff\xff"),
    "a directory elsewhere": (b"PK\x05\x06", 16, b"\xff\xff\xff\x7f"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_damaged_directory_is_one_sentence(sentence, case):
    mark, place, value = CASES[case]
    members = [(name, PICTURE) for name in MEMBERS]
    content = bytearray(_zip(members))
    at = content.find(mark) + place
    content[at : at + len(value)] = value
    if case == "a name that is no UTF-8":
        content = content.replace(MEMBERS[0].encode(), MEMBERS[0].replace("bounding", "b\xffunding").encode("latin-1"))
    text = sentence(bytes(content))
    assert text or case in ("more entries than there are",)


def test_a_name_that_no_path_leads_to_is_refused(sentence):
    text = sentence(_zip([*((name, PICTURE) for name in MEMBERS), ("query//0002_c1s1_000009_00.jpg", PICTURE)]))
    assert "no file can be found by the name of its member query//0002_c1s1_000009_00.jpg" in text


def test_a_name_that_occurs_twice_is_refused(sentence):
    assert "twice" in sentence(_zip([(name, PICTURE) for name in (*MEMBERS, MEMBERS[0])]))
