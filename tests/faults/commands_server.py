"""Commands of iics, each in a forked process that is killed at a chosen moment: imports take seconds, forking none.

    python commands_server.py < orders > answers

An order is a line of JSON, `Order`; its answer a line of JSON, `Answer`. This process only imports and never computes,
so that a child may start its own threads and compiled kernels. A child ends by itself, by SIGKILL before the n-th
change of a file below `watched` (before it is opened for writing, renamed, removed, made), by SIGKILL when training
reports its n-th new phase, or by SIGKILL after some seconds.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iics.config import Settings

CHANGES = ("os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")
NEEDED_EARLY = ("iics.reports.report", "pymilvus", "milvus_lite", "cv2", "onnxruntime", "matplotlib", "PIL.Image")


@dataclass(frozen=True)
class Order:
    """One command, and when it is killed; by default never.

    Attributes:
        arguments: Of `iics`.
        folder: Where it runs, and where stdout.txt and stderr.txt of it are kept.
        watched: Below it, changes of files are counted.
        at_change: Number of the change of a file before which it is killed, from 1; 0 for none.
        at_phase: Number of the new phase of training at which it is killed, from 1; 0 for none.
        after_seconds: When it is killed; 0 for never.
        most_seconds: After which it counts as hanging.
        before: A line for the shell, run first, where this process sees its disks.
        has_tiny_runs: Whether the quick preset of `iics reproduce` is one of seconds.
    """

    arguments: list[str]
    folder: str
    watched: str = ""
    at_change: int = 0
    at_phase: int = 0
    after_seconds: float = 0
    most_seconds: float = 300
    before: str = ""
    has_tiny_runs: bool = False


@dataclass(frozen=True)
class Answer:
    """What became of a command.

    Attributes:
        code: Exit code, -9 if it was killed.
        hangs: Whether it did not end.
        seconds: How long it took.
        stdout: What it printed.
        stderr: What it told, with the traceback of an error that was not meant for the user.
        changes: Every change of a file, in order, up to the kill.
        phases: Every phase of training, likewise.
    """

    code: int
    hangs: bool
    seconds: float
    stdout: str
    stderr: str
    changes: list[str]
    phases: list[str]


def main() -> None:
    """Answer orders until there are none."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _import_everything()
    for line in sys.stdin:
        answers.write(json.dumps(asdict(_answer(Order(**json.loads(line))))) + "\n")
        answers.flush()


def _import_everything() -> None:
    import iics

    for module in pkgutil.walk_packages(iics.__path__, "iics."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in NEEDED_EARLY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()


def _answer(order: Order) -> Answer:
    if order.before:
        subprocess.run(order.before, shell=True, check=True)
    folder = Path(order.folder)
    told = [folder / name for name in ("stdout.txt", "stderr.txt", "moments.txt")]
    for file in told:
        file.unlink(missing_ok=True)
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _run(order, *told)
    code, hangs = _wait(child, started, order)
    moments = [line.split(" ", 1) for line in _read(told[2]).splitlines()]
    return Answer(
        code,
        hangs,
        round(time.monotonic() - started, 2),
        _read(told[0]),
        _read(told[1]),
        [what for kind, what in moments if kind == "change"],
        [what for kind, what in moments if kind == "phase"],
    )


def _read(file: Path) -> str:
    return file.read_text(errors="replace") if file.exists() else ""


def _wait(child: int, started: float, order: Order) -> tuple[int, bool]:
    """Return a child's exit code, and whether it had to be ended because it hung."""
    hangs = False
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), hangs
        seconds = time.monotonic() - started
        hangs = seconds > order.most_seconds
        if hangs or 0 < order.after_seconds <= seconds:
            os.kill(child, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), hangs
        time.sleep(0.005)


def _run(order: Order, stdout: Path, stderr: Path, moments: Path) -> None:
    """Run the command in this process, a child, and end it."""
    code = 1
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, file in ((1, stdout), (2, stderr)):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        faulthandler.enable()
        os.chdir(order.folder)
        told = os.open(moments, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        _kill_at_a_change(order, told)
        _kill_at_a_phase(order, told)
        if order.has_tiny_runs:
            _make_runs_tiny()
        from iics.cli import run

        code = run(order.arguments)
    except SystemExit as stopped:  # how the parser ends
        code = stopped.code if isinstance(stopped.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _kill_at_a_change(order: Order, told: int) -> None:
    seen = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        is_open = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if not is_open and event not in CHANGES:
            return
        paths = [os.fsdecode(argument) for argument in arguments[:2] if isinstance(argument, str | bytes | os.PathLike)]
        # What is removed by a number of its folder has no path: it counts.
        if not any(path.startswith(order.watched) for path in paths) and event not in ("os.remove", "os.rmdir"):
            return
        seen += 1
        names = ", ".join(os.path.relpath(path, order.watched) for path in paths)
        os.write(told, f"change {event} {names}\n".encode(errors="replace"))
        if seen == order.at_change:
            os.kill(os.getpid(), signal.SIGKILL)

    if order.watched:
        sys.addaudithook(count)


def _kill_at_a_phase(order: Order, told: int) -> None:
    from iics.cli import train

    show_progress, seen = train.training_display, []

    @contextlib.contextmanager
    def counted(*arguments: Any) -> Iterator[Any]:
        with show_progress(*arguments) as show:

            def count(event: Any) -> None:
                name = f"round {event.round_number} {event.phase}"
                if name not in seen:
                    seen.append(name)
                    os.write(told, f"phase {name}\n".encode())
                    if len(seen) == order.at_phase:
                        os.kill(os.getpid(), signal.SIGKILL)
                show(event)

            yield count

    train.training_display = counted


def _make_runs_tiny() -> None:
    from iics.paper import study

    quick_settings = study.quick_settings

    def tiny_settings(num_identities: int) -> Settings:
        quick = quick_settings(num_identities)
        stage1, stage2 = replace(quick.stage1, epochs=1), replace(quick.stage2, epochs=1)
        return replace(quick, model=replace(quick.model, height=64, width=32), stage1=stage1, stage2=stage2, rounds=1)

    study.quick_settings = tiny_settings


if __name__ == "__main__":
    main()
