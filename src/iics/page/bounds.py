"""How much a visitor may ask for at a time, and all together: requests, windows, searches that wait.

Who asks for more is answered 429 and may come again. A window is what gradio calls a session: its number is made up by
the browser, and gradio keeps the fields, the last answer and all answers that were not fetched of each. Here a window
belongs to the visitor who opened it, and a window too many takes the place of the visitor's oldest one. Uploads have
bounds of their own (uploads.py).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter, OrderedDict
from typing import Any
from urllib.parse import parse_qs

import gradio as gr
from starlette.responses import JSONResponse

from iics.page.guard import AsgiApp, Message, Receive, Send, is_upload
from iics.page.uploads import Uploads
from iics.page.visitors import VISITOR, Visitor

REQUESTS_OF_ONE, REQUESTS_OF_ALL = 32, 512
WINDOWS_OF_ONE, WINDOWS_OF_ALL = 12, 200
WAITING_IN_A_WINDOW, WAITING_OF_ONE, WAITING_OF_ALL = 8, 16, 192
_UNFETCHED_MESSAGES = 24
"""Three or so for each search: more are kept for nobody."""
_SECONDS_TO_SEND = 10
Refusal = tuple[int, str]


class Windows:
    """The windows of a page."""

    def __init__(self, page: gr.Blocks) -> None:
        self._page = page

    def waiting(self) -> Counter[str]:
        """Return how many requests of each window wait or are being answered."""
        return Counter(event.session_hash for event in self._page._queue.event_ids_to_events.values())

    def num_unfetched(self, window: str) -> int:
        """Return how many messages wait for a window to fetch them."""
        messages = self._page._queue.pending_messages_per_session.get(window)
        return 0 if messages is None else messages.qsize()

    def forget(self, window: str) -> None:
        """Drop a window's fields, its last answer and what it has not fetched."""
        queue, states = self._page._queue, self._page.state_holder
        queue.pending_messages_per_session.pop(window, None)
        queue.pending_event_ids_session.pop(window, None)
        with states.lock:
            states.session_data.pop(window, None)
            states.time_last_used.pop(window, None)


class Bounds:
    """ASGI application that counts, and passes on what is not too much."""

    def __init__(self, app: AsgiApp, uploads: Uploads, windows: Windows) -> None:
        self._app, self._uploads, self._windows = app, uploads, windows
        self._open_requests: Counter[str] = Counter()
        self._joining: Counter[str] = Counter()  # by window
        self._owners: OrderedDict[str, str] = OrderedDict()  # of windows; the one used longest ago first

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer or pass on a request."""
        visitor = scope.get(VISITOR)
        if visitor is None:  # the server's own start
            await self._app(scope, receive, send)
            return
        open_requests = self._open_requests
        if open_requests[visitor.key] >= REQUESTS_OF_ONE * visitor.shares or open_requests.total() >= REQUESTS_OF_ALL:
            await _refuse(send, scope, (429, "Too many requests at once."))
            return
        open_requests[visitor.key] += 1
        try:
            await self._pass_on(visitor, scope, receive, send)
        finally:
            open_requests[visitor.key] -= 1
            if not open_requests[visitor.key]:
                del open_requests[visitor.key]

    async def _pass_on(self, visitor: Visitor, scope: Message, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/")
        if is_upload(scope) and scope["method"] == "POST":
            await self._uploads.receive(scope, receive, send)
        elif path.endswith("/queue/join"):
            await self._join(visitor, scope, receive, send)
        elif self._owners.get(_window_of(path, scope), visitor.key) != visitor.key:
            await _refuse(send, scope, (403, "This window is another visitor's."))
        else:
            await self._app(scope, receive, send)

    async def _join(self, visitor: Visitor, scope: Message, receive: Receive, send: Send) -> None:
        """Pass on a request that waits for its turn, unless too many do."""
        body = await _body(receive)
        window = _window_in(body)
        if window is None:
            await _refuse(send, scope, (400, "A request names its window, session_hash, in JSON."))
            return
        refusal = self._refusal(visitor, window)
        if refusal is not None:
            await _refuse(send, scope, refusal)
            return
        self._owners[window] = visitor.key
        self._owners.move_to_end(window)
        self._joining[window] += 1
        try:
            await self._app(scope, _again(body, receive), send)
        finally:
            self._joining -= Counter([window])  # drops what comes to zero

    def _refusal(self, visitor: Visitor, window: str) -> Refusal | None:
        """Return why a search has to come later; make room for a new window."""
        if self._owners.get(window, visitor.key) != visitor.key:
            return 403, "This window is another visitor's."
        waiting = self._windows.waiting() + self._joining
        of_visitor = sum(count for name, count in waiting.items() if self._owners.get(name) == visitor.key)
        is_too_much = (
            waiting[window] >= WAITING_IN_A_WINDOW
            or of_visitor >= WAITING_OF_ONE * visitor.shares
            or waiting.total() >= WAITING_OF_ALL
            or self._windows.num_unfetched(window) >= _UNFETCHED_MESSAGES
        )
        if is_too_much:
            return 429, "Too many searches wait already; come again when they are answered."
        if window not in self._owners:
            own = [name for name, owner in self._owners.items() if owner == visitor.key]
            if len(own) >= WINDOWS_OF_ONE * visitor.shares:
                return self._forget_one_of(own, waiting)
            if len(self._owners) >= WINDOWS_OF_ALL:
                most = Counter(self._owners.values()).most_common(1)[0][0]
                return self._forget_one_of([name for name, owner in self._owners.items() if owner == most], waiting)
        return None

    def _forget_one_of(self, windows: list[str], waiting: Counter[str]) -> Refusal | None:
        idle = next((window for window in windows if not waiting[window]), None)
        if idle is None:
            return 429, "Too many windows are open."
        del self._owners[idle]
        self._windows.forget(idle)
        return None


def _window_of(path: str, scope: Message) -> str:
    """Return the window that a request reads from, "" if it reads from none."""
    heartbeat = re.search(r"/heartbeat/(\w+)$", path)
    if heartbeat:
        return heartbeat[1]
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("session_hash", [""])
    return asked[-1] if path.endswith("/queue/data") else ""


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(_SECONDS_TO_SEND):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        return b""


def _window_in(body: bytes) -> str | None:
    try:
        message: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    window = message.get("session_hash") if isinstance(message, dict) else None
    return window if isinstance(window, str) and re.fullmatch(r"\w{1,64}", window) else None


def _again(body: bytes, receive: Receive) -> Receive:
    """Return `receive` that gives a body that was read already, then what comes after it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return messages.pop() if messages else await receive()

    return receiving


async def _refuse(send: Send, scope: Message, refusal: Refusal) -> None:
    status, reason = refusal
    headers = {"retry-after": "5"} if status == 429 else {}

    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    await JSONResponse({"detail": reason}, status, headers)(scope, nothing, send)
