"""Two builds beside each other: here this one, twice."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import two_builds
from benchmarks.two_builds import Row, in_turn, round_of

SMALL = ["--only=steps", "--networks", "resnet18", "--size", "32", "32", "--extracted=2", "--threads=1", "--repeats=2"]


def test_runs_take_turns_and_the_first_of_each_does_not_count():
    order = []

    def run(name, seconds):
        def once():
            order.append(name)
            return seconds.pop(0)

        return once

    assert in_turn([run("a", [9, 1, 2]), run("b", [9, 3, 4])], 2) == [[1, 2], [3, 4]]
    assert order == ["a", "b"] * 3


def test_a_row_tells_medians_and_how_many_times_as_fast():
    assert str(Row("step", [4.0, 8.0, 6.0], [2.0, 3.0, 9.0])) == (
        "| step | 6.000 (4.000 to 8.000) | 3.000 (2.000 to 9.000) | 2.00 |"
    )


@pytest.mark.slow
def test_both_builds_are_timed_in_processes_of_their_own(capsys, tmp_path):
    out = tmp_path / "two.json"
    two_builds.main(
        [sys.executable, sys.executable, *SMALL, "--precisions=float32", "--phases=features", f"--out={out}"]
    )
    (row,) = json.loads(out.read_text())["rows"]
    assert row["what"] == "resnet18 32x32, features, float32"
    assert len(row["old"]) == len(row["new"]) == 2
    assert capsys.readouterr().out.splitlines()[-1].startswith("| resnet18 32x32, features, float32 | ")


@pytest.mark.slow
def test_a_build_that_cannot_do_it_is_named(capfd):
    with (
        pytest.raises(SystemExit, match="gave up at prepare"),
        two_builds.working(Path(sys.executable), threads=1) as ask,
    ):
        ask(
            "prepare",
            phase="features",
            backbone="no such",
            height=32,
            width=32,
            precision="float32",
            threads=1,
            extracted=2,
        )
    assert "no such" in capfd.readouterr().err


def test_a_round_is_told_by_its_parts(monkeypatch):
    record = {
        "seconds": {"stage1": 5.0, "stage2": 6.0},
        "phases": {
            "stage1_features": {"seconds": 1.0},
            "stage2_features": {"seconds": 1.5},
            "stage1_cluster": {"seconds": 0.5},
            "stage2_train": {"seconds": 3.0},
        },
    }

    def train(command, **about):
        folder = Path(command[command.index("--out") + 1])
        folder.mkdir()
        (folder / "metrics.jsonl").write_text(f"{{}}\n{json.dumps(record)}\n")
        assert command[1:4] == ["-m", "iics", "train"]
        assert about["env"]["OMP_NUM_THREADS"] == "2"

    monkeypatch.setattr(two_builds.subprocess, "run", train)
    clock = iter([10.0, 30.0])
    monkeypatch.setattr(two_builds.time, "perf_counter", lambda: next(clock))
    found = round_of(Path("python"), threads=2, flags=[])
    assert found == {"features": 2.5, "labels": 0.5, "steps": 3.0, "start, evaluation, report": 9.0, "whole": 20.0}
