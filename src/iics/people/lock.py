"""One at a time changes a gallery's people.

A folder serves one process, whose threads take turns. With a server, from however many machines, a row of the store
says who is at it. Each puts down a row of its own and reads all: if another one has the lock, or wants it with a
smaller token, it takes its row back. Whoever is left marks its row as held and reads once more, since a smaller token
may have come between; so of two, never both go on, and sometimes neither, which tries again. The holder renews its row;
one that was not renewed for `SECONDS_TO_EXPIRE`, or whose process is seen to be gone, is taken away.
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
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from iics.errors import GalleryError, PeopleError
from iics.people.tables import Table

logger = logging.getLogger(__name__)
SECONDS_TO_EXPIRE = 300.0
SECONDS_TO_RENEW = 30.0
_PAUSE = 0.2
_KIND = "lock"
_turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
"""By what the threads of this process change."""


class Lock:
    """The right to change, held until `give_back`.

    Args:
        table: Where the rows are.
        token: Of this holder.
        what: What it does, for others to be told.
    """

    def __init__(self, table: Table, token: str, what: str) -> None:
        self._table, self.token, self._what = table, token, what
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
                f"Another process took over while people were being {self._what} here, since the lock had not been "
                f"renewed for {SECONDS_TO_EXPIRE:.0f} seconds. Nothing was changed; give the command again."
            )

    def keep_renewing(self) -> None:
        """Renew the row until `stop_renewing`; run in a thread."""
        while not self._is_over.wait(SECONDS_TO_RENEW):
            try:
                if self._table.texts_of([self.token]):
                    self.put("held")
            except GalleryError:  # the next write tells it
                return

    def stop_renewing(self) -> None:
        """End `keep_renewing`."""
        self._is_over.set()

    def give_back(self) -> None:
        """Take the row back, once nobody renews it any more."""
        self._table.delete([self.token])


@contextmanager
def locked(table: Table, uri: str, what: str, *, is_shared: bool, patience: float) -> Iterator[Callable[[], None]]:
    """Hold the right to change within a block, and give what refuses to go on if it was taken away.

    Args:
        table: Where its rows are.
        uri: Of the gallery, for messages.
        what: What is done meanwhile: "corrected".
        is_shared: Whether other processes may have the database open.
        patience: Seconds to wait for others.

    Raises:
        PeopleError: If another one has it and keeps it.
    """
    turn = _turns[f"{uri} {table.name}"]
    if not turn.acquire(timeout=patience):
        raise PeopleError(f"The people of {uri} are being changed by another part of this program; try again.")
    try:
        if not is_shared:
            yield lambda: None
            return
        lock = _acquired(table, uri, what, patience=patience)
        renewing = threading.Thread(target=lock.keep_renewing, daemon=True)
        renewing.start()
        try:
            yield lock.check
        finally:
            lock.stop_renewing()
            renewing.join()  # or a row that is just being renewed would come back
            lock.give_back()
    finally:
        turn.release()


def _acquired(table: Table, uri: str, what: str, *, patience: float) -> Lock:
    deadline = time.monotonic() + patience
    while True:
        lock = Lock(table, f"lock/{uuid.uuid4().hex}", what)
        lock.put("wanted")
        try:
            living = _without_dead(table, lock.others())
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


def _without_dead(table: Table, others: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the rows of holders that may live, and delete the others."""
    dead = {token: other for token, other in others.items() if _is_dead(other)}
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


def _is_dead(other: dict[str, Any]) -> bool:
    if time.time() - other["renewed"] > SECONDS_TO_EXPIRE:
        return True
    if other["host"] != socket.gethostname():
        return False
    if other["process"] == os.getpid():
        return True  # its threads take turns: this one's number was a killed one's before
    try:
        os.kill(other["process"], 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is another user's
        return False
    return False
