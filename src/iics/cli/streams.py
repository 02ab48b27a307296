"""Standard output and error as a process finds them: closed, cut off by `| head`, or unable to show every letter.

A command that cannot be read any more ends quietly, as others do; one whose output was closed from the start goes on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
from collections.abc import Callable, Sequence
from typing import TextIO

EXIT_CUT_OFF = 141
"""As a shell tells of a process that was ended by SIGPIPE."""
EXIT_USER_ERROR = 2
_STANDARD = (0, 1, 2)
_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT)


def exit_code(command: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Run a command on this process's streams and return its exit code.

    Raises:
        SystemExit: If the command ends so, e.g. after its help.
    """
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        _show_all_letters(stream)
    try:
        try:
            return command(arguments)
        finally:
            sys.stdout.flush()
    except SystemExit as stopped:
        if not isinstance(stopped.__context__, BrokenPipeError):
            raise
        return EXIT_CUT_OFF  # rich has met it, and has pointed the output to nothing
    except BrokenPipeError:
        cut_off = [number for number in _STANDARD[1:] if _is_cut_off(number)]
        if not cut_off:
            raise  # of some other pipe: a fault
        for number in cut_off:  # what is left in the buffers goes nowhere, and so does what is written at exit
            _point_to_nothing(number)
        return EXIT_CUT_OFF
    except OSError as error:
        if error.errno not in _DISK_IS_FULL:
            raise
        _point_to_nothing(1)
        print(f"iics: error: Cannot write {error.filename or 'the output'}: {error.strerror}.", file=sys.stderr)
        return EXIT_USER_ERROR


def _open_closed_streams() -> None:
    """Point standard streams that are closed to nothing: the next file opened would get their number."""
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            _point_to_nothing(number)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - a number, for as long as the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def _point_to_nothing(number: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    if nothing != number:
        os.dup2(nothing, number)
        os.close(nothing)


def _show_all_letters(stream: TextIO) -> None:
    """Have letters that a terminal cannot show, and bytes in names that are no letters, written by their number."""
    with contextlib.suppress(AttributeError):  # a stream that was put in place of the process's own
        stream.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]


def _is_cut_off(number: int) -> bool:
    """Return whether a standard stream is a pipe that nobody reads any more."""
    waiting = select.poll()
    waiting.register(number, select.POLLOUT)
    return any(event & select.POLLERR for _, event in waiting.poll(0))
