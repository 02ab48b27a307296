"""A user without a home folder: libraries keep what they keep in a folder for the one command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from iics.cli.homeless import makeshift_home

VARIABLES = ("HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR", "TORCH_HOME", "TORCHINDUCTOR_CACHE_DIR", "HF_HOME", "LOGNAME")
NOBODY = "import pwd\ndef nobody(_): raise KeyError('uid not found')\npwd.getpwuid = nobody\n"


@pytest.fixture
def environment(monkeypatch):
    """No home, and nothing set."""
    kept = {name: value for name, value in os.environ.items() if name not in (*VARIABLES, "NUMBA_CACHE_DIR")}
    monkeypatch.setattr(os, "environ", kept)
    monkeypatch.setattr("os.path.expanduser", str)
    return kept


def test_libraries_get_a_folder_that_goes_with_the_command(environment):
    with makeshift_home():
        folder = Path(environment["MPLCONFIGDIR"]).parent
        assert {Path(environment[name]).parent for name in VARIABLES[2:6]} == {folder}
        assert folder.is_dir()
        assert environment["LOGNAME"] == f"user{os.getuid()}"
    assert not folder.exists()


def test_kernels_go_there_only_if_they_cannot_lie_beside_the_source(environment, monkeypatch):
    with makeshift_home():
        assert "NUMBA_CACHE_DIR" not in environment
    monkeypatch.setattr("os.access", lambda *_: False)
    with makeshift_home():
        assert environment["NUMBA_CACHE_DIR"].endswith("/numba")


def test_what_the_user_set_stays(environment):
    environment |= {"TORCH_HOME": "/weights", "XDG_CACHE_HOME": "/caches"}
    with makeshift_home():
        assert (environment["TORCH_HOME"], environment["HF_HOME"]) == ("/weights", "/caches/huggingface")


def test_who_has_a_home_keeps_it(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    before = dict(os.environ)
    with makeshift_home():
        assert dict(os.environ) == before


def test_a_process_without_home_and_name_leaves_no_folder_behind(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(NOBODY)
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment |= {"PYTHONPATH": os.pathsep.join([str(tmp_path), environment.get("PYTHONPATH", "")])}
    script = (
        "from iics.__main__ import main\nimport iics.cli\n"
        "def told(_):\n    import getpass, matplotlib, torch\n"
        "    print(matplotlib.get_cachedir(), torch.hub.get_dir(), getpass.getuser())\n"
        "iics.cli.run = told\nmain()"
    )
    (tmp_path / "here").mkdir()
    finished = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path / "here", capture_output=True, text=True
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    matplotlib, hub, user = finished.stdout.split()
    assert Path(matplotlib).name == "matplotlib"
    assert Path(hub) == Path(matplotlib).parent / "torch" / "hub"
    assert user == f"user{os.getuid()}"
    assert list((tmp_path / "here").iterdir()) == []
    assert not Path(matplotlib).exists()
