"""A hash of an ONNX file, stored within the file: of all its bytes, with zeros in the place of the hash.

It is found without parsing the file, before onnxruntime opens it.
"""

from __future__ import annotations

import hashlib
import re

from iics.errors import ExportError

KEY = "contents"
"""Of the metadata."""
_NAME, _DIGITS = b"iics-contents-sha256:", 64
UNKNOWN = (_NAME + b"0" * _DIGITS).decode()
"""Value of the metadata before the hash is known."""
_HASH = re.compile(re.escape(_NAME) + rb"[0-9a-f]{%d}" % _DIGITS)


def with_own_hash(content: bytes) -> bytes:
    """Return an ONNX file whose metadata holds `UNKNOWN`, with its hash there."""
    return content.replace(UNKNOWN.encode(), _hash(content))


def check_own_hash(content: bytes, *, name: str) -> None:
    """Refuse an ONNX file that is not as it was written; one without a hash, of an older version, is taken.

    Raises:
        ExportError: If its hash is another.
    """
    found = _HASH.findall(content)
    if found and set(found) != {_hash(_HASH.sub(UNKNOWN.encode(), content))}:
        raise ExportError(
            f"{name} is not as iics export wrote it: a disk or a transfer damaged it, or another program rewrote it. "
            f"Export it again, or copy it anew. (A program that changes it on purpose has to remove the entry {KEY!r} "
            "of its metadata.)"
        )


def _hash(content: bytes) -> bytes:
    return _NAME + hashlib.sha256(content).hexdigest().encode()
