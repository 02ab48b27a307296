"""A model trained through the command line once, and what a command printed."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from iics.cli import run


@dataclass(frozen=True)
class Finished:
    code: int
    stdout: str
    stderr: str


Iics = Callable[..., Finished]


@pytest.fixture(scope="session")
def iics() -> Iics:
    """Run one command in this process and return exit code and output."""

    def call(*arguments: object) -> Finished:
        stdout, stderr = io.StringIO(), io.StringIO()
        with redirect_stdout(stdout), redirect_stderr(stderr):
            try:
                code = run([str(argument) for argument in arguments])
            except SystemExit as stopped:  # how the parser ends: --help, or a flag that does not exist
                code = stopped.code
        return Finished(code, stdout.getvalue(), stderr.getvalue())

    return call


@pytest.fixture(scope="session")
def refusal(iics: Iics) -> Callable[..., str]:
    """Run a command that must fail as users' mistakes do, and return its message."""

    def call(*arguments: object) -> str:
        finished = iics(*arguments)
        assert finished.code == 2
        last = finished.stderr.splitlines()[-1]
        assert last.startswith("iics: error: ")
        assert finished.stderr.count("iics: error:") == 1
        assert "Traceback" not in finished.stderr
        return last.removeprefix("iics: error: ")

    return call


@pytest.fixture(scope="session")
def trained(
    iics: Iics, market_people: Path, tiny_flags: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Finished]:
    """The run folder of `iics train` on `market_people`, and what the command printed."""
    out = tmp_path_factory.mktemp("trained") / "run"
    finished = iics("train", "market-layout", "--data-dir", market_people, "--out", out, *tiny_flags.but("--rounds=1"))
    assert finished.code == 0, finished.stderr
    return out, finished
