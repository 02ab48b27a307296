"""Memory of the machine: what is free, what there is, and how freed memory is kept."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
_NEVER = -1
_HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"  # PyTorch's name

MEMINFO = Path("/proc/meminfo")
CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def free_memory(meminfo: Path = MEMINFO, container_limit: Path = CONTAINER_LIMIT) -> int | None:
    """Return bytes available without swapping, or None where the kernel does not tell.

    In a container, what its limit leaves beside what it uses; files it has read do not count, the kernel drops them.
    """
    free = _limited(_field(meminfo, "MemAvailable"), container_limit)
    used, statistics = container_limit.with_name("memory.current"), container_limit.with_name("memory.stat")
    limit = container_limit.read_text().strip() if container_limit.exists() else "max"
    if free is None or not limit.isdigit() or not (used.exists() and statistics.exists()):
        return free
    sizes = dict(line.split() for line in statistics.read_text().splitlines())
    files = int(sizes.get("file", 0)) - int(sizes.get("shmem", 0))  # files in memory cannot be dropped
    return max(0, min(free, int(limit) - (int(used.read_text()) - files)))


def free_on(device: torch.device) -> float:
    """Return bytes free on an accelerator that tells; infinite for the CPU and for others.

    What torch keeps for its next tensors is free, too.
    """
    if device.type != "cuda":
        return float("inf")
    import torch

    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return float(torch.cuda.mem_get_info(device)[0] + kept)


def total_memory(meminfo: Path = MEMINFO, container_limit: Path = CONTAINER_LIMIT) -> int | None:
    """Return the bytes of the machine, or of the container if it may use fewer; None where the kernel does not tell."""
    return _limited(_field(meminfo, "MemTotal"), container_limit)


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed memory for the next large array; return whether it does.

    As it comes, glibc hands every large temporary back to the kernel and asks for new, zeroed pages at the next
    operation. That slows code made of large temporaries several-fold; the price is that memory once used stays used.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return bool(mallopt and mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, _NEVER))


def ask_for_huge_pages() -> None:
    """Let torch ask the kernel for pages of 2 MB for large tensors. Call before the first tensor: torch looks once.

    A training step goes through more memory than the processor keeps addresses of pages of 4 kB for.
    """
    os.environ.setdefault(_HUGE_PAGES, "1")


def _field(meminfo: Path, name: str) -> int | None:
    if not meminfo.exists():
        return None
    for line in meminfo.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None


def _limited(amount: int | None, container_limit: Path) -> int | None:
    if amount is None or not container_limit.exists():
        return amount
    limit = container_limit.read_text().strip()  # "max" where there is none
    return min(amount, int(limit)) if limit.isdigit() else amount
