"""What a stage or a caller hands to a record, as JSON holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from iics.errors import TrainingError
from iics.runs.run_files import LARGEST


def recorded(measured: Any, *, by: str = "after_round") -> dict[str, Any]:
    """Return names and values of JSON.

    Args:
        measured: A mapping, or None for nothing. Arrays and tensors become lists or numbers; a number that is NaN,
            infinite or beyond `LARGEST` was not measured and becomes null.
        by: Who returned it, for messages: `after_round`, or a stage.

    Raises:
        TrainingError: If it is something else, or holds something that JSON does not.
    """
    if measured is None:
        return {}
    if not isinstance(measured, Mapping):
        raise TrainingError(
            f"{by} must return names and values, e.g. {{'mean_ap': 0.5}}, got {type(measured).__name__}."
        )
    return {str(name): _value(value, str(name), by) for name, value in measured.items()}


def _value(value: Any, name: str, by: str) -> Any:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().tolist()
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return value if abs(value) <= LARGEST else None  # NaN is not
    if isinstance(value, Mapping):
        return {str(key): _value(inner, f"{name}.{key}", by) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_value(inner, name, by) for inner in value]
    raise TrainingError(
        f"{by} returned {name} of type {type(value).__name__}, which a record cannot hold; return numbers, "
        "text, lists or mappings."
    )
