"""Malloc as it comes and malloc tuned, each in a process of its own."""

from __future__ import annotations

from multiprocessing import Pipe
from threading import Thread

import pytest

from iics.computing_settings import EngineSettings
from iics.speed import malloc_speed
from iics.speed.malloc_speed import OURS, PLAIN, ask, compare_malloc, serve
from iics.speed.training_work import Workload

SMALL = Workload(
    backbone="resnet18", height=32, width=32, num_extracted=3, engine=EngineSettings(precision="float32", threads=1)
)


@pytest.mark.parametrize("keeps", [True, False])
def test_runs_are_done_as_they_are_asked_for_until_nobody_asks(keeps, monkeypatch):
    tuned, done = [], []
    monkeypatch.setattr(malloc_speed, "keep_freed_memory", lambda: tuned.append(1))
    monkeypatch.setattr(malloc_speed, "plain_work", lambda *_: lambda: done.append(PLAIN))
    monkeypatch.setattr(malloc_speed, "our_work", lambda *_: lambda: done.append(OURS))
    near, far = Pipe()
    server = Thread(target=serve, args=(far, "features", SMALL, keeps))
    server.start()
    for form in (OURS, PLAIN, OURS):
        ask(near, form)
    assert done == [OURS, PLAIN, OURS]
    near.close()
    server.join(timeout=60)
    assert not server.is_alive()
    assert bool(tuned) == keeps


def test_a_process_that_ended_early_is_told():
    near, far = Pipe()
    far.close()
    with pytest.raises(RuntimeError, match=r"^A process that was to be timed has ended early\.$"):
        ask(near, OURS)


@pytest.mark.slow
def test_each_kind_of_malloc_is_timed_beside_its_plain_form():
    speed = compare_malloc("features", SMALL, repeats=1)
    assert [form.form for form in speed.forms] == [
        "plain, aibn, malloc as it comes",
        "ours, aibn, malloc as it comes",
        "plain, aibn, freed memory kept",
        "ours, aibn, freed memory kept",
    ]
    assert [form.times_plain for form in speed.forms][::2] == [1, 1]
    assert all(form.seconds > 0 for form in speed.forms)
