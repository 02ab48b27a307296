"""The place to drop a crop: gradio's file field, whose files are read when their turn comes, and never fetched.

The field's behaviour is changed on the object: gradio writes a stub file beside the module of every subclass.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from iics.errors import DataError

_NAME_LENGTH = 200


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
    """Return a file field that hands on an `Upload`, or None, and takes no address of a file elsewhere.

    Args:
        look: What gradio's field takes.
    """
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
