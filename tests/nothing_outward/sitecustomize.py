"""Runs first in every Python process that has this folder on its path: ways off this machine are noted and refused.

Only Python's own sockets are seen; compiled libraries are watched from outside (`tests/watched_process.py`).
"""

import os
import sys

_LOOK_UPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")
_SENDS = ("socket.connect", "socket.sendto", "socket.sendmsg")
_HERE = ("", "None", "localhost", "::", "::1", "0.0.0.0")


def _refuse_what_leads_outward(event: str, arguments: tuple[object, ...]) -> None:
    if event in _LOOK_UPS:
        kind, place = "look-up", arguments[0]
    elif event in _SENDS:
        kind, place = "connection", arguments[1]
    else:
        return
    if isinstance(place, tuple):  # a host and a port; otherwise a name, or the path of a local socket
        place = place[0]
    elif kind == "connection":
        return
    host = place.decode(errors="replace") if isinstance(place, bytes) else str(place)
    if host in _HERE or host.startswith("127."):
        return
    with open(os.environ["OUTWARD_LOG"], "a", encoding="utf-8") as log:  # noqa: PTH123 - nothing more is imported here
        log.write(f"{kind}\t{host}\n")
    raise PermissionError(f"This test refuses a {kind} of {host}.")


sys.addaudithook(_refuse_what_leads_outward)
