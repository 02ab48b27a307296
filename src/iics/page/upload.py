"""The place to drop a crop: gradio's file field, whose files are read once and never fetched from elsewhere.

The field's behaviour is changed on the object: gradio writes a stub file beside the module of every subclass.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

_NAME_LENGTH = 200

Move = Callable[[str | Path | None], Awaitable[str | None]]


@dataclass(frozen=True)
class Upload:
    """A file that a visitor sent.

    Attributes:
        name: What it was called: printable characters, at most 200.
        data: Its bytes.
    """

    name: str
    data: bytes


def crop_upload(**look: Any) -> gr.File:
    """Return a file field that hands on an `Upload`, or None, and takes no address of a file elsewhere.

    Args:
        look: What gradio's field takes.
    """
    field = gr.File(**look)
    field.preprocess = _read
    field.async_move_resource_to_block_cache = _files_only(field.async_move_resource_to_block_cache)
    return field


def _read(payload: Any) -> Upload | None:
    if payload is None:
        return None
    name = _plain_name(payload.orig_name or Path(payload.path).name)
    try:
        return Upload(name, Path(payload.path).read_bytes())
    except OSError:
        return Upload(name, b"")  # removed while it waited; refused as empty


def _plain_name(name: str) -> str:
    """Return a name that fits into a line of text, whatever a program sent in place of a browser."""
    return "".join(character if character.isprintable() else "?" for character in name[:_NAME_LENGTH])


def _files_only(move: Move) -> Move:
    """Return gradio's way of an upload into its folder, without that of fetching an address."""

    async def moved(place: str | Path | None) -> str | None:
        if place is not None and "://" in str(place):
            raise gr.Error("Only files are taken, no addresses.", print_exception=False)
        return await move(place)

    return moved
