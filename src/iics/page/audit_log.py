"""Who did what on the page, a line of JSON each: log-ins and refused ones, searches, marks. No pictures.

Lines are added and never changed. A full file makes room for a new one; so many older ones are kept, and no more. What
cannot be noted is not done.
"""

from __future__ import annotations

import datetime
import json
import os
import stat
import threading
from pathlib import Path

from iics.errors import WriteError
from iics.page.visitors import Visitor

MAX_BYTES = 10_000_000
FILES_KEPT = 10
"""The newest included."""

Entry = str | int | float | bool | None | list[str]


class AuditLog:
    """A file of lines of JSON; or none, which notes nothing.

    Args:
        file: Where; made with the first line, for its owner alone.

    Raises:
        WriteError: If it cannot be written to, or is no plain file.
    """

    def __init__(self, file: Path | None) -> None:
        self._file, self._lock = file, threading.Lock()
        self.note("start")

    def note(self, event: str, visitor: Visitor | None = None, **entries: Entry) -> None:
        """Add a line.

        Raises:
            WriteError: If it cannot be written.
        """
        if self._file is None:
            return
        who = {} if visitor is None else {"user": visitor.user, "visitor": visitor.key, "address": visitor.address}
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        # ASCII only: no character of a name can act on a terminal that shows the file; JSON itself keeps DEL.
        text = json.dumps({"at": now, "event": event, **who, **entries}).replace("\x7f", "\\u007f") + "\n"
        with self._lock:
            try:
                _make_room(self._file, len(text))
                _append(self._file, text.encode())
            except OSError as error:
                raise WriteError(f"Cannot write to the audit log {self._file}: {error.strerror or error}.") from error


def _make_room(file: Path, num_bytes: int) -> None:
    """Move a full file to FILE.1, FILE.1 to FILE.2, and so on; the oldest goes."""
    if not file.exists() or file.stat().st_size + num_bytes <= MAX_BYTES:
        return
    names = [file, *(file.with_name(f"{file.name}.{number}") for number in range(1, FILES_KEPT))]
    for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
        if newer.exists():
            newer.replace(older)


def _append(file: Path, line: bytes) -> None:
    # Without O_NONBLOCK a named pipe would be waited for without end.
    opened = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o600)
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise OSError("no plain file")
        size = os.fstat(opened).st_size
        if os.write(opened, line) != len(line):
            os.ftruncate(opened, size)  # half a line would spoil the next one
            raise OSError("the disk is full")
    finally:
        os.close(opened)
