"""The place to drop a crop: gradio's file field, whose files are read once and never fetched from elsewhere.

The field's behaviour is changed on the object: gradio writes a stub file beside the module of every subclass.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

Move = Callable[[str | Path | None], Awaitable[str | None]]


@dataclass(frozen=True)
class Upload:
    """A file that a visitor sent.

    Attributes:
        name: What it was called.
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
    try:
        return Upload(payload.orig_name or Path(payload.path).name, Path(payload.path).read_bytes())
    except OSError:
        return Upload(payload.orig_name or "", b"")  # removed while it waited; refused as empty


def _files_only(move: Move) -> Move:
    """Return gradio's way of an upload into its folder, without that of fetching an address."""

    async def moved(place: str | Path | None) -> str | None:
        if place is not None and "://" in str(place):
            raise gr.Error("Only files are taken, no addresses.", print_exception=False)
        return await move(place)

    return moved
