"""The folder of decoded pixels: ours is removed, everything else stays."""

import subprocess
import sys
from pathlib import Path

import pytest

from iics.errors import WriteError
from iics.pixels.cache_folder import (
    ClearedFile,
    cache_folder,
    cached_file,
    clear_cache,
    locked,
    remove_leftovers,
    temporary_of,
)

KEY, OTHER = "0123456789abcdef" * 2, "f" * 32
HOLD = """
import sys
from pathlib import Path
from iics.pixels.cache_folder import locked
with locked(Path(sys.argv[1]), wait=True) as is_held:
    print(is_held, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def hold_lock():
    """Have another process hold the lock of a cached file; returns the process."""
    processes = []

    def hold(file):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout.readline() == "True\n"
        return process

    yield hold
    for process in processes:
        process.kill()
        process.communicate()


# --- the place


def test_the_folder_chosen_is_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("/somewhere") == Path("/somewhere")
    assert cache_folder("~/pixels") == tmp_path / "pixels"


@pytest.mark.parametrize(
    ("variable", "expected"), [("/caches", "/caches/iics"), ("", "{home}/.cache/iics"), ("a/b", "{home}/.cache/iics")]
)
def test_otherwise_it_lies_in_the_users_folder_for_caches(monkeypatch, tmp_path, variable, expected):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", variable)  # a relative one counts as none, as its standard asks for
    assert cache_folder() == Path(expected.format(home=tmp_path))


# --- locks


def test_a_lock_is_held_by_one_at_a_time(tmp_path, hold_lock):
    file = cached_file(tmp_path, KEY)
    process = hold_lock(file)
    with locked(file, wait=False) as is_held:
        assert not is_held
    with locked(cached_file(tmp_path, OTHER), wait=False) as is_held:
        assert is_held
    process.communicate("go\n")
    with locked(file, wait=False) as is_held:
        assert is_held


def test_the_lock_of_a_killed_process_is_free(tmp_path, hold_lock):
    file = cached_file(tmp_path, KEY)
    process = hold_lock(file)
    process.kill()
    process.wait()
    with locked(file, wait=False) as is_held:
        assert is_held


# --- leftovers and clearing


def test_only_leftovers_of_killed_processes_are_removed(tmp_path, hold_lock):
    left, written = (temporary_of(cached_file(tmp_path, key)) for key in (KEY, OTHER))
    for file in (left, written, cached_file(tmp_path, KEY), tmp_path / ".other.1.tmp"):
        file.touch()
    hold_lock(cached_file(tmp_path, OTHER))
    remove_leftovers(tmp_path)
    assert not left.exists()
    assert all(file.exists() for file in (written, cached_file(tmp_path, KEY), tmp_path / ".other.1.tmp"))


def test_clearing_removes_what_is_ours_and_tells_sizes(tmp_path):
    whole, torn = cached_file(tmp_path, KEY), temporary_of(cached_file(tmp_path, OTHER))
    whole.write_bytes(bytes(70))
    torn.write_bytes(bytes(30))
    with locked(whole, wait=False):
        pass  # leaves the file of the lock
    cleared = clear_cache(tmp_path)
    assert set(cleared.removed) == {ClearedFile(whole, 70), ClearedFile(torn, 30)}
    assert cleared.kept == ()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "pixels.npy",
        "pixels-mine.npy",
        f"pixels-{KEY}.npz",
        f"my-pixels-{KEY}.npy",
        f"pixels-{KEY}.npy.bak",
        f"pixels-{KEY[:-1]}.npy",
        f".pixels-{KEY}.npy.mine.tmp",
        "features.npy",
    ],
)
def test_files_of_other_names_stay(tmp_path, name):
    (tmp_path / name).write_text("mine")
    (tmp_path / f"pixels-{OTHER}.npy").mkdir()  # a folder is none of ours
    assert clear_cache(tmp_path).removed == ()
    assert {path.name for path in tmp_path.iterdir()} == {name, f"pixels-{OTHER}.npy"}


def test_a_file_that_is_being_written_stays_and_is_told_of(tmp_path, hold_lock):
    file, other = cached_file(tmp_path, KEY), cached_file(tmp_path, OTHER)
    temporary = temporary_of(file)
    temporary.touch()
    other.touch()
    hold_lock(file)
    cleared = clear_cache(tmp_path)
    assert cleared.kept == (temporary,)
    assert cleared.removed == (ClearedFile(other, 0),)
    assert temporary.exists()


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    cleared = clear_cache(tmp_path / "gone")
    assert (cleared.removed, cleared.kept) == ((), ())
    assert not (tmp_path / "gone").exists()


def test_a_file_that_cannot_be_removed_is_an_error(tmp_path, monkeypatch):
    cached_file(tmp_path, KEY).touch()

    def refuse(path, missing_ok=False):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(WriteError, match=r"^Cannot clear .*Permission denied"):
        clear_cache(tmp_path)
