"""What stands before the page's server: only the addresses the page needs, only its own origin, only small requests.

gradio answers many more addresses than this page uses (files, proxies, recordings). They are refused here, so that
nothing but the page, its scripts, the upload and its events can be reached, whatever gradio adds.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_REQUEST_BYTES = 11_000_000
"""A picture of the largest size that is taken, and what a browser puts around it."""
MAX_MESSAGE_BYTES = 256_000
"""Of any other request: fields of a search, with the names of many cameras."""
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")

_NEEDED = re.compile(
    r"/(login|logout|config|theme\.css|favicon\.ico|robots\.txt)?/?|/(static|assets|svelte)/.*|"
    r"(/gradio_api)?/(info|app_id|startup-events|login_check|user|upload|queue/join|queue/data|reset|"
    r"cancel|heartbeat/\w+|theme\.css)/?"
)
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; object-src 'none'; frame-ancestors 'none'; form-action 'self'; base-uri 'self'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


class Guard:
    """ASGI application that passes what the page needs on to another.

    Args:
        app: Where requests go.
        names: Host names that the page answers to; None for any. A page on this machine that answered to any name could
            be read by other sites, whose names may be made to lead to this machine.
    """

    def __init__(self, app: AsgiApp, names: tuple[str, ...] | None) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer or pass on a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # the page opens no web sockets
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _answer(send, *refusal)
            return
        await self._app(scope, _limited(receive, _most_bytes(scope)), _with_headers(send))

    def _refusal(self, scope: Message) -> tuple[int, str] | None:
        """Return status and reason of a request that is not passed on."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if self._names is not None and re.sub(r":\d+$", "", host) not in self._names:
            return 421, f"This page answers to {', '.join(self._names)}."
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return 403, "This page takes requests from itself only."
        if not _NEEDED.fullmatch(scope["path"]):
            return 404, "There is nothing here."
        length = headers.get("content-length", "0")
        most = _most_bytes(scope)
        if not re.fullmatch("[0-9]{1,18}", length) or int(length) > most:
            return 413, f"Requests to this address have at most {most / 1e6:g} MB."
        return None


def is_upload(scope: Message) -> bool:
    """Return whether a request brings a file."""
    return str(scope["path"]).rstrip("/") in ("/upload", "/gradio_api/upload")


def _most_bytes(scope: Message) -> int:
    return MAX_REQUEST_BYTES if is_upload(scope) else MAX_MESSAGE_BYTES


def _limited(receive: Receive, most: int) -> Receive:
    """Return `receive` that ends a request whose body grows beyond the limit: not every request tells its length."""
    total = 0

    async def limited() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        return message if total <= most else {"type": "http.disconnect"}

    return limited


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = {name for name, _ in _HEADERS}
            kept = [(name, value) for name, value in message.get("headers", []) if name.lower() not in ours]
            message = {**message, "headers": kept + _HEADERS}
        await send(message)

    return sending


async def _answer(send: Send, status: int, reason: str) -> None:
    body = reason.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
