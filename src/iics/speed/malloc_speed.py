"""What it gives training on the CPU that freed memory is kept: a step with malloc as it comes and with malloc tuned.

glibc cannot be asked to forget what it was told, so each kind has a process of its own. Both live at once and work in
turn, never together.
"""

from __future__ import annotations

import multiprocessing
from contextlib import ExitStack
from functools import partial
from multiprocessing.connection import Connection

import torch

from iics.measure import seconds_in_turn
from iics.memory import keep_freed_memory
from iics.speed.training_speed import PhaseSpeed
from iics.speed.training_work import Phase, Workload, our_work, plain_work, training_context
from iics.training.engine import choose_engine

KEPT, AS_IT_COMES = "freed memory kept", "malloc as it comes"
OURS, PLAIN = "ours, aibn", "plain, aibn"


def compare_malloc(phase: Phase, workload: Workload, *, repeats: int = 3) -> PhaseSpeed:
    """Time a phase on the CPU, ours and plain, in two new processes; beside each, plain with the same malloc.

    Args:
        phase: Which.
        workload: What is computed.
        repeats: Times are the median of so many runs; each form runs once before.

    Raises:
        RuntimeError: If one of the processes ends early; its own message is on standard error.
    """
    spawned = multiprocessing.get_context("spawn")
    works, plain_of = {}, {}
    with ExitStack() as stack:
        for kind in (AS_IT_COMES, KEPT):
            near, far = spawned.Pipe()
            process = spawned.Process(target=serve, args=(far, phase, workload, kind == KEPT), daemon=True)
            process.start()
            far.close()
            stack.callback(process.join)
            stack.callback(near.close)  # ends the process, before it is waited for
            for form in (PLAIN, OURS):
                works[f"{form}, {kind}"] = partial(ask, near, form)
                plain_of[f"{form}, {kind}"] = f"{PLAIN}, {kind}"
        seconds = seconds_in_turn(works, repeats=repeats)
    return PhaseSpeed.from_seconds(phase, seconds, plain_of=plain_of, num_crops=workload.num_crops(phase))


def ask(connection: Connection, form: str) -> None:
    """Have the process at the other end do one run, and wait for it.

    Raises:
        RuntimeError: If it has ended.
    """
    try:
        connection.send(form)
        connection.recv()
    except (EOFError, OSError) as error:
        raise RuntimeError("A process that was to be timed has ended early.") from error


def serve(connection: Connection, phase: Phase, workload: Workload, keeps_freed_memory: bool) -> None:
    """Do what is asked for, form by form, until the other end is closed."""
    if keeps_freed_memory:
        keep_freed_memory()
    engine = choose_engine(workload.engine, backbone=workload.backbone, device=torch.device("cpu"))
    torch.set_num_threads(engine.num_threads)
    context = training_context(phase, workload, norm="aibn", engine=engine)
    works = {PLAIN: plain_work(phase, context), OURS: our_work(phase, context)}
    while True:
        try:
            form = connection.recv()
        except EOFError:
            return
        works[form]()
        connection.send(None)
