"""Who may reach the page: anyone on this machine, or whoever knows user and password."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from iics.errors import SettingsError
from iics.regular_file import MOST_TEXT_BYTES, read_regular

PASSWORD_VARIABLE = "IICS_PASSWORD"
MIN_PASSWORD_LENGTH = 8
_SECONDS_AFTER_A_WRONG_PASSWORD = 1.0


@dataclass(frozen=True)
class Access:
    """Where the page listens, and whom it lets in.

    Attributes:
        host: Address or name to listen on.
        port: Port.
        user: Who may log in; "" if everybody on this machine is let in.
        password: Theirs.

    Raises:
        SettingsError: If the page would be open to others without a password, or the password is too short.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    user: str = ""
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise SettingsError(f"--port must be from 1 to 65535, got {self.port}.")
        if not self.is_local and not self.user:
            raise SettingsError(
                f"{self.host} can be reached from other machines, so the page needs a log-in: add --user NAME, and the "
                f"password in --password-file FILE or the environment variable {PASSWORD_VARIABLE}. Only 127.0.0.1, "
                "::1 and localhost do without."
            )
        if self.user and not self.password:
            raise SettingsError(
                f"--user needs a password: name a file that holds it with --password-file, or set {PASSWORD_VARIABLE}."
            )
        if self.password and not self.user:
            raise SettingsError("There is a password and nobody it belongs to; add --user NAME.")
        if self.user and len(self.password) < MIN_PASSWORD_LENGTH:
            raise SettingsError(
                f"The password has {len(self.password)} characters; it needs at least {MIN_PASSWORD_LENGTH}."
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the page."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def log_in(self) -> Callable[[str, str], Awaitable[bool]] | None:
        """Return what checks a log-in, in the same time whatever is wrong; None where none is asked for."""
        if not self.user:
            return None
        expected = [text.encode() for text in (self.user, self.password)]

        async def is_right(user: str, password: str) -> bool:
            given = [text.encode(errors="surrogatepass") for text in (user, password)]
            results = [hmac.compare_digest(*pair) for pair in zip(given, expected, strict=True)]
            if not all(results):
                await asyncio.sleep(
                    _SECONDS_AFTER_A_WRONG_PASSWORD
                )  # guesses take their time; other visitors do not wait
            return all(results)

        return is_right


def read_password(file: Path | None) -> str:
    """Return the password in a file, or in the environment if there is no file; "" if there is none.

    Raises:
        SettingsError: If the file cannot be read, or holds more or less than one line.
    """
    if file is None:
        return os.environ.get(PASSWORD_VARIABLE, "")
    try:
        text = read_regular(file, most_bytes=MOST_TEXT_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"Cannot read a password from {file}: {error}.") from error
    lines = text.splitlines()
    if len(lines) != 1 or not lines[0]:
        raise SettingsError(f"{file} must hold the password as its only line, it has {len(lines)} lines.")
    return lines[0]
