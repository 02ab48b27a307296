"""Kernels: how loops are compiled by numba, that they run on torch's number of threads, and what a fork leaves of it.

Compiled code is kept beside the source (or in the user's cache folder) and loaded by the next process: compiling
everything that a first round needs takes some twenty seconds. numba notices a change of the file that holds a kernel,
not of a file the kernel calls into, nor of this one: a kernel and what it calls live in one file, and who changes the
options below deletes the __pycache__ folders (`make clean`).

A process that is forked has none of its parent's threads. OpenMP does not know: torch waits for them without end, and
numba kills the process. So a forked process computes on one thread, as PyTorch's own data loaders do, and kernels run
as plain loops there once their parent has started numba's threads.
"""

from __future__ import annotations

import functools
import os
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
        parallel: Whether `numba.prange` spreads over threads. Call such kernels within `torch_threads`. They take
            two to four times as long to compile: for loops of some microseconds only, others take `on_each_thread`.
        fastmath: Liberties in floating-point arithmetic, as LLVM names them.
    """

    def decorate(function: Function) -> Function:
        compiled = _compiled(function, parallel=parallel, fastmath=fastmath)
        if not parallel:
            return compiled

        @functools.cache
        def alone() -> Any:
            return _compiled(_twin(function), parallel=False, fastmath=fastmath)

        @functools.wraps(compiled, updated=())
        def on_threads_that_exist(*arguments: Any) -> Any:
            return (alone() if _Fork.lost_numbas_threads else compiled)(*arguments)

        chosen: Any = on_threads_that_exist
        result: Function = chosen
        return result

    return decorate


def on_each_thread(function: Callable[..., None], *arguments: Any) -> None:
    """Call a kernel on as many threads as torch has; the lock of the interpreter does not stop it.

    Args:
        function: A kernel without `parallel`. Its last two arguments are the number of the thread, from 0, and how many
            there are; it does its share of the work: `range(thread, n, num_threads)`.
        arguments: The others.
    """
    num_threads = torch.get_num_threads()
    others = [_Fork.threads.submit(function, *arguments, thread, num_threads) for thread in range(1, num_threads)]
    try:
        function(*arguments, 0, num_threads)
    finally:
        for other in others:
            other.result()


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


class _Fork:
    """What forks have left of this process's threads.

    Attributes:
        lost_numbas_threads: Whether a process that this one was forked from had started them.
        threads: Of `on_each_thread`; they start when they are needed.
    """

    lost_numbas_threads = False
    threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="iics-kernel")

    @classmethod
    def settle(cls) -> None:
        """Keep a forked process to its one thread."""
        torch.set_num_threads(1)
        cls.threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="iics-kernel")
        cls.lost_numbas_threads = cls.lost_numbas_threads or _numbas_threads_are_started()


def _numbas_threads_are_started() -> bool:
    try:
        numba.threading_layer()
    except ValueError:  # how numba says that no parallel kernel has run
        return False
    return True


if hasattr(os, "register_at_fork"):  # where there is no fork, none has to be survived
    os.register_at_fork(after_in_child=_Fork.settle)


def _compiled(function: Function, *, parallel: bool, fastmath: frozenset[str]) -> Function:
    options: dict[str, Any] = {"parallel": parallel, "fastmath": set(fastmath), "nogil": True}
    try:
        compiled: Function = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba found no folder it may write to
        compiled = numba.njit(**options)(function)
    return compiled


def _twin(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same function under another name: numba keeps what it compiled by name, whatever the options."""
    twin = types.FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)
    twin.__module__, twin.__qualname__ = function.__module__, f"{function.__qualname__}_on_one_thread"
    return twin
