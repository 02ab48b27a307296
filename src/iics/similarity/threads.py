"""Threads that numba and torch share: numba works with as many as torch, and leaves torch's number as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numba
import torch


@contextmanager
def torch_threads() -> Iterator[None]:
    """Run numba kernels with torch's number of threads.

    numba's OpenMP layer and torch share one OpenMP runtime. numba's first kernel sets that runtime's number of threads
    to all cores: a run limited to one thread would go on with more, give other last bits than a resumed one, and
    threads that wait for each other on a busy core slow it several-fold.
    """
    num_threads = torch.get_num_threads()
    numba.set_num_threads(min(num_threads, numba.config.NUMBA_NUM_THREADS))
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)
