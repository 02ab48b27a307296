"""Uploads of a page that was killed go with the next start; those of a page that lives stay."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from types import SimpleNamespace

import pytest

from iics.errors import DataError
from iics.page.uploads import Upload, crop_upload, remove_dead_folders, upload_folder

HOLD = """
import sys
from iics.page.uploads import upload_folder
with upload_folder() as folder:
    (folder / "face.jpg").write_bytes(b"somebody")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture
def living():
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        yield process
        process.stdin.close()
        process.wait(30)


def uploads(folder):
    return [file.name for file in folder.glob("iics-page-*/files/*")]


def test_a_killed_page_leaves_its_uploads_until_the_next_start(living, temporary):
    with upload_folder():
        assert uploads(temporary) == ["face.jpg"]
    living.kill()
    living.wait(30)
    assert uploads(temporary) == ["face.jpg"]
    with upload_folder() as folder:
        assert uploads(temporary) == []
        assert list(temporary.iterdir()) == [folder.parent]
    assert list(temporary.iterdir()) == []


def test_a_folder_that_is_not_ours_stays(temporary):
    foreign = temporary / "iics-page-foreign"
    (foreign / "files").mkdir(parents=True)
    (foreign / "files" / "a.jpg").touch()
    target = temporary / "elsewhere"
    target.mkdir()
    (target / "lock").touch()
    (temporary / "iics-page-link").symlink_to(target)
    (temporary / "iics-page-other").mkdir()
    (temporary / "iics-page-other" / "lock").symlink_to(target / "lock")
    remove_dead_folders(temporary)
    assert uploads(temporary) == ["a.jpg"]
    assert (target / "lock").exists()
    assert sorted(file.name for file in temporary.iterdir()) == [
        "elsewhere",
        "iics-page-foreign",
        "iics-page-link",
        "iics-page-other",
    ]


pytest.importorskip("gradio", reason="the extra app is not installed")


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
