"""A file is replaced whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from iics import atomic
from iics.atomic import remove_stale_temporaries, write_atomically
from iics.errors import WriteError


class KilledError(BaseException):
    """Stands for whatever ends a process in the middle, no ordinary error included."""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", [b"\x00\xffnew", "new, with an ü"])
def test_a_file_is_written_or_replaced(tmp_path, content):
    path = tmp_path / "a.bin"
    for _ in range(2):
        write_atomically(path, content)
        assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
        assert names(tmp_path) == ["a.bin"]


def failing_write(monkeypatch, error):
    """Let half of the content reach the disk, then fail."""
    opened = Path.open

    def half_open(path, mode):
        file = opened(path, mode)

        class Half:
            def __enter__(self):
                return self

            def __exit__(self, *exception):
                file.close()

            def write(self, data):
                file.write(data[: len(data) // 2])
                file.flush()
                raise error

        return Half()

    monkeypatch.setattr(Path, "open", half_open)


def failing_fsync(monkeypatch, error):
    def fsync(handle):
        raise error

    monkeypatch.setattr(atomic.os, "fsync", fsync)


def failing_rename(monkeypatch, error):
    def replace(self, target):
        raise error

    monkeypatch.setattr(Path, "replace", replace)


@pytest.mark.parametrize("fail", [failing_write, failing_fsync, failing_rename])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt(), KilledError()])
def test_the_old_file_survives_a_failure_and_no_temporary_is_left(tmp_path, monkeypatch, fail, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    fail(monkeypatch, error)
    with pytest.raises(WriteError if isinstance(error, OSError) else type(error)):
        write_atomically(path, "new and longer")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_new_file_that_fails_does_not_appear(tmp_path, monkeypatch):
    failing_write(monkeypatch, OSError("disk full"))
    with pytest.raises(WriteError, match=r"Cannot write .*a\.txt: disk full"):
        write_atomically(tmp_path / "a.txt", "new")
    assert names(tmp_path) == []


def test_the_file_has_the_permissions_that_the_user_set(tmp_path):
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "a.txt", "new")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o600


def test_what_a_killed_writer_left_is_removed(tmp_path):
    (tmp_path / ".a.txt.4711.tmp").write_text("half")
    (tmp_path / "a.txt").write_text("whole")
    remove_stale_temporaries(tmp_path)
    assert names(tmp_path) == ["a.txt"]


def test_file_names_that_are_not_utf8_are_written_as_they_are(tmp_path):
    write_atomically(tmp_path / "a.txt", os.fsdecode(b"caf\xe9.jpg"))
    assert (tmp_path / "a.txt").read_bytes() == b"caf\xe9.jpg"


def test_a_file_in_place_of_the_folder_is_a_sentence(tmp_path):
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(WriteError, match=r"^Cannot write .*folder/a\.txt: Not a directory\.$"):
        write_atomically(tmp_path / "folder" / "a.txt", "new")


def test_a_read_only_disk_is_a_sentence(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(WriteError, match=r"^Cannot write .*a\.txt: Read-only file system\.$"):
        write_atomically(tmp_path / "a.txt", "new")
