"""Who may reach the page: anyone on this machine, or whoever knows user and password."""

from __future__ import annotations

import hmac
import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from iics.errors import SettingsError
from iics.ranges import Range, check_ranges, number
from iics.regular_file import MOST_TEXT_BYTES, read_regular

PASSWORD_VARIABLE = "IICS_PASSWORD"
MIN_PASSWORD_LENGTH = 8
SESSION_HOURS: Range = number(0.01, 168)


@dataclass(frozen=True)
class Access:
    """Where the page listens, and whom it lets in.

    Attributes:
        host: Address or name to listen on.
        port: Port.
        user: Who may log in; "" if everybody on this machine is let in.
        password: Theirs.
        session_hours: After which a log-in ends.
        trusted_proxy: Address or network of the proxy whose word is taken for where a request came from
            (X-Forwarded-For) and how (X-Forwarded-Proto); "" to take nobody's.

    Raises:
        SettingsError: If the page would be open to others without a password, the password is too short, or another
            value makes no sense.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    user: str = ""
    password: str = field(default="", repr=False)
    session_hours: Annotated[float, SESSION_HOURS] = 12.0
    trusted_proxy: str = ""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")
        _check_proxy(self.trusted_proxy)
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

    def is_right(self, user: str, password: str) -> bool:
        """Return whether a log-in is right; it takes the same time whatever is wrong."""
        pairs = ((user, self.user), (password, self.password))
        results = [hmac.compare_digest(*(text.encode(errors="surrogatepass") for text in pair)) for pair in pairs]
        return bool(self.user) and all(results)


def _check_proxy(proxy: str) -> None:
    try:
        if proxy:
            ipaddress.ip_network(proxy)
    except ValueError as error:
        raise SettingsError(
            f"--trusted-proxy must be an address or a network, such as 127.0.0.1 or 10.0.0.0/8; {error}."
        ) from error


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
