"""Malformed input given to the real program: exit code 2, one line that names it, no traceback, no hang."""

import csv
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow
SECONDS = 300  # of a loaded machine; each takes a few


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of malformed things, each named for what it is."""
    root = tmp_path_factory.mktemp("malformed")
    rng = np.random.default_rng(0)
    for camera in ("north", "south\nentrance", "\x1b[31m"):
        for number in range(3):
            file = root / "cameras" / camera / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (64, 32, 3), dtype=np.uint8)).save(file)
    Image.new("RGB", (32, 64), "red").save(root / "a.png")
    os.mkfifo(root / "pipe.png")
    for camera in ("x", "y"):
        (root / "piped" / camera).mkdir(parents=True)
        os.mkfifo(root / "piped" / camera / "a.png")
        (root / "deep" / camera).mkdir(parents=True)
        with (root / "deep" / camera / "large.png").open("wb") as large:
            large.truncate(50 * 10**9)
    (root / "utf16.csv").write_bytes("path,camera\na.png,x\n".encode("utf-16"))
    (root / "nul.csv").write_bytes(b"path,camera\na\x00.png,x\n")
    (root / "quote.csv").write_bytes(b'path,camera\n"a.png,x\n')
    (root / "huge.csv").write_bytes(b"path,camera\na.png," + b"x" * 200_000)
    (root / "esc.csv").write_bytes(b"path,camera\n\x1b[2J.png,x\n")
    (root / "box.csv").write_bytes(b"path,camera,left,top,width,height\na.png,x," + b"9" * 5000 + b",0,1,1\n")
    (root / "time.csv").write_bytes(b"path,camera,time\na.png,x," + b"9" * 5000 + b"\n")
    with (root / "large.csv").open("wb") as large:
        large.truncate(50 * 10**9)
    (root / "text.parquet").write_bytes(b"PAR1 no such thing PAR1")
    (root / "zeros.zip").write_bytes(bytes(1000))
    with zipfile.ZipFile(root / "lzma.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("bounding_box_train/\x1b[31m.jpg", b"x")
    (root / "model.safetensors").write_bytes(b"\xff" * 100)
    (root / "marks.csv").write_bytes(b"x" * 200_000)
    (root / "file").touch()
    with (root / "good.csv").open("w", newline="") as opened:
        csv.writer(opened).writerows([("path", "camera"), ("a.png", "x")])
    return root


def _csv(name):
    return ("check-data", "csv", "--data-dir", f"{name}.csv")


COMMANDS = {
    "a pipe as a table": ("check-data", "csv", "--data-dir", "pipe.png"),
    "a pipe as parquet": ("check-data", "parquet", "--data-dir", "pipe.png"),
    "pipes among pictures": ("check-data", "folder", "--data-dir", "piped"),
    "pictures of 50 GB": ("check-data", "folder", "--data-dir", "deep"),
    "a table of 50 GB": _csv("large"),
    "a table in UTF-16": _csv("utf16"),
    "a NUL in a path": _csv("nul"),
    "an open quote": _csv("quote"),
    "a field of 200,000 letters": _csv("huge"),
    "an escape sequence in a path": _csv("esc"),
    "a box of thousands of digits": _csv("box"),
    "a time of thousands of digits": _csv("time"),
    "no parquet": ("check-data", "parquet", "--data-dir", "text.parquet"),
    "zeros as a zip": ("check-data", "market-layout", "--data-dir", "zeros.zip"),
    "a table of 50 GB as a zip": ("check-data", "market-layout", "--data-dir", "large.csv"),
    "an escape sequence in a zip": ("check-data", "market-layout", "--data-dir", "lzma.zip"),
    "a device as a zip": ("check-data", "market-layout", "--data-dir", "/dev/zero"),
    "a name of 300 letters": ("check-data", "folder", "--data-dir", "a" * 300),
    "a pipe as a model": ("embed", "pipe.png", "a.png", "--out", "f.npz"),
    "noise as a model": ("embed", "model.safetensors", "a.png", "--out", "f.npz"),
    "a picture as a model": ("embed", "a.png", "a.png", "--out", "f.npz"),
    "a pipe as marks": ("evaluate", "model.safetensors", "--marks", "pipe.png"),
    "noise as marks": ("evaluate", "model.safetensors", "--marks", "marks.csv"),
    "a pipe as weights": ("evaluate", "csv", "--data-dir", "good.csv", "--weights", "pipe.png"),
    "a pipe as a video": ("crop", "pipe.png", "--camera", "a", "--out", "crops", "--detector", "hog"),
    "a picture of escape sequences as a camera": ("crop", "a.png", "--camera", "\x1b[31m", "--out", "crops"),
    "a file as a run": ("report", "file"),
    "a file as a cache": ("clear-cache", "--cache-dir", "file"),
    "thousands of digits as rounds": ("train", "sample", "--rounds", "9" * 5000),
    "an escape sequence as a preset": ("train", "sample", "--preset", "\x1b[31m"),
    "a pipe to calibrate": ("evaluate", "pipe.png", "sample", "--calibrate"),
    "a file to export into": ("export", "model.safetensors", "--to", "onnx", "--out", "file/m.onnx"),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_a_command_ends_with_a_sentence(place, case):
    finished = subprocess.run(
        [sys.executable, "-m", "iics", *COMMANDS[case]],
        cwd=place,
        capture_output=True,
        timeout=SECONDS,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    text = (finished.stdout + finished.stderr).decode(errors="replace")
    assert finished.returncode == 2, text
    assert "Traceback" not in text
    assert not any(not each.isprintable() for line in text.split("\n") for each in line), repr(text)


def test_cameras_of_any_name_are_checked_and_drawn(place, tmp_path):
    sheet = tmp_path / "sheet.png"
    command = [sys.executable, "-m", "iics", "check-data", "folder", "--data-dir", "cameras", "--contact-sheet", sheet]
    finished = subprocess.run(command, cwd=place, capture_output=True, timeout=SECONDS, check=False)
    assert finished.returncode == 0, finished.stderr
    assert rb"south\nentrance" in finished.stdout
    assert b"\x1b" not in finished.stdout + finished.stderr
    assert sheet.is_file()
