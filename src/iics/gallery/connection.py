"""Connection to a vector database: a folder ending in .db on this machine (milvus-lite), or a server's address.

pymilvus is imported when a gallery is opened, not before. Its errors become `GalleryError`.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iics.errors import GalleryError, WriteError
from iics.gallery import rows_in_memory as memory
from iics.gallery.folder_contents import check_contents, record_contents, remove_leftovers
from iics.home_folder import expanded

if TYPE_CHECKING:
    from pymilvus import MilvusClient

logger = logging.getLogger(__name__)
SECONDS_TO_CONNECT = 10.0
SECONDS_TO_ANSWER = 60.0
"""After this a server that does not answer, or comes back in vain, is given up."""
SECONDS_TO_LOAD = 600.0
"""For the first look into a folder: milvus-lite then reads all that is in it, 100,000 crops in 10 to 20 seconds."""
OLDEST_SERVER = (2, 3)
"""Version of a Milvus server from which collections keep properties and rows can be replaced."""
TOKEN_VARIABLE = "IICS_GALLERY_TOKEN"
"""Environment variable with user:password or the token of a server that asks for one; a command line would show it."""

_users_of_folder: Counter[str] = Counter()
_folders_lock = threading.Lock()


def is_server(uri: str) -> bool:
    """Return whether a gallery's address names a server rather than a folder."""
    return "://" in uri


def connect(uri: str, *, is_new: bool) -> MilvusClient:
    """Return a client of the database at `uri`.

    Several clients of one folder share it within a process; each must be given back to `disconnect`.

    Args:
        uri: A folder ending in .db, or a server's address, http://host:port.
        is_new: Whether a folder may be made.

    Raises:
        GalleryError: If pymilvus is not installed, the address is none, nobody answers there, another process holds
            the folder, or this machine cannot call itself.
    """
    try:
        import pymilvus  # noqa: F401 - that it is there
    except ImportError as error:
        raise GalleryError("Galleries need pymilvus; install it: pip install 'iics[gallery]'.") from error
    # It sets up handlers of its own when imported, and logs what it raises, which we say in one line.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    if is_server(uri):
        return _connect_to_server(uri, level=logging.INFO if is_new else logging.DEBUG)
    folder = checked_folder(uri, is_new=is_new)
    _check_loopback(uri)
    with _folders_lock, database_errors(f"Cannot open the gallery {uri}"):
        if not _users_of_folder[str(folder)] and folder.is_dir():
            with _held(folder):
                # Before milvus-lite opens the folder: it deletes files that a damaged manifest does not name.
                check_contents(folder)
                remove_leftovers(folder)
        if not _users_of_folder[str(folder)]:
            _forget_schemas()
        client = _client_of_folder(folder, is_first=not _users_of_folder[str(folder)])
        _users_of_folder[str(folder)] += 1
        return client


def _client_of_folder(folder: Path, *, is_first: bool) -> MilvusClient:
    """Return a client of a folder.

    Raises:
        GalleryError: If another process was quicker to open it, of which milvus-lite says only that it failed.
    """
    from pymilvus import MilvusClient
    from pymilvus.exceptions import MilvusException

    try:
        return MilvusClient(str(folder), **_client_options())
    except MilvusException:
        if is_first and folder.is_dir():
            with _held(folder):
                pass
        raise


def _connect_to_server(uri: str, *, level: int) -> MilvusClient:
    """Return a client of a server that is new enough, after telling its version at a level of the log."""
    from pymilvus import MilvusClient

    try:
        with database_errors(f"Cannot reach a Milvus server at {uri}"):
            client = MilvusClient(uri, token=os.environ.get(TOKEN_VARIABLE, ""), **_client_options())
            version = str(client.get_server_version(timeout=SECONDS_TO_CONNECT))
    except GalleryError as error:  # pymilvus says the same of a log-in that is wrong and of a server that is down
        raise GalleryError(f"{error} If it asks for a log-in, {TOKEN_VARIABLE} has to hold user:password.") from error
    try:
        check_server_version(version, uri)
    except GalleryError:
        client.close()
        raise
    logger.log(level, "%s is Milvus %s.", uri, version)
    return client


def disconnect(client: MilvusClient, uri: str) -> None:
    """Close a client; with the last one of a folder, free the folder for other processes."""
    client.close()
    if is_server(uri):
        return
    from milvus_lite.server_manager import server_manager_instance

    folder = str(expanded(uri).absolute())
    with _folders_lock:
        _users_of_folder[folder] -= 1
        if _users_of_folder[folder] <= 0:
            del _users_of_folder[folder]
            server_manager_instance.release_server(folder)
            with suppress(GalleryError, WriteError), _held(Path(folder)):  # who opens it next checks what there is
                record_contents(Path(folder))


