"""The GPU check, with the CPU as the device."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import PackageNotFoundError

import pytest
import torch

from benchmarks import from_source, gpu, gpu_parts

CPU = torch.device("cpu")
TINY = replace(gpu_parts.QUICK, labelled=((60, 3, 30),), rounds=2, trained=40)


@pytest.mark.slow
def test_labels_are_timed_at_each_size():
    (row,) = gpu_parts.labels(CPU, TINY)
    assert (row["crops"], row["scores"], row["clusters"]) == (60, 30, 3)
    assert row["whole, s"] >= 0


@pytest.mark.slow
def test_phases_of_a_network_are_timed_in_either_precision(monkeypatch):
    monkeypatch.setattr(gpu_parts, "NETWORKS", (("resnet18", 32, 32),))
    rows = gpu_parts.phases(CPU, replace(TINY, num_steps=2))
    phases = ["stage1", "stage2", "features"]
    assert [(row["precision"], row["phase"]) for row in rows] == [
        (precision, phase) for precision in ("float32", "bf16") for phase in phases
    ]
    first = rows[0]
    assert first["crops/s"] == pytest.approx(2 * 8 / first["ms a run"] * 1e3, rel=0.2)  # both are rounded


@pytest.mark.slow
def test_a_run_whose_time_is_up_ends_after_the_round_at_work_and_tells_it():
    rows = gpu_parts.sample_run(CPU, TINY, weights="random", ends_at=time.monotonic() - 1)
    assert [row["round"] for row in rows] == [0, "of 2; time was up", "50 mAP not seen, weights none"]
    assert 0 < rows[0]["mAP"] < 50


def test_parts_are_written_as_they_are_done(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(gpu_parts, "labels", lambda device, size: [{"crops": 7}, {"crops": 8, "more": 1}])
    out = tmp_path / "new" / "gpu.json"
    assert gpu.main(["--device", "cpu", "--quick", "--only", "labels", "--out", str(out)]) == 0
    written = json.loads(out.read_text())
    assert written["parts"]["labels"]["rows"] == [{"crops": 7}, {"crops": 8, "more": 1}]
    assert "no GPU" in written["machine"]
    assert "| crops | more |\n|---|---|\n| 7 | - |\n| 8 | 1 |\n" in capsys.readouterr().out


@pytest.mark.parametrize(("code", "line"), [(0, "3 passed"), (1, "FAILED tests/gpu/test_steps.py::test_x")])
def test_the_exit_code_says_whether_the_tests_passed(monkeypatch, tmp_path, code, line):
    done = subprocess.CompletedProcess([], code, f"...\n{line}\n", "")
    asked = []
    monkeypatch.setattr(gpu.subprocess, "run", lambda command, **about: asked.append((command, about["env"])) or done)
    assert gpu.main(["--device", "cpu", "--only", "tests", "--out", str(tmp_path / "gpu.json")]) == code
    ((command, environment),) = asked
    assert command[:4] == [sys.executable, "-m", "pytest", "tests/gpu"]
    assert environment["IICS_TEST_DEVICE"] == "cpu"


def test_without_an_installation_the_sources_tell_their_version(monkeypatch, tmp_path):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(from_source.importlib.metadata, "version", missing)
    monkeypatch.setattr(from_source, "_TOLD", tmp_path / "told")
    monkeypatch.setattr(sys, "path", [*sys.path])
    environment = from_source.use_sources()
    assert str(tmp_path / "told") in environment["PYTHONPATH"].split(":")
    program = "import importlib.metadata, iics.errors; print(importlib.metadata.version('iics'), iics.errors.__file__)"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    version, file = done.stdout.split()
    assert version == (tmp_path / "told").glob("*").__next__().name.removeprefix("iics-").removesuffix(".dist-info")
    assert file == str(from_source.ROOT / "src" / "iics" / "errors.py")
