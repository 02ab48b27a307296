"""Choosing the device to work on, by name, with whom the machine is shared, and what is sent there without waiting."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from iics.errors import SettingsError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def choose_device(name: str) -> str:
    """Return the torch device called `name`; "auto" takes a GPU if there is one.

    Of several processes that torchrun started on one machine, each takes a GPU of its own.

    Raises:
        SettingsError: If it does not exist here.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and processes_here() > 1:
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    try:
        torch.ones((), device=name).item()  # meta makes tensors that hold nothing
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(f"Device {name!r} cannot be used here ({reason}). Use auto or cpu.") from error
    return name


def may_have_gpu() -> bool:
    """Return whether torch might find a GPU, without asking it; False only where there is no driver of one."""
    drivers = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # NVIDIA, WSL, AMD
    return sys.platform != "linux" or any(Path(driver).exists() for driver in drivers)


def processes_here() -> int:
    """Return how many processes torchrun started on this machine; 1 without it."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the CPU on a device; a GPU gets it in its turn, and nobody waits for what it has to do before.

    From memory that may be paged out the copy would wait, hence the pinned one; torch keeps it until it was read.
    """
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done what it was told to; others are done already."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)
