"""Weights files that others made: read without pickle, renamed to timm's keys."""

from __future__ import annotations

import logging
import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from iics.errors import WeightsError
from iics.models.file_kinds import SAFETENSORS, foreign_kind
from iics.models.mobile_keys import to_timm_keys

logger = logging.getLogger(__name__)

_WRAPPED = ("module.", "_orig_mod.")
"""What DataParallel and AveragedModel, and torch.compile, put before names."""
_AVERAGED = "n_averaged"


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a `.safetensors`, `.pth`, `.pt` or `.tar` file, under timm's key names where known.

    A state dict may lie under "state_dict" or "model"; the prefixes of parallel, compiled and averaged networks are
    dropped. EfficientNet-Lite and MobileNetV2 are renamed. Nothing is unpickled but tensors and numbers.

    Raises:
        WeightsError: If the file is missing, corrupt, of another kind, holds no tensors, or numbers that are none.
    """
    file = Path(path)
    problem = file_problem(file)
    if problem is not None:
        raise WeightsError(problem)
    loaded = _loaded(file)
    for wrapper in ("state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            others = [name for name, value in loaded.items() if name != wrapper and is_state(value)]
            if others:
                logger.warning(
                    "%s: the weights under %r are taken, not those under %s.", file, wrapper, _listed(others)
                )
            loaded = loaded[wrapper]
    if not is_state(loaded):
        inside = [name for name, value in loaded.items() if is_state(value)] if isinstance(loaded, Mapping) else []
        way_out = (
            f" It has some under {_listed(inside)}: store one of them alone, as a file of its own." if inside else ""
        )
        raise WeightsError(f"{file} holds no state dict: needed are tensors by name.{way_out}")
    state = to_timm_keys({_plain_key(key): value for key, value in loaded.items() if key != _AVERAGED})
    check_finite(state, file)
    return state


def file_problem(file: Path) -> str | None:
    """Return why a file can hold no weights, by its first bytes; None if it may."""
    if not file.is_file():
        return f"No weights file at {file}; needed is a file, or `imagenet` or `none`."
    kind = foreign_kind(file)
    if kind is None or kind.has_tensors:
        return None
    return f"{file} is {kind.name}, which holds no weights by name. {kind.way_out(file)}"


def is_state(value: object) -> TypeGuard[Mapping[str, Tensor]]:
    """Return whether a value is a mapping of tensors by name, and not empty."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items())
    )


def _plain_key(key: str) -> str:
    """Return the name of a tensor without what PyTorch's wrappers of a network put before it."""
    while key.startswith(_WRAPPED):
        key = key.partition(".")[2]
    return key


def _listed(names: Sequence[object]) -> str:
    return ", ".join(map(repr, names))


def check_finite(state: Mapping[str, Tensor], file: Path) -> None:
    """Refuse weights that are not numbers, as a training that diverged leaves them.

    Raises:
        WeightsError: If a tensor holds NaN or an infinity.
    """
    for key, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise WeightsError(
                f"{file} holds NaN or infinite weights ({key}): its training diverged, or it is damaged. Its features "
                "would mean nothing; take an earlier checkpoint."
            )


def _loaded(file: Path) -> object:
    """Return what a file of tensors holds.

    Raises:
        WeightsError: If it cannot be read.
    """
    try:
        if file.suffix == ".safetensors" or foreign_kind(file) == SAFETENSORS:
            return load_file(file)
        with torch.serialization.safe_globals(_numpy_numbers()):
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own text advises to switch the protection off
        raise WeightsError(_unsafe_text(file, str(error))) from error
    except Exception as error:  # a damaged file makes torch's reader raise almost anything: KeyError, ValueError, ...
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise WeightsError(f"Cannot read weights from {file}, it is damaged: {reason}") from error


def _unsafe_text(file: Path, reason: str) -> str:
    """Return what to do about a file that more than tensors would have to be unpickled from."""
    named = re.search(r"GLOBAL ([\w.]+)", reason)
    asked = "It may be a network stored whole." if named is None else f"It asks for {named[1]}."
    return (
        f"Cannot read weights from {file}: it is damaged, or a pickle of more than tensors, which could run code when "
        f"loaded. {asked} Store its state dict alone, best as safetensors. Where you trust the file, and the program "
        "that wrote it is installed: network = torch.load(FILE, weights_only=False); torch.save(network.state_dict(), "
        "'weights.pth')."
    )


def _numpy_numbers() -> list[Any]:
    """Return what a number of numpy is unpickled with: checkpoints often keep a best score, and it holds no code."""
    rebuild = np.float64(0).__reduce__()[0]
    kinds = {type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64)}
    # Older files name the module in which numpy 1 had the function.
    return [np.dtype, *kinds, (rebuild, "numpy.core.multiarray.scalar"), (rebuild, "numpy._core.multiarray.scalar")]
