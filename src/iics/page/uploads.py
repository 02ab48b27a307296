"""Takes uploads in place of gradio: one file a request, counted by visitor, and gone after two minutes.

gradio keeps the parts of a request that was cut off, and a folder for each file, as long as it runs. Here a file too
many takes the place of the visitor's oldest one, or, when all visitors have too much, of the oldest one of whoever has
most. The folder that uploads lie in is locked while its process lives, and cleared by the next start if that was
killed. The field to drop a crop into is gradio's file field, changed on the object: gradio writes a stub file beside
the module of every subclass.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import gradio as gr
from filelock import FileLock, Timeout
from gradio_client.utils import strip_invalid_filename_characters
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from iics.errors import DataError
from iics.page.guard import Message, Receive, Send
from iics.page.query_picture import MAX_BYTES
from iics.page.visitors import VISITOR, Visitor

SECONDS_KEPT = 120
SECONDS_TO_SEND = 60
FILES_OF_ONE, BYTES_OF_ONE = 20, 50_000_000
FILES_OF_ALL, BYTES_OF_ALL = 400, 500_000_000
_PREFIX = "iics-page-"
_LOCK = "lock"
_NAME_LENGTH = 200


@dataclass(frozen=True)
class _File:
    path: Path
    visitor: str
    num_bytes: int
    taken_at: float


class Uploads:
    """The files that visitors sent, in a folder.

    Args:
        folder: Which; nothing else may write there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()
        self._files: list[_File] = []  # the oldest first

    async def receive(self, scope: Message, receive: Receive, send: Send) -> None:
        """Take the file of a request and answer with its path, as gradio does."""
        await (await self._answer(Request(scope, receive)))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(SECONDS_TO_SEND), request.form(max_files=1, max_fields=4) as form:
                file = form.get("files")
                if file is None or isinstance(file, str):
                    return Response("An upload is one file, in the field files.", 400)
                if (file.size or 0) > MAX_BYTES:
                    return Response(f"The file is too large: at most {MAX_BYTES / 1e6:.0f} MB are taken.", 413)
                name = strip_invalid_filename_characters(file.filename or "") or "upload"
                path = await asyncio.to_thread(self._keep, request.scope[VISITOR], name, file.file, file.size or 0)
        except (HTTPException, MultiPartException) as error:  # the second where nothing made it the first
            return Response(f"The upload cannot be read: {getattr(error, 'detail', error)}", 400)
        except TimeoutError:
            return Response(f"An upload may take {SECONDS_TO_SEND} s.", 408)
        except ClientDisconnect:
            return Response(status_code=400)
        except OSError as error:
            return Response(f"The upload cannot be kept: {error.strerror or error}.", 507)
        return JSONResponse([str(path)])

    def _keep(self, visitor: Visitor, name: str, content: IO[bytes], num_bytes: int) -> Path:
        path = self._folder / secrets.token_hex(16) / name
        with self._lock:
            self._make_room(visitor, num_bytes)
            self._files.append(_File(path, visitor.key, num_bytes, time.monotonic()))
        path.parent.mkdir(mode=0o700)
        with path.open("wb") as kept:
            shutil.copyfileobj(content, kept)
        return path

    def _make_room(self, visitor: Visitor, num_bytes: int) -> None:
        own = [file for file in self._files if file.visitor == visitor.key]
        while own and _is_too_much(own, num_bytes, FILES_OF_ONE * visitor.shares, BYTES_OF_ONE * visitor.shares):
            self._remove(own.pop(0))
        while self._files and _is_too_much(self._files, num_bytes, FILES_OF_ALL, BYTES_OF_ALL):
            bytes_of: Counter[str] = Counter()
            for file in self._files:
                bytes_of[file.visitor] += file.num_bytes + 1
            greediest = max(bytes_of, key=lambda key: bytes_of[key])
            self._remove(next(file for file in self._files if file.visitor == greediest))

    def remove_old(self) -> None:
        """Remove what has lain long enough."""
        with self._lock:
            for file in [file for file in self._files if time.monotonic() - file.taken_at > SECONDS_KEPT]:
                self._remove(file)

    def _remove(self, file: _File) -> None:
        self._files.remove(file)
        shutil.rmtree(file.path.parent, ignore_errors=True)

    @contextmanager
    def tidied(self) -> Iterator[None]:
        """Within the block, old files are removed every half minute."""
        is_over = threading.Event()

        def tidy() -> None:
            while not is_over.wait(30):
                self.remove_old()

        worker = threading.Thread(target=tidy, name="iics-page-uploads", daemon=True)
        worker.start()
        try:
            yield
        finally:
            is_over.set()
            worker.join()


def _is_too_much(files: list[_File], num_bytes: int, most_files: int, most_bytes: int) -> bool:
    return len(files) >= most_files or sum(file.num_bytes for file in files) + num_bytes > most_bytes


@contextmanager
def upload_folder() -> Iterator[Path]:
    """Yield a folder of this process alone, removed when the block ends; remove those of dead processes first."""
    remove_dead_folders(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # Locked under another name first: a folder whose lock can be seen is never without its holder.
        lock = FileLock(folder / f"{_LOCK}.new")
        with lock:
            (folder / f"{_LOCK}.new").rename(folder / _LOCK)
            (folder / "files").mkdir()
            yield folder / "files"


def remove_dead_folders(place: Path) -> None:
    """Remove the folders of uploads whose process is gone; those of other users and of living processes stay."""
    for folder in place.glob(f"{_PREFIX}*"):
        lock = folder / _LOCK
        try:
            if folder.is_symlink() or lock.is_symlink() or not lock.is_file() or not _is_own(folder):
                continue
            with FileLock(lock, timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
        except (Timeout, OSError):  # held by a page that lives, or just removed by one that starts as well
            continue


def _is_own(folder: Path) -> bool:
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()


@dataclass(frozen=True)
class Upload:
    """A file that a visitor sent.

    Attributes:
        name: What it was called: printable characters, at most 200.
        path: Where it lies; for two minutes, or less if the visitor sends many.
    """

    name: str
    path: Path

    def read(self) -> bytes:
        """Return its bytes.

        Raises:
            DataError: If it was removed while it waited.
        """
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise DataError(f"{self.name} has been removed meanwhile; drop it again.") from error


def crop_upload(**look: Any) -> gr.File:
    """Return a file field that hands on an `Upload`, or None, and takes no address of a file elsewhere."""
    field = gr.File(**look)
    field.preprocess = _read
    field.async_move_resource_to_block_cache = _stay
    return field


def _read(payload: Any) -> Upload | None:
    if payload is None:
        return None
    return Upload(_plain_name(payload.orig_name or Path(payload.path).name), Path(payload.path))


def _plain_name(name: str) -> str:
    """Return a name that fits into a line of text, whatever a program sent in place of a browser."""
    return "".join(character if character.isprintable() else "?" for character in name[:_NAME_LENGTH])


async def _stay(place: str | Path | None) -> str | None:
    """Leave an upload where it is; gradio would copy it, or fetch an address."""
    if place is not None and "://" in str(place):
        raise gr.Error("Only files are taken, no addresses.", print_exception=False)
    return None if place is None else str(place)
