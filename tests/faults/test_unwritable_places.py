"""Disks that are full or read-only: each writer says so with code 2, and leaves nothing half-written."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from iics.model_settings import ModelSettings
from iics.models.reid_model import create_model

pytestmark = pytest.mark.slow
SECONDS = 600
WRITERS = {
    "features": ["embed", "model.safetensors", "crops/x/0.png", "--out", "{}/f.npz"],
    "camera sheet": ["check-data", "folder", "--data-dir", "crops", "--contact-sheet", "{}/s.png"],
    "ranked results": ["evaluate", "model.safetensors", "csv", "--data-dir", "t.csv", "--contact-sheet", "{}/s.png"],
    "run folder": [
        "train",
        "folder",
        "--data-dir",
        "crops",
        "--preset",
        "sample",
        "--weights",
        "none",
        "--out",
        "{}/r",
    ],
    "exported model": ["export", "model.safetensors", "--to", "onnx", "--out", "{}/m.onnx"],
    "thresholds": ["evaluate", "{}/model.safetensors", "csv", "--data-dir", "t.csv", "--calibrate"],
}
# Runs all of them in one process, for the program takes seconds to start.
PROGRAM = """
import sys
from pathlib import Path
from iics.cli import run
writers, place = eval(sys.argv[1]), sys.argv[2]
def contents():  # locks are empty files, which stay
    files = (path for path in Path(place).rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return {str(path): path.read_bytes() for path in files}
before = contents()
for name, words in writers.items():
    try:
        code = run([word.format(place) for word in words])
    except SystemExit as stopped:
        code = stopped.code
    print("ended", name, code, flush=True)
print("left", contents() == before)
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    root = tmp_path_factory.mktemp("unwritable")
    rng = np.random.default_rng(0)
    lines = ["path,camera,identity,split"]
    for camera in ("x", "y"):
        for number in range(8):
            file = root / "crops" / camera / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (64, 32, 3), dtype=np.uint8)).save(file)
            split = "train" if number < 4 else "query" if camera == "x" else "gallery"
            lines.append(f"crops/{camera}/{number}.png,{camera},{number + 1},{split}")
    (root / "t.csv").write_text("\n".join(lines))
    settings = ModelSettings(backbone="test_resnet", weights="none", height=64, width=32)
    create_model(settings, device=torch.device("cpu")).save(root / "model.safetensors")
    (root / "place").mkdir()
    return root


def _run(work, prepare, writers):
    script = f'{prepare} && exec {sys.executable} - "$@"'
    return subprocess.run(
        ["unshare", "-rm", "bash", "-c", script, "bash", repr(writers), "place"],
        cwd=work,
        input=PROGRAM,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def _can_mount(work):
    if shutil.which("unshare") is None or _run(work, "mount -t tmpfs -o size=1m tmpfs place", {}).returncode:
        pytest.skip("no disk can be mounted here")


MOUNT = "mount -t tmpfs -o size=64m tmpfs place && cp model.safetensors place/"
DISKS = {
    "read-only": (f"{MOUNT} && mount -o remount,ro,size=64m tmpfs place", "Read-only file system"),
    "full": (f"{MOUNT}; head -c 70000000 /dev/zero > place/fill 2>/dev/null; true", "No space left on device"),
}


@pytest.mark.usefixtures("_can_mount")
@pytest.mark.parametrize("disk", DISKS)
def test_writers_end_with_a_sentence_and_leave_nothing_half_written(work, disk):
    prepare, reason = DISKS[disk]
    finished = _run(work, prepare, WRITERS)
    assert "Traceback" not in finished.stderr, finished.stderr
    ended = [line for line in finished.stdout.splitlines() if line.startswith(("ended", "left"))]
    assert ended == [*(f"ended {name} 2" for name in WRITERS), "left True"], finished.stderr
    assert finished.stderr.count(reason) >= len(WRITERS), finished.stderr
