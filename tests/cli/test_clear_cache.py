"""`iics clear-cache`: says what it removed, where, and how much that frees."""

import pytest

from iics.cli.clear_cache import size_of
from iics.pixels.cache_folder import cached_file, locked

KEY, OTHER = "0" * 32, "1" * 32


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "iics"


@pytest.fixture
def homeless(monkeypatch):
    """A user who has a number and no name, as containers are often run."""

    def nobody(_):
        raise KeyError("uid not found")

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)


def test_files_are_listed_with_sizes_and_total(iics, tmp_path):
    for key, size in ((KEY, 2_500_000), (OTHER, 1_000_000)):
        cached_file(tmp_path, key).write_bytes(bytes(size))
    (tmp_path / "mine.npy").touch()
    finished = iics("clear-cache", "--cache-dir", tmp_path)
    assert (finished.code, finished.stderr) == (0, "")
    assert finished.stdout.splitlines() == [
        f"removed pixels-{KEY}.npy  2.5 MB",
        f"removed pixels-{OTHER}.npy  1.0 MB",
        f"3.5 MB freed in {tmp_path}",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["mine.npy"]


def test_what_is_being_written_is_kept_and_told(iics, tmp_path):
    file = cached_file(tmp_path, KEY)
    file.touch()
    with locked(file, wait=False):
        finished = iics("clear-cache", "--cache-dir", tmp_path)
    assert finished.stdout == f"kept pixels-{KEY}.npy: another process is writing it\n"
    assert file.exists()


def test_an_empty_folder_is_told(iics, home):
    assert iics("clear-cache").stdout == f"There are no decoded pixels in {home}.\n"


def test_a_user_without_a_home_folder_is_told(refusal, homeless):
    assert refusal("clear-cache") == (
        "There is no folder ~/.cache/iics to keep decoded pixels in: this user has no home folder. Set HOME or "
        "XDG_CACHE_HOME, or name a folder in full."
    )
    assert "There is no folder ~/pixels to keep" in refusal("clear-cache", "--cache-dir", "~/pixels")


def test_training_without_a_home_folder_decodes_each_time(iics, homeless, folder_people, tiny_flags, tmp_path, caplog):
    flags = tiny_flags.but("--rounds=1")
    assert iics("train", "folder", "--data-dir", folder_people, "--out", tmp_path / "run", *flags).code == 0
    assert (
        "this user has no home folder. Set HOME or XDG_CACHE_HOME, or name a folder in full. Crops are" in caplog.text
    )


def test_what_training_kept_is_removed(iics, home, folder_people, tiny_flags, tmp_path, monkeypatch):
    monkeypatch.setattr("iics.runs.run.Run.finish", lambda run, checkpoint: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # pixels are there, training is not wanted
        iics("train", "folder", "--data-dir", folder_people, "--out", tmp_path / "run", *tiny_flags)
    (file,) = home.glob("*.npy")
    finished = iics("clear-cache")
    assert finished.stdout == f"removed {file.name}  0.3 MB\n0.3 MB freed in {home}\n"
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("num_bytes", "text"), [(0, "0.0 MB"), (240_000, "0.2 MB"), (999_000_000, "999.0 MB"), (1_270_000_000, "1.27 GB")]
)
def test_sizes_read_as_people_write_them(num_bytes, text):
    assert size_of(num_bytes) == text
