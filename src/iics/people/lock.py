"""One at a time changes a gallery's people, from however many machines: a row of the store says who.

Each puts down a row of its own and reads all: if another one has the lock, or wants it with a smaller token, it takes
its row back. Whoever is left marks its row as held and reads once more, since a smaller token may have come between; so
of two, never both go on, and sometimes neither, which tries again. The holder renews its row; one that was not renewed
for `SECONDS_TO_EXPIRE`, or whose process is seen to be gone, is taken away.
"""

from __future__ import annotations

import json
import logging
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from iics.errors import GalleryError, PeopleError
from iics.people.tables import Table

logger = logging.getLogger(__name__)
SECONDS_TO_EXPIRE = 300.0
SECONDS_TO_RENEW = 30.0
_PAUSE = 0.2
_KIND = "lock"
_held_here: set[str] = set()
"""Tokens of this process's threads: another one that bears its number is of a process that was killed."""


class Lock:
    """The right to change, held until `released`.

    Args:
        table: Where the rows are.
        token: Of this holder.
        what: What it does, for others to be told.
    """

    def __init__(self, table: Table, token: str, what: str) -> None:
        self._table, self.token, self._what = table, token, what
        _held_here.add(token)
        self._is_over = threading.Event()

    def put(self, state: str) -> None:
        """Write this one's row anew, with the time."""
        value = {
            "state": state,
            "what": self._what,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "renewed": time.time(),
        }
        self._table.write_texts({self.token: (_KIND, json.dumps(value))})

    def others(self) -> dict[str, dict[str, Any]]:
        """Return the rows of others by token."""
        return {
            token: json.loads(text) for token, text in self._table.texts_of_kind(_KIND).items() if token != self.token
        }

    def check(self) -> None:
        """Refuse to go on if the lock was taken away.

        Raises:
            PeopleError: If it was.
        """
        if not self._table.texts_of([self.token]):
            raise PeopleError(
                f"Another process took over while people were being {self._what} here, since the lock had not been renewed for "
                f"{SECONDS_TO_EXPIRE:.0f} seconds. Nothing was changed; give the command again."
            )

    def keep_renewing(self) -> None:
        """Renew the row until it is given back; run in a thread."""
        while not self._is_over.wait(SECONDS_TO_RENEW):
            try:
                if self._table.texts_of([self.token]):
                    self.put("held")
            except GalleryError:  # the next write tells it
                return

    def give_back(self) -> None:
        """Take the row back."""
        self._is_over.set()
        _held_here.discard(self.token)
        self._table.delete([self.token])


@contextmanager
def locked(table: Table, uri: str, what: str, *, is_shared: bool, patience: float) -> Iterator[Lock]:
    """Hold the lock within a block.

    Args:
        table: Where its rows are.
        uri: Of the gallery, for messages.
        what: What is done meanwhile: "corrected".
        is_shared: Whether other processes may have the database open.
        patience: Seconds to wait for others.

    Raises:
        PeopleError: If another one has it and keeps it.
    """
    lock = _acquired(table, uri, what, is_shared=is_shared, patience=patience)
    renewing = threading.Thread(target=lock.keep_renewing, daemon=True)
    renewing.start()
    try:
        yield lock
    finally:
        lock.give_back()
        renewing.join()


def _acquired(table: Table, uri: str, what: str, *, is_shared: bool, patience: float) -> Lock:
    deadline = time.monotonic() + patience
    while True:
        lock = Lock(table, f"lock/{uuid.uuid4().hex}", what)
        lock.put("wanted")
        try:
            living = _without_dead(table, lock.others(), is_shared=is_shared)
            if not any(other["state"] == "held" or token < lock.token for token, other in living.items()):
                lock.put("held")
                living = {token: other for token, other in lock.others().items() if token < lock.token}
                if not living:
                    return lock
        except BaseException:
            lock.give_back()
            raise
        lock.give_back()
        if time.monotonic() > deadline:
            _, other = min(living.items())
            raise PeopleError(
                f"The people of {uri} are being {other['what']} by process {other['process']} of {other['host']}; one "
                "at a time may change them. Wait for it, then give the command again."
            )
        time.sleep(_PAUSE * (1 + random.random()))


def _without_dead(table: Table, others: dict[str, dict[str, Any]], *, is_shared: bool) -> dict[str, dict[str, Any]]:
    """Return the rows of holders that may live, and delete the others."""
    dead = {token: other for token, other in others.items() if _is_dead(token, other, is_shared=is_shared)}
    for other in dead.values():
        logger.warning(
            "Process %s of %s was killed, or came to a stop, while these people were being %s; going on without it.",
            other["process"],
            other["host"],
            other["what"],
        )
    if dead:
        table.delete(list(dead))
    return {token: other for token, other in others.items() if token not in dead}


def _is_dead(token: str, other: dict[str, Any], *, is_shared: bool) -> bool:
    if token in _held_here:
        return False
    is_own = other["host"] == socket.gethostname() and other["process"] == os.getpid()
    if not is_shared or is_own or time.time() - other["renewed"] > SECONDS_TO_EXPIRE:
        return True  # a folder serves one process
    if other["host"] != socket.gethostname():
        return False
    try:
        os.kill(other["process"], 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is another user's
        return False
    return False
