"""Where the weights of a model come from: exactly which, and under which licence; a model file tells it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path

NOT_STATED = "not stated"
_LONGEST = 1000


@dataclass(frozen=True)
class WeightsOrigin:
    """The weights that training started from, or that a network of others has.

    Attributes:
        weights: Their name: of timm with its tag, of the hub, or of the file.
        source: Where they were had.
        sha256: Of the file they were in, 64 hexadecimal digits.
        licence: As timm, the hub or the package states it, and which of them.

    Raises:
        ValueError: If a value is no text, or a very long one.
    """

    weights: str
    source: str
    sha256: str
    licence: str = NOT_STATED

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str) or len(value) > _LONGEST:
                raise ValueError(f"{field.name} of the weights' origin must be a text, got {value!r:.80}")

    def __str__(self) -> str:
        return f"{self.weights} ({self.source}; SHA-256 {self.sha256[:16]}...). Licence: {self.licence}."


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
