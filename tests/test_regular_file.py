"""Only regular files are read, up to a bound, and nothing is waited for."""

import os
import socket

import pytest

from iics.regular_file import UnfitFileError, check_regular, open_regular, read_regular


def test_a_file_is_read(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    assert read_regular(file, most_bytes=3) == b"abc"
    link = tmp_path / "link"
    link.symlink_to(file)
    assert read_regular(link, most_bytes=3) == b"abc"


def test_a_larger_file_is_refused_before_it_is_read(tmp_path):
    file = tmp_path / "a.jpg"
    with file.open("wb") as opened:
        opened.truncate(50 * 10**9)  # sparse: it takes no room
    with pytest.raises(UnfitFileError, match=r"^it has 50,000 MB, at most 1 MB are read$"):
        read_regular(file, most_bytes=10**6)


@pytest.fixture
def odd_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "to-device").symlink_to("/dev/zero")
    listening = socket.socket(socket.AF_UNIX)
    here = os.open(tmp_path, os.O_RDONLY)  # the path of a socket may have a hundred characters
    listening.bind(f"/proc/self/fd/{here}/socket")
    yield tmp_path
    os.close(here)
    listening.close()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("pipe", "a named pipe"), ("folder", "a folder"), ("to-device", "a device"), ("socket", "a socket")],
)
def test_what_is_no_regular_file_is_refused_by_what_it_is(odd_files, name, kind):
    for read in (check_regular, open_regular, lambda path: read_regular(path, most_bytes=9)):
        with pytest.raises(UnfitFileError, match=rf"^it is {kind}, no regular file$"):
            read(odd_files / name)


def test_links_in_circles_and_names_that_no_file_has_are_os_errors(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for name in ("loop", "a\x00b", "a" * 300):
        with pytest.raises(OSError, match=r"symbolic links|no file can have this name|too long"):
            read_regular(tmp_path / name, most_bytes=9)


def test_a_file_that_does_not_tell_its_size_is_refused():
    with pytest.raises(UnfitFileError, match="does not tell its size"):
        read_regular("/proc/self/status", most_bytes=10**6)
