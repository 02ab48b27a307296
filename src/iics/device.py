"""Choosing the device to work on, by name."""

from __future__ import annotations

import os

from iics.errors import SettingsError


def choose_device(name: str) -> str:
    """Return the torch device called `name`; "auto" takes a GPU if there is one.

    Of several processes that torchrun started on one machine, each takes a GPU of its own.

    Raises:
        SettingsError: If it does not exist here.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and int(os.environ.get("LOCAL_WORLD_SIZE", "1")) > 1:
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(f"Device {name!r} cannot be used here ({reason}). Use auto or cpu.") from error
    return name
