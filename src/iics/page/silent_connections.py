"""Connections that ask for nothing: how long one may last, and how many there may be.

The server, uvicorn, ends a connection that is idle after an answer, but waits without end for the first request of a
connection, for the rest of a head that was begun, and for somebody who takes nothing of an answer. Each holds a file
of the process, which has some thousand, and nobody has to log in for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any, Protocol

from iics.page.guesses import lane_of

SECONDS_OF_SILENCE = 60
"""As web servers commonly give a head; less may cut off honest programs on busy machines."""
MOST_SILENT = 384
"""Beside `iics.page.bounds.REQUESTS_OF_ALL`, fewer than the 1,024 files that a process has on most systems."""


class Connection(Protocol):
    """What is read of a connection of uvicorn."""

    transport: asyncio.Transport
    client: tuple[str, int] | None
    cycle: Any
    """The request it was last at, with `response_complete`; None before the first."""


class SilentConnections:
    """Ends connections that ask for nothing. All of it is called by the server's loop."""

    def __init__(self) -> None:
        self._since: dict[
            Connection, tuple[tuple[object, int], float]
        ] = {}  # what it was at, and since when; the oldest first
        self._is_looking = False

    def add(self, connection: Connection) -> None:
        """Keep an eye on a connection; if too many are silent, end the oldest of the address that has most."""
        self._since[connection] = (_state(connection), time.monotonic())
        if len(self._since) > MOST_SILENT:
            self._look()
            silent = [each for each in self._since if not _is_at_work(each)]
            if len(silent) > MOST_SILENT:
                most = Counter(map(_address, silent)).most_common(1)[0][0]
                self._end(next(each for each in silent if _address(each) == most))
        self._look_again()

    def _look_again(self) -> None:
        if self._since and not self._is_looking:
            self._is_looking = True
            asyncio.get_running_loop().call_later(1, self._looked)

    def _looked(self) -> None:
        self._is_looking = False
        self._look()
        self._look_again()

    def _look(self) -> None:
        """End what was silent for too long, and leave what has ended."""
        now = time.monotonic()
        for connection, (before, since) in list(self._since.items()):
            state = _state(connection)
            if connection.transport.is_closing() and not connection.transport.get_write_buffer_size():
                del self._since[connection]
            elif _is_at_work(connection) or state != before:
                self._since[connection] = (state, now)
            elif now - since > SECONDS_OF_SILENCE:
                self._end(connection)

    def _end(self, connection: Connection) -> None:
        del self._since[connection]
        connection.transport.abort()


def watch_connections(server: Any) -> None:
    """Let a running server of uvicorn end its connections that ask for nothing.

    uvicorn has no setting for this, and asks for its protocol class at each connection: it gets one that tells us.
    """
    silent, protocol = SilentConnections(), server.config.http_protocol_class

    class Watched(protocol):  # type: ignore[misc, valid-type]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            silent.add(self)

    server.config.http_protocol_class = Watched
    for connection in list(server.server_state.connections):  # came while the server started
        server.servers[0].get_loop().call_soon_threadsafe(silent.add, connection)


def _state(connection: Connection) -> tuple[object, int]:
    return connection.cycle, connection.transport.get_write_buffer_size()


def _is_at_work(connection: Connection) -> bool:
    """Return whether the page has to do something for it before it can go on."""
    is_answered = connection.cycle is None or connection.cycle.response_complete
    return not is_answered and not connection.transport.get_write_buffer_size()


def _address(connection: Connection) -> str:
    return lane_of(connection.client[0]) if connection.client else ""
