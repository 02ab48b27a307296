"""Time and peak memory."""

from __future__ import annotations

import mmap
import time

import numpy as np
import pytest

from iics.measure import measured, seconds_in_turn


def test_seconds_are_the_median_and_the_result_the_last():
    waits = iter([0.0, 0.3, 0.02])

    def work():
        wait = next(waits)
        time.sleep(wait)
        return wait

    found = measured(work, repeats=3)
    assert found.result == 0.02
    assert 0.02 <= found.seconds < 0.3


def test_preparation_runs_before_every_repeat_and_is_not_timed():
    prepared = []

    def prepare():
        time.sleep(0.2)
        prepared.append(1)

    assert measured(prepared.pop, repeats=2, before=prepare).seconds < 0.2
    assert prepared == []


@pytest.mark.skipif(measured(int).peak_bytes is None, reason="the kernel does not tell how much memory is held")
def test_peak_holds_what_was_allocated_and_freed_again():
    before = measured(int).peak_bytes

    def work():
        with mmap.mmap(-1, 320_000_000) as held:  # from the kernel: an array may reuse what the process has freed
            np.frombuffer(held, dtype=np.uint8)[:] = 1
            time.sleep(0.05)

    assert measured(work).peak_bytes - before > 250e6


def test_no_repeat_is_refused():
    with pytest.raises(ValueError, match="repeats must be at least 1, got 0"):
        measured(int, repeats=0)


def test_pieces_of_work_run_in_turn_after_a_first_run_that_does_not_count():
    done = []
    waits = {"slow": iter([0.3, 0.05, 0.2, 0.06]), "fast": iter([0.3, 0.0, 0.0, 0.01])}

    def work(name):
        done.append(name)
        time.sleep(next(waits[name]))

    found = seconds_in_turn({name: lambda name=name: work(name) for name in waits}, repeats=3)
    assert done == ["slow", "fast"] * 4
    assert 0.06 <= found["slow"] < 0.15
    assert found["fast"] < 0.05


def test_waiting_for_a_device_counts():
    assert seconds_in_turn({"some": int}, repeats=1, finish=lambda: time.sleep(0.05))["some"] >= 0.05


def test_no_repeat_in_turn_is_refused():
    with pytest.raises(ValueError, match="repeats must be at least 1, got 0"):
        seconds_in_turn({"some": int}, repeats=0)
