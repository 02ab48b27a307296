"""A Python process whose look-ups and connections to other machines are counted, and whose home is looked through.

Python's own are refused and noted within the process (`tests/nothing_outward/`). Those of compiled libraries are seen
by strace, where it is installed and may trace.
"""

import functools
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from iics.privacy import REPORTING_OFF

_NAME_SERVERS = re.compile(r"sin6?_port=htons\((?:53|853|5353)\)")
_ADDRESS = re.compile(r'sin_addr=inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
_HERE = re.compile(r"127\.|0\.0\.0\.0$|::1?$|::ffff:127\.")
_SECONDS = 300
_NOT_AS_FOR_USERS = {*REPORTING_OFF, "CI", "GITHUB_ACTIONS"}  # some packages report nothing where code is tested


@dataclass(frozen=True)
class Watched:
    """What a process did: exit code, what it printed, whom it asked for and reached, which files it left at home."""

    code: int
    stdout: str
    stderr: str
    lookups: list[str]
    connections: list[str]
    left_at_home: set[str]


@functools.cache
def sees_compiled_libraries() -> bool:
    """Whether strace is installed and may trace here."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-f", "-qq", "-o", os.devnull, "true"], capture_output=True).returncode == 0


def watch(
    arguments: Sequence[object],
    folder: Path,
    *,
    until: Callable[[str], object] | None = None,
    **variables: str,
) -> Watched:
    """Run Python with `arguments`, at home in a new folder below `folder`.

    Args:
        arguments: Of the interpreter, e.g. "-m", "iics", ...
        folder: Where the process is run, and where home, temporary files and logs are.
        until: For a process that ends when it is asked to: called with its first line of output, then it is asked.
        variables: Added to the environment, which has none of those that stop reporting.
    """
    home, temporary, outward, calls = (folder / name for name in ("home", "temporary", "outward", "calls"))
    home.mkdir()
    temporary.mkdir()
    outward.touch()
    calls.touch()
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_AS_FOR_USERS and name[:4] != "XDG_"}
    environment = {
        **kept,
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parent / "nothing_outward"),
        "OUTWARD_LOG": str(outward),
        **variables,
    }
    tracing = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(calls)]
    command = [*(tracing if sees_compiled_libraries() else []), sys.executable, *(str(word) for word in arguments)]
    with (
        (folder / "stderr").open("w+") as errors,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        assert process.stdout is not None
        first = ""
        try:
            if until is not None:
                first = process.stdout.readline()
                until(first)
                os.killpg(process.pid, signal.SIGINT)  # to the process itself: strace keeps signals for itself
            rest, _ = process.communicate(timeout=_SECONDS)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    noted = [line.split("\t") for line in outward.read_text().splitlines()]
    asked, reached = _of_calls(calls.read_text(errors="replace"))
    return Watched(
        code=process.returncode,
        stdout=first + rest,
        stderr=(folder / "stderr").read_text(),
        lookups=[host for kind, host in noted if kind == "look-up"] + asked,
        connections=[host for kind, host in noted if kind == "connection"] + reached,
        left_at_home={path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()},
    )


def _of_calls(trace: str) -> tuple[list[str], list[str]]:
    """Return the name servers and the other machines that were called, from strace's lines."""
    asked, reached = [], []
    for line in trace.splitlines():
        address = _ADDRESS.search(line)
        if address is None:
            continue
        host = address[1] or address[2]
        if _NAME_SERVERS.search(line):  # also one on this machine, which asks others
            asked.append(f"name server {host}")
        elif not _HERE.match(host):
            reached.append(host)
    return asked, reached
