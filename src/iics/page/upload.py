"""The place to drop a crop: gradio's file field, whose files are read once and never fetched from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from iics.errors import DataError


@dataclass(frozen=True)
class Upload:
    """A file that a visitor sent.

    Attributes:
        name: What it was called.
        data: Its bytes.
    """

    name: str
    data: bytes


class CropUpload(gr.File):  # type: ignore[misc]
    """A file field that hands on bytes and takes no address of a file elsewhere."""

    is_template = True

    def preprocess(self, payload: Any) -> Upload | None:
        """Return the uploaded file."""
        if payload is None:
            return None
        try:
            return Upload(payload.orig_name or Path(payload.path).name, Path(payload.path).read_bytes())
        except OSError:
            return Upload(payload.orig_name or "", b"")  # removed while it waited; refused as empty

    async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
        """Refuse addresses, which gradio would fetch."""
        if url_or_file_path is not None and "://" in str(url_or_file_path):
            raise DataError("Only files are taken, no addresses.")
        moved: str | None = await super().async_move_resource_to_block_cache(url_or_file_path)
        return moved
