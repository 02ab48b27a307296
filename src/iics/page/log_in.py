"""The log-in: nothing of the page, of gradio or of the gallery is served to whoever has not logged in.

A log-in ends after its hours, at log-out, and with the process; requests that are open then are cut off.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from iics.errors import WriteError
from iics.page.access import Access
from iics.page.audit_log import AuditLog
from iics.page.guard import AsgiApp, Message, Receive, Send
from iics.page.guesses import LONGEST_WAIT, Guesses, lane_of
from iics.page.match_view import template
from iics.page.visitors import VISITOR, SignedCookies, Visitor, address_of, cookie_header, cookies_of, with_cookies

logger = logging.getLogger(__name__)

LOG_INS_KEPT = 256
_MAX_FORM_BYTES = 4096
_SECONDS_TO_SEND = 10
_KNOWN_FOR = 90 * 86400
_STARTED = "/gradio_api/startup-events"
"""What gradio asks itself when it starts; the answer is true or false, whatever the page holds."""


@dataclass(frozen=True)
class _Session:
    visitor: Visitor
    ends_at: float


class LogIn:
    """ASGI application that asks for user and password before it passes anything on."""

    def __init__(self, app: AsgiApp, access: Access, audit: AuditLog) -> None:
        self._app, self._access, self._audit = app, access, audit
        self._guesses = Guesses()
        self._cookie = f"iics-log-in-{secrets.token_hex(4)}"
        self._known_browsers = SignedCookies("iics-known")
        self._sessions: dict[str, _Session] = {}  # the oldest first, by the digest of their cookie

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer or pass on a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, method = scope["path"].rstrip("/"), scope["method"]
        session = self._session(scope)
        if path == "/login" and method == "POST":
            answer, cookies = await self._log_in(scope, receive)
            await answer(scope, receive, with_cookies(send, cookies))
        elif session is None:
            await self._to_a_stranger(scope, receive, send, path)
        elif path == "/logout":
            self._sessions.pop(_digest(cookies_of(scope)[self._cookie]), None)
            self._audit.note("log-out", session.visitor)
            await RedirectResponse("./", 303)(scope, receive, send)
        elif path == "/login":
            await RedirectResponse("./", 303)(scope, receive, send)
        else:
            scope[VISITOR] = session.visitor
            await _until(session.ends_at, self._app, scope, receive, send)

    def _session(self, scope: Message) -> _Session | None:
        now = time.monotonic()
        for digest in [digest for digest, session in self._sessions.items() if session.ends_at <= now]:
            self._sessions.pop(digest, None)
        return self._sessions.get(_digest(cookies_of(scope).get(self._cookie, "")))

    async def _to_a_stranger(self, scope: Message, receive: Receive, send: Send, path: str) -> None:
        if path in ("", "/login"):
            await _form()(scope, receive, send)
        elif path == _STARTED:
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse("Log in first.", 401)(scope, receive, send)

    async def _log_in(self, scope: Message, receive: Receive) -> tuple[Response, list[str]]:
        """Return the answer to user and password, and the cookies it brings."""
        is_browser = "text/html" in Request(scope).headers.get("accept", "")
        given = await _user_and_password(Request(scope, receive))
        if given is None:
            return PlainTextResponse("A log-in is a form with username and password.", 400), []
        known = self._known_browsers.read(scope)
        address = address_of(scope)
        lane = lane_of(address) if known is None else known
        answer = await self._guesses.check(lane, lambda: self._access.is_right(*given), is_known=known is not None)
        try:
            if answer == "right":
                return self._let_in(scope, address, is_browser)
            if answer == "wrong":  # refused ones are not checked, and would fill the log
                logger.warning("A log-in from %s failed.", address)
                is_user = given[0] == self._access.user  # other names are not noted: passwords are typed there as well
                self._audit.note("log-in failed", address=address, user=self._access.user if is_user else "another")
        except WriteError as error:
            logger.error("%s", error)
            return PlainTextResponse("Nobody can log in: the audit log cannot be written.", 503), []
        status = 400 if answer == "wrong" else 429
        reason = "Incorrect credentials." if answer == "wrong" else "Too many tries; wait and try again."
        reply = _form(reason, status) if is_browser else JSONResponse({"detail": reason}, status)
        if answer == "refused":
            reply.headers["retry-after"] = f"{LONGEST_WAIT:.0f}"
        return reply, []

    def _let_in(self, scope: Message, address: str, is_browser: bool) -> tuple[Response, list[str]]:
        token, seconds = secrets.token_urlsafe(32), round(self._access.session_hours * 3600)
        visitor = Visitor(secrets.token_hex(8), address, user=self._access.user)
        self._audit.note("log-in", visitor)
        while len(self._sessions) >= LOG_INS_KEPT:
            self._sessions.pop(next(iter(self._sessions)))
        self._sessions[_digest(token)] = _Session(visitor, time.monotonic() + seconds)
        cookies = [
            cookie_header(scope, self._cookie, token, seconds=seconds),
            self._known_browsers.new(scope, seconds=_KNOWN_FOR),
        ]
        return RedirectResponse("./", 303) if is_browser else JSONResponse({"success": True}), cookies


def _form(reason: str = "", status: int = 200) -> Response:
    return HTMLResponse(template("log_in.html").render(reason=reason), status)


def _digest(token: str) -> str:
    # Looked up by its digest: how long a look-up takes says nothing of the tokens there are.
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


async def _user_and_password(request: Request) -> tuple[str, str] | None:
    """Return what a form holds, sent as browsers send it; None if it is none, or long, or slow."""
    body = b""
    try:
        async with asyncio.timeout(_SECONDS_TO_SEND):
            async for part in request.stream():
                body += part
                if len(body) > _MAX_FORM_BYTES:
                    return None
    except (TimeoutError, ClientDisconnect):
        return None
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=16, errors="surrogateescape")
    except ValueError:
        return None
    user, password = fields.get("username"), fields.get("password")
    return None if user is None or password is None else (user[0].strip(), password[0])


async def _until(moment: float, app: AsgiApp, scope: Message, receive: Receive, send: Send) -> None:
    """Pass a request on, and cut it off at a moment."""
    timeout = asyncio.timeout(max(0.0, moment - time.monotonic()))
    try:
        async with timeout:
            await app(scope, receive, send)
    except TimeoutError:
        if not timeout.expired():
            raise
