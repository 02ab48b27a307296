"""Kernels: how loops are compiled by numba, and that they run on torch's number of threads.

Compiled code is kept beside the source (or in the user's cache folder) and loaded by the next process: compiling
everything that pseudo-labels need takes about ten seconds. numba notices a change of the file that holds a kernel, not
of a file the kernel calls into, nor of this one: a kernel and what it calls live in one file, and who changes the
options below deletes the __pycache__ folders (`make clean`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numba
import torch

Function = TypeVar("Function", bound=Callable[..., Any])

REORDERED = frozenset({"reassoc", "nsz", "nnan"})
"""What a sum or a minimum must allow to be computed many elements at a time; its input must hold no NaN."""


def kernel(*, parallel: bool = False, fastmath: frozenset[str] = frozenset()) -> Callable[[Function], Function]:
    """Return a decorator that compiles a function on its first call; it runs without the interpreter's lock.

    Args:
        parallel: Whether `numba.prange` spreads over threads. Call such kernels within `torch_threads`.
        fastmath: Liberties in floating-point arithmetic, as LLVM names them.
    """

    def decorate(function: Function) -> Function:
        options: dict[str, Any] = {"parallel": parallel, "fastmath": set(fastmath), "nogil": True}
        try:
            compiled: Function = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # numba found no folder it may write to
            compiled = numba.njit(**options)(function)
        return compiled

    return decorate


@contextmanager
def torch_threads() -> Iterator[int]:
    """Run parallel kernels with torch's number of threads, which is returned.

    numba's OpenMP layer and torch share one OpenMP runtime. numba's first kernel sets that runtime's number of threads
    to all cores: a run limited to one thread would go on with more, give other last bits than a resumed one, and
    threads that wait for each other on a busy core slow it several-fold.
    """
    torchs_threads = torch.get_num_threads()
    num_threads = min(torchs_threads, numba.config.NUMBA_NUM_THREADS)
    numba.set_num_threads(num_threads)
    try:
        yield num_threads
    finally:
        torch.set_num_threads(torchs_threads)
