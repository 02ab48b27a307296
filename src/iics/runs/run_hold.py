"""A run folder held by one process: two that wrote it at once would undo each other's work.

The lock ends with its process, however that ends. Beside it lies who took it, for whoever is refused.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from iics.atomic import remove_stale_temporaries, write_atomically
from iics.errors import RunFolderError, WriteError

logger = logging.getLogger(__name__)

LOCK, HOLDER = ".lock", ".held_by.json"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a run folder for writing within the block; what killed writers left half written is removed first.

    Raises:
        RunFolderError: If another process holds it.
        WriteError: If the folder cannot be written to.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RunFolderError(
            f"{folder} is being written by {_holder(folder)}. Wait until it is done, or stop it and go on with: iics "
            f"train --resume {folder}"
        ) from error
    except NotImplementedError:
        logger.warning("%s is on a file system without locks: see to it that one process alone writes there.", folder)
    except OSError as error:
        raise WriteError(f"Cannot write to {folder}: {error.strerror or error}.") from error
    try:
        for place in (folder, folder / "checkpoints", folder / "pseudo_labels"):
            remove_stale_temporaries(place)
        about = {"process": os.getpid(), "host": socket.gethostname(), "since": f"{datetime.now():%Y-%m-%d %H:%M:%S}"}
        write_atomically(folder / HOLDER, json.dumps(about) + "\n")
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def _holder(folder: Path) -> str:
    """Return who holds a folder, in words; a holder that just took it may not have said so yet."""
    try:
        about = json.loads((folder / HOLDER).read_bytes())
        return f"process {about['process']} on {about['host']}, since {about['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
