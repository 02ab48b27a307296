"""Commands of iics in processes that can be killed: the tests' side of `commands_server.py`, and what is counted."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVER = Path(__file__).with_name("commands_server.py")
KILLED = -9


@dataclass(frozen=True)
class Answer:
    """What became of a command; see `commands_server.Answer`."""

    code: int
    hangs: bool
    seconds: float
    stdout: str
    stderr: str
    changes: list[str]
    phases: list[str]

    @property
    def sentence(self) -> str | None:
        """What a user reads of a refusal: one sentence and exit code 2; None if it is anything else."""
        told = self.stderr.splitlines()
        is_refusal = self.code == 2 and self.stderr.count("iics: error: ") == 1 and "Traceback" not in self.stderr
        return told[-1].removeprefix("iics: error: ") if is_refusal and told[-1].startswith("iics: error: ") else None

    @property
    def end(self) -> str:
        """How it ended, for a list of failures."""
        return f"code {self.code}{', hangs' if self.hangs else ''}: {self.stderr.strip()[-700:]}"


class Commands:
    """A server of commands. Its processes share what was compiled, fonts and the like, below `home`."""

    def __init__(self, home: Path, *, within: tuple[str, ...] = ()) -> None:
        self.home = home
        variables = {"XDG_CACHE_HOME": str(home), "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
        self._server = subprocess.Popen(
            [*within, sys.executable, str(SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
        )

    def run(self, *arguments: object, folder: Path, **order: Any) -> Answer:
        """Run one command; see `commands_server.Order`."""
        about = {"arguments": [str(argument) for argument in arguments], "folder": str(folder), **order}
        self._server.stdin.write(json.dumps(about) + "\n")
        self._server.stdin.flush()
        line = self._server.stdout.readline()
        assert line, "the server of commands ended"
        return Answer(**json.loads(line))

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()


class Outcomes:
    """What became of many tries: how many of each kind, and the failures in words."""

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self._record, self._counts = record, Counter[str]()
        self.failures: list[str] = []

    def add(self, what: str, outcome: str, is_failure: bool = False) -> None:
        self._counts["failures" if is_failure else outcome] += 1
        if is_failure:
            self.failures.append(f"{what}: {outcome}")

    def check(self, title: str) -> None:
        """Tell the counts, and fail if there is a failure."""
        counts = ", ".join(f"{number} {name}" for name, number in sorted(self._counts.items()))
        self._record("counts", f"{title}: {sum(self._counts.values())} tries: {counts}")
        assert not self.failures, "\n".join(self.failures)
