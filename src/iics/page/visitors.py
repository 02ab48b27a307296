"""Who sends a request: a log-in, a browser by its cookie, or, without a cookie, an address.

Bounds and turns are counted by visitor. A program that keeps no cookies is one visitor with all others of its address
that keep none, however often it connects; these share what several visitors may use.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any

from iics.page.guard import AsgiApp, Message, Receive, Send

VISITOR = "iics.visitor"
"""Where a request's scope holds its `Visitor`."""
_SHARES_OF_AN_ADDRESS = 8


@dataclass(frozen=True)
class Visitor:
    """Who sends a request.

    Attributes:
        key: What tells visitors apart; no secret.
        address: Where from, as far as it is known.
        user: Who logged in, "" where nobody has to.
        shares: How many visitors' bounds are theirs.
    """

    key: str
    address: str
    user: str = ""
    shares: int = 1


class Visitors:
    """ASGI application that notes in each request whose it is, on a page without a log-in."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self._cookies = SignedCookies("iics-visitor")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on; its answer brings a browser its cookie."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        address, key = address_of(scope), self._cookies.read(scope)
        scope[VISITOR] = (
            Visitor(f"{address} without a cookie", address, shares=_SHARES_OF_AN_ADDRESS)
            if key is None
            else Visitor(key, address)
        )
        await self._app(scope, receive, send if key else with_cookies(send, [self._cookies.new(scope)]))


class SignedCookies:
    """Cookies that say what we once said: a random name and its signature, valid until the process ends.

    Args:
        name: Of the cookie; each instance adds characters of its own, because browsers send a cookie to all ports.
    """

    def __init__(self, name: str) -> None:
        self._name = f"{name}-{secrets.token_hex(4)}"
        self._secret = secrets.token_bytes(32)

    def read(self, scope: Message) -> str | None:
        """Return the random name in a request's cookie; None if it has none of ours."""
        name, _, signature = cookies_of(scope).get(self._name, "").partition(".")
        return name if hmac.compare_digest(signature.encode(), self._signature(name).encode()) else None

    def new(self, scope: Message, *, seconds: int | None = None) -> str:
        """Return a header that sets a cookie with a new name; for `seconds`, or until the browser ends."""
        name = secrets.token_hex(8)
        return cookie_header(scope, self._name, f"{name}.{self._signature(name)}", seconds=seconds)

    def _signature(self, name: str) -> str:
        return hmac.new(self._secret, name.encode(), "sha256").hexdigest()


def address_of(scope: Message) -> str:
    """Return the address a request came from."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def cookies_of(scope: Message) -> dict[str, str]:
    """Return the cookies of a request; none if they cannot be read."""
    found: SimpleCookie = SimpleCookie()
    for name, value in scope["headers"]:
        if name == b"cookie":
            try:
                found.load(value.decode("latin-1"))
            except CookieError:
                return {}
    return {name: morsel.value for name, morsel in found.items()}


def cookie_header(scope: Message, name: str, value: str, *, seconds: int | None = None) -> str:
    """Return the header that sets a cookie which scripts cannot read and other sites' requests do not bring."""
    cookie: SimpleCookie = SimpleCookie({name: value})
    is_secure, age = scope.get("scheme") == "https", None if seconds is None else str(seconds)
    attributes = {"path": "/", "httponly": True, "samesite": "Strict", "secure": is_secure, "max-age": age}
    for attribute, wanted in attributes.items():
        if wanted:
            cookie[name][attribute] = wanted
    return cookie[name].OutputString()


def with_cookies(send: Send, cookies: list[str]) -> Send:
    """Return `send` that adds cookies to an answer."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours: list[Any] = [(b"set-cookie", cookie.encode("latin-1")) for cookie in cookies]
            message = {**message, "headers": [*message.get("headers", []), *ours]}
        await send(message)

    return sending
