"""What a visitor sent is taken under a name that fits into a line of text."""

from types import SimpleNamespace

import pytest

pytest.importorskip("gradio", reason="the extra app is not installed")

from iics.errors import DataError
from iics.page.upload import Upload, crop_upload


def read(path, name):
    return crop_upload().preprocess(SimpleNamespace(path=str(path), orig_name=name))


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("Büro 1.png", "Büro 1.png"),
        ("a\rb\n.png", "a?b?.png"),
        ("\ud800.png", "?.png"),
        ("x" * 140_000, "x" * 200),
        (None, "sent.png"),
    ],
)
def test_a_name_is_short_and_printable(tmp_path, sent, name):
    assert read(tmp_path / "sent.png", sent) == Upload(name, tmp_path / "sent.png")


def test_a_file_is_read_when_its_turn_comes(tmp_path):
    upload = read(tmp_path / "sent.png", "a.png")
    with pytest.raises(DataError, match=r"a\.png has been removed meanwhile; drop it again"):
        upload.read()
    (tmp_path / "sent.png").write_bytes(b"picture")
    assert upload.read() == b"picture"


def test_nothing_sent_is_nothing():
    assert crop_upload().preprocess(None) is None