def rows_in_memory(uri: str, collection: str) -> memory.RowsInMemory | None:
    """Return the rows of a collection that this process holds; None for a server's (`iics.gallery.rows_in_memory`)."""
    return None if is_server(uri) else memory.rows_in_memory(expanded(uri).absolute(), collection)


def _forget_schemas() -> None:
    """Forget the fields that pymilvus knows by address: a folder that was closed may have had the new one's port."""
    from pymilvus.client.cache import GlobalCache

    GlobalCache.schema.clear()


def _check_loopback(uri: str) -> None:
    """Refuse a machine that cannot call itself, as within `unshare -n`: milvus-lite is a server at 127.0.0.1.

    Raises:
        GalleryError: If it cannot.
    """
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=SECONDS_TO_CONNECT).close()
    except OSError as error:
        raise GalleryError(
            f"Cannot open the gallery {uri}: its database is a server on this machine, called at 127.0.0.1, and that "
            f"address does not answer ({error.strerror or error}). No network is needed, but the loopback interface "
            "is: ip link set lo up."
        ) from error


def checked_folder(uri: str, *, is_new: bool) -> Path:
    """Return the absolute folder of a gallery on this machine.

    Raises:
        GalleryError: If the name does not end in .db or is no Unicode, or there is none and none may be made.
    """
    folder = expanded(uri).absolute()
    if folder.suffix != ".db":
        raise GalleryError(
            f"{uri!r} is no gallery; name a folder ending in .db, or a Milvus server, e.g. http://127.0.0.1:19530."
        )
    if any("\ud800" <= letter <= "\udfff" for letter in str(folder)):  # milvus-lite would fail amid its work
        raise GalleryError(
            f"The gallery's folder {str(folder)!a} holds letters that this terminal's encoding does not know, and "
            "its database needs their names. Set a UTF-8 locale (LC_ALL=C.UTF-8), or choose a folder of plain letters."
        )
    if folder.is_file():
        raise GalleryError(f"{uri} is a file; a gallery is a folder. Choose another name.")
    if not is_new and not folder.is_dir():
        raise GalleryError(f"There is no gallery {uri}; `iics index {uri} CROPS --model MODEL` makes one.")
    if not folder.parent.is_dir():
        raise GalleryError(f"There is no folder {folder.parent} to make the gallery {folder.name} in.")
    return folder


def check_server_version(version: str, uri: str) -> None:
    """Refuse a Milvus server that is too old for galleries; milvus-lite and builds between versions are taken.

    Raises:
        GalleryError: If it is older than `OLDEST_SERVER`.
    """
    # Builds between versions have other names and pass: 2.3.0 calls itself v2.2-testing-...
    numbers = re.match(r"v?(\d+)\.(\d+)\.\d", version)
    if numbers is not None and (int(numbers[1]), int(numbers[2])) < OLDEST_SERVER:
        raise GalleryError(
            f"The server at {uri} is Milvus {version}; galleries need {'.'.join(map(str, OLDEST_SERVER))} or newer. "
            "Upgrade the server, or use a folder ending in .db."
        )


def seconds_to_look(uri: str) -> float:
    """Return how long to wait for the first answer."""
    return SECONDS_TO_CONNECT if is_server(uri) else SECONDS_TO_LOAD


@contextmanager
def database_errors(what: str) -> Iterator[None]:
    """Turn what pymilvus raises into a `GalleryError` that begins with `what`."""
    from grpc import Call, RpcError
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except MilvusException as error:
        reason = " ".join(str(error.message).split()).rstrip(".") or type(error).__name__
        raise GalleryError(f"{what}: {reason}.") from error
    except RpcError as error:  # pymilvus passes on what is late
        reason = error.details() if isinstance(error, Call) else str(error)
        raise GalleryError(f"{what}: {' '.join(str(reason).split()).rstrip('.')}.") from error
    except ValueError as error:  # an address that grpc cannot read
        raise GalleryError(f"{what}: {' '.join(str(error).split()).rstrip('.')}.") from error


def _client_options() -> dict[str, Any]:
    return {
        "timeout": SECONDS_TO_CONNECT,
        "dedicated": True,  # a shared channel to a server that was killed would fail the next client, too
        "grpc_options": {"grpc.keepalive_time_ms": 2**31 - 1},  # never: milvus-lite hangs up on who pings it when idle
    }


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder.

    Raises:
        GalleryError: If one has it open.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / "LOCK")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise GalleryError(
            f"Another process has the gallery {folder} open, and a folder serves one at a time. Wait for it, or let a "
            f"server share the folder: milvus-lite server --data-dir {folder} --port 19530, then name "
            "http://127.0.0.1:19530 as the gallery."
        ) from error
    except OSError as error:
        raise GalleryError(f"Cannot open the gallery {folder}: {error.strerror or error}.") from error
    try:
        yield
    finally:
        lock.release()
