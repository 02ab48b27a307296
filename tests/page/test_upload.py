"""What a visitor sent is taken under a name that fits into a line of text."""

from types import SimpleNamespace

import pytest

pytest.importorskip("gradio", reason="the extra app is not installed")

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
@pytest.mark.parametrize("is_there", [True, False])
def test_a_name_is_short_and_printable(tmp_path, sent, name, is_there):
    data = b"picture" if is_there else b""
    if is_there:
        (tmp_path / "sent.png").write_bytes(data)
    assert read(tmp_path / "sent.png", sent) == Upload(name, data)


def test_nothing_sent_is_nothing():
    assert crop_upload().preprocess(None) is None
