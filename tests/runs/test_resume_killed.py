"""Real processes, really killed: what is left resumes to the result of a run that nobody disturbed."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from iics import cli
from iics.models.reid_model import load_model


@dataclass(frozen=True)
class Stopped:
    exit_code: int
    stderr: str
    checkpoints: list[str]


@pytest.fixture(scope="module")
def iics_process(market_people, tiny_flags):
    """Start `python -m iics train` in a process of its own, with plain progress lines on standard error."""

    def start(*arguments):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "iics", "train", *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    return start


@pytest.fixture(scope="module")
def train_arguments(market_people, tiny_flags):
    def make(out):
        return ["market-layout", "--data-dir", market_people, "--out", out, "--evaluate", "end", *tiny_flags]

    return make


@pytest.fixture(scope="module")
def undisturbed(train_arguments, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    assert cli.run(["train", *map(str, train_arguments(out))]) == 0
    return out


def stop_after(process: subprocess.Popen, line_start: str, stop_signal: signal.Signals, out: Path) -> Stopped:
    """Read standard error up to a line, then stop the process."""
    seen = []
    for line in process.stderr:
        seen.append(line)
        if line.startswith(line_start):
            process.send_signal(stop_signal)
            break
    _, rest = process.communicate()
    checkpoints = sorted(file.name for file in (out / "checkpoints").glob("*.ckpt"))
    return Stopped(process.returncode, "".join(seen) + (rest or ""), checkpoints)


KILLS = [
    pytest.param("round 1/2  stage 1: features", [], id="in stage 1 of round 1", marks=pytest.mark.slow),
    pytest.param(
        "round 1/2  stage 2: features",
        ["round-001-stage1.ckpt"],
        id="in stage 2 of round 1",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        "round 2/2  stage 1: features",
        ["round-001-stage1.ckpt", "round-001-stage2.ckpt"],
        id="in stage 1 of round 2",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        "round 2/2  stage 2: features",
        ["round-001-stage2.ckpt", "round-002-stage1.ckpt"],
        id="in stage 2 of round 2",
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize(("line_start", "checkpoints"), KILLS)
def test_killed_run_resumes_to_the_undisturbed_result(
    iics_process,
    train_arguments,
    undisturbed,
    tmp_path,
    line_start,
    checkpoints,
    read_metrics,
    without_seconds,
    same_weights,
    read_events,
):
    out = tmp_path / "run"
    killed = stop_after(iics_process(*train_arguments(out)), line_start, signal.SIGKILL, out)
    assert killed.exit_code == -signal.SIGKILL, killed.stderr
    assert killed.checkpoints == checkpoints
    resumed = iics_process("--resume", out)
    _, stderr = resumed.communicate()
    assert resumed.returncode == 0, stderr
    assert without_seconds(read_metrics(out)) == without_seconds(read_metrics(undisturbed))
    assert [scalar.step for scalar in read_events(out).Scalars("round")] == [0, 1, 2]
    assert same_weights(out, undisturbed)


@pytest.mark.slow
def test_killed_supervised_run_resumes_to_the_undisturbed_result(
    iics_process, train_arguments, tmp_path, read_metrics, without_seconds, same_weights
):
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "run"
    flags = ["--supervised", "--supervised.epochs=2", "--supervised.identities-per-batch=4"]
    process = iics_process(*train_arguments(undisturbed), *flags)
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    killed = stop_after(
        iics_process(*train_arguments(out), *flags), "round 2/2  supervised: train", signal.SIGKILL, out
    )
    assert killed.exit_code == -signal.SIGKILL, killed.stderr
    assert "round-001-supervised.ckpt" in killed.checkpoints
    resumed = iics_process("--resume", out)
    _, stderr = resumed.communicate()
    assert resumed.returncode == 0, stderr
    assert without_seconds(read_metrics(out)) == without_seconds(read_metrics(undisturbed))
    assert same_weights(out, undisturbed)


def test_ctrl_c_exits_with_130_says_how_to_go_on_and_leaves_a_model(iics_process, train_arguments, tmp_path):
    out = tmp_path / "run"
    process = iics_process(*train_arguments(out))
    stopped = stop_after(process, "round 1/2  stage 1: train", signal.SIGINT, out)
    assert stopped.exit_code == 130
    assert f"Stopped. {out} holds the model so far; go on with: iics train --resume {out}\n" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    load_model(out / "model.safetensors")
