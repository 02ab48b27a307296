"""A round's record as TensorBoard scalars."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def write_scalars(folder: Path, record: Mapping[str, Any]) -> None:
    """Append one round's numbers to the TensorBoard events in `folder`, at the round as step."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # tensorboard's own imports
        from torch.utils.tensorboard import SummaryWriter
    writer = SummaryWriter(str(folder))
    for name, value in flatten(record):
        writer.add_scalar(name, value, record["round"])
    writer.close()


def flatten(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers of a nested record under names joined by slashes."""
    for key, value in record.items():
        name = f"{prefix}/{key}" if prefix else key
        if isinstance(value, Mapping):
            yield from flatten(value, name)
        elif isinstance(value, int | float):
            yield name, float(value)
