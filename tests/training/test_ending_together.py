"""A process knows why the run is over: by a message, by silence, or by the end of the launcher."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from torch.distributed import HashStore

from iics.errors import TrainingError
from iics.training import ending_together as module
from iics.training.ending_together import Watch, is_lost_connection, launched_by_torchrun


class EndedError(Exception):
    pass


@pytest.fixture
def store():
    store = HashStore()
    store.set_timeout(timedelta(seconds=5))
    return store


@pytest.fixture
def make(store, monkeypatch):
    """Watches of several ranks over one store; ending raises instead."""

    def end(watch, reason):
        raise EndedError(reason)

    monkeypatch.setattr(Watch, "_end", end)
    return lambda rank, count=2: Watch(store, rank=rank, count=count, seconds_until_dead=0.2)


def test_a_reported_failure_reaches_the_others_and_not_its_own_process(make):
    failed, other = make(1), make(0)
    failed.report(TrainingError("The loss is nan."))
    assert failed._reason(silence=9) is None
    reason = other._reason(silence=9)
    assert reason.startswith("Process 1 on ")
    assert reason.endswith(" stopped: The loss is nan.")


def test_a_bug_is_reported_with_its_kind(make):
    make(1).report(ZeroDivisionError("division by zero"))
    assert make(0)._reason(silence=9).endswith(" stopped: ZeroDivisionError: division by zero")


def test_ctrl_c_is_reported(make):
    make(1).report(KeyboardInterrupt())
    assert make(0)._reason(silence=9).endswith(" stopped: KeyboardInterrupt")


def test_a_silent_process_counts_as_dead_and_one_that_speaks_or_has_finished_does_not(make, store):
    watch = make(0, count=4)
    for rank in (1, 2, 3):
        store.set(f"beat/{rank}", "1")
    store.set("beat/3", "finished")
    assert watch._reason(silence=0.1) is None
    time.sleep(0.15)
    store.set("beat/2", "2")
    assert watch._reason(silence=0.1).startswith("Process 1 was killed, or its machine was lost: it has been silent")


def test_a_process_that_has_not_started_yet_is_not_missed(make):
    assert make(0)._reason(silence=0) is None


def test_a_lost_connection_is_explained_by_what_another_process_reported(make):
    make(1).report(TrainingError("Out of luck."))
    with pytest.raises(EndedError, match=r"^Process 1 on .* stopped: Out of luck\.$"):
        make(0).report(RuntimeError("[gloo/transport/tcp/pair.cc:5] Connection closed by peer [127.0.0.1]:5"))


def test_a_lost_connection_without_a_reason_says_so(make, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS_TO_FIND_THE_REASON", 0.1)
    with pytest.raises(EndedError, match=r"^Another process was lost \(Connection reset by peer\)\.$"):
        make(0).report(RuntimeError("Connection reset by peer"))


def test_a_finished_watch_is_silent_for_good(make, store):
    make(1).finish()
    assert store.get("beat/1") == b"finished"


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        (RuntimeError("Connection closed by peer"), True),
        (RuntimeError("NCCL communicator was aborted"), True),
        (RuntimeError("CUDA out of memory"), False),
        (TrainingError("The socket of the lamp"), False),
        (ValueError("broken pipe"), False),
    ],
)
def test_errors_of_connections_are_told_from_others(error, is_lost):
    assert is_lost_connection(error) is is_lost


def test_one_process_is_not_launched_by_torchrun(monkeypatch):
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert not launched_by_torchrun()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert launched_by_torchrun()


# --- real processes


def torchrun(num_processes, *arguments):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={num_processes}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [*launcher, "-m", "iics", "train", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def workers_of(launcher):
    """Process ids of the launcher's children, by rank."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(launcher.pid)], capture_output=True, text=True, check=True
    )
    return sorted(int(pid) for pid in listed.stdout.split())


@pytest.mark.slow
def test_a_killed_process_ends_the_others_and_the_run_resumes_on_another_number(market_people, tiny_flags, tmp_path):
    out = tmp_path / "run"
    data = ["market-layout", "--data-dir", market_people, "--evaluate", "end"]
    process = torchrun(3, *data, "--out", out, *tiny_flags)
    seen = []
    for line in process.stderr:
        seen.append(line)
        if line.startswith("round 1/2  stage 2: features"):
            os.kill(workers_of(process)[1], signal.SIGKILL)
            break
    _, rest = process.communicate(timeout=120)
    printed = "".join(seen) + rest
    assert process.returncode != 0
    assert "iics: process 0 ends. Process 1 was killed, or its machine was lost" in printed
    assert "iics: process 2 ends. Process 1 was killed, or its machine was lost" in printed
    assert [file.name for file in (out / "checkpoints").iterdir()] == ["round-001-stage1.ckpt"]
    resumed = torchrun(2, "--resume", out)
    _, stderr = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, stderr
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize("ending", [Watch.finish, lambda watch: watch.report(TrainingError("nan"))])
def test_no_thread_is_left_in_the_store_when_the_process_ends(make, store, ending, monkeypatch):
    watch = make(0)
    looks = []

    def slowly(*, silence):  # as on a busy machine; Python would end beneath it and take the process down
        time.sleep(0.3)
        looks.append(silence)

    monkeypatch.setattr(module, "_SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(watch, "_reason", slowly)
    watch._thread.start()
    time.sleep(0.1)
    ending(watch)
    assert not watch._thread.is_alive()
    assert looks
