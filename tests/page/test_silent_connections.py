"""Connections that never finish asking are ended, and never keep others out. Real servers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

import pytest

pytest.importorskip("gradio", reason="the extra app is not installed")
import httpx
import uvicorn

from iics.page import silent_connections
from iics.page.silent_connections import MOST_SILENT, SECONDS_OF_SILENCE, watch_connections

pytestmark = pytest.mark.usefixtures("own_loop")
WHOLE_HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
LARGE = b"x" * 40_000_000


async def answer(scope, receive, send):
    """An application that answers with much to /large, after a while to /long, and at once to all others."""
    if scope["path"] == "/long":
        await asyncio.sleep(3)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": LARGE if scope["path"] == "/large" else b"here"})


def served(do):
    """Let `do(address)` visit a server of uvicorn that is watched, and return what it returns."""

    async def visiting():
        config = uvicorn.Config(answer, host="127.0.0.1", port=0, lifespan="off", log_level="error", ws="none")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve())
        while not server.started:
            await asyncio.sleep(0.01)
        watch_connections(server)
        try:
            return await asyncio.to_thread(do, server.servers[0].sockets[0].getsockname())
        finally:
            server.should_exit = server.force_exit = True
            await serving

    return asyncio.run(visiting())


def seconds_until_ended(address, first, *, then=b"", most=15.0):
    """Return after how long the server ends a connection that sends something, then more every 0.2 s."""
    begun = time.monotonic()
    with socket.create_connection(address) as connection, contextlib.suppress(ConnectionError):
        connection.settimeout(0.2)
        connection.sendall(first)
        while time.monotonic() - begun < most:
            connection.sendall(then)
            with contextlib.suppress(TimeoutError):
                if not connection.recv(1000):
                    break
    return time.monotonic() - begun


def bytes_until_ended(connection):
    """Return what a server sends until it ends a connection."""
    parts = []
    connection.settimeout(10)
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(1_000_000):
            parts.append(part)
    return b"".join(parts)


@pytest.fixture
def short_silence(monkeypatch):
    monkeypatch.setattr(silent_connections, "SECONDS_OF_SILENCE", 1)


@pytest.mark.parametrize(("first", "then"), [(b"", b""), (HALF_A_HEAD, b""), (HALF_A_HEAD, b"a")])
def test_a_connection_that_does_not_finish_asking_is_ended(short_silence, first, then):
    assert 1 <= served(lambda address: seconds_until_ended(address, first, then=then)) < 12


def test_half_a_head_after_an_answer_is_not_waited_for(short_silence):
    assert 1 <= served(lambda address: seconds_until_ended(address, WHOLE_HEAD + HALF_A_HEAD)) < 12


@pytest.mark.slow
def test_who_takes_nothing_of_an_answer_is_not_waited_for(short_silence):
    def visit(address):
        with socket.create_connection(address) as connection:
            connection.sendall(WHOLE_HEAD.replace(b"/", b"/large", 1))
            time.sleep(4)
            return len(bytes_until_ended(connection))

    assert served(visit) < len(LARGE)


@pytest.mark.slow
def test_an_answer_that_takes_longer_is_waited_for(short_silence):
    assert served(lambda address: httpx.get(f"http://127.0.0.1:{address[1]}/long").text) == "here"


@pytest.mark.slow
def test_a_connection_that_asks_now_and_then_goes_on(short_silence):
    def visit(address):
        with socket.create_connection(address, timeout=10) as connection:
            for _ in range(8):
                connection.sendall(WHOLE_HEAD)
                answered = b""
                while not answered.endswith(b"0\r\n\r\n"):
                    part = connection.recv(1000)
                    assert part, "it was ended"
                    answered += part
                time.sleep(0.5)

    served(visit)


def test_many_silent_connections_keep_nobody_out(pages):
    host, port = pages.locked.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(MOST_SILENT + 20)]
        for each in silent:
            with contextlib.suppress(ConnectionError):
                each.sendall(HALF_A_HEAD)
        assert httpx.get(f"{pages.locked}/login", timeout=10).status_code == 200
        assert is_ended(silent[0])
        assert not is_ended(silent[-1])


@pytest.mark.slow
def test_the_page_waits_for_a_head_only_so_long(pages):
    host, port = pages.locked.removeprefix("http://").split(":")
    seconds = seconds_until_ended((host, int(port)), HALF_A_HEAD, then=b"a", most=2 * SECONDS_OF_SILENCE)
    assert SECONDS_OF_SILENCE <= seconds < SECONDS_OF_SILENCE + 12


def is_ended(connection):
    connection.settimeout(1)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False
