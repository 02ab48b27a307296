"""Every command asks for no other machine: look-ups and connections are counted and refused, and home stays clean."""

from __future__ import annotations

import re
import shutil
import time
import urllib.request

import pytest

from iics.cli import COMMANDS, benchmark

pytestmark = pytest.mark.slow

# Two caches, which both tell where they may lie: decoded pixels (docs/performance.md) and matplotlib's list of fonts.
LEFT_AT_HOME = r"\.cache/iics/.*|\.cache/matplotlib/fontlist-.*\.json(\.matplotlib-lock)?|\.config/matplotlib/.*"
NEEDED = {"index": "pymilvus", "search": "pymilvus", "forget": "pymilvus", "watch": "pymilvus", "app": "gradio"}
NEEDED |= {"people": "pymilvus", "label": "gradio", "export": "onnxruntime", "crop": "trackforge"}
BENCHMARKS = {
    "pseudo-labels": "--crops=300 --scores=60 --cameras=3 --features=64 --repeats=1",
    "evaluation": "--queries=40 --gallery=300 --features=32 --identities=20 --cameras=3 --repeats=1",
    "training": "--backbone=resnet18 --height=32 --width=32 --cameras=2 --crops-per-camera=3 --clusters-per-batch=3 "
    "--crops-per-cluster=2 --extracted=4 --loaded=12 --repeats=1 --device=cpu",
}
TINY_REPRODUCTION = (
    "import sys\n"
    "from iics.cli import run\n"
    "from iics.config import *\n"
    "from iics.paper import study\n"
    "clusters = ClusterSettings(number=6)\n"
    "study.quick_settings = lambda _: Settings(rounds=1, device='cpu', distance=DistanceSettings(kind='cosine'),\n"
    "    model=ModelSettings(backbone='efficientnet_lite0', weights='none', height=64, width=32),\n"
    "    stage1=Stage1Settings(epochs=1, crops_per_camera=4, clusters=clusters),\n"
    "    stage2=Stage2Settings(epochs=1, clusters_per_batch=4, crops_per_cluster=4, clusters=clusters))\n"
    "sys.exit(run(sys.argv[1:]))\n"
)


@pytest.fixture(scope="module")
def model(aibn_model, tmp_path_factory):
    file = tmp_path_factory.mktemp("model") / "model.safetensors"
    aibn_model.save(file)
    return file


@pytest.fixture(scope="module")
def gallery(iics, model, folder_people, tmp_path_factory):
    pytest.importorskip("pymilvus")
    uri = tmp_path_factory.mktemp("gallery") / "people.db"
    assert iics("index", uri, folder_people, "--model", model).code == 0
    return uri


@pytest.fixture
def lines(request, market_people, folder_people, tiny_flags, tmp_path):
    """Return the command lines of a command; galleries and runs are copies that it may change."""

    def copy(fixture):
        source = request.getfixturevalue(fixture)
        return shutil.copytree(source, tmp_path / source.name)

    def ask(command):
        data = ["market-layout", "--data-dir", market_people]
        if command in ("train", "check-data"):
            flags = [*tiny_flags, "--rounds=1", "--out", tmp_path / "run"] if command == "train" else ["--estimate"]
            return [[command, *data, *flags]]
        if command == "benchmark":
            return [[command, kind, *BENCHMARKS[kind].split()] for kind in benchmark.KINDS]
        if command == "reproduce":
            return [[command, "figure1", "--data", *data, "--weights=none", "--out", tmp_path / "paper"]]
        if command == "clear-cache":
            return [[command]]
        if command == "crop":
            walk = request.getfixturevalue("walk")
            return [[command, walk, "--camera=lobby", "--detector=hog", "--min-height=85", "--out", tmp_path / "crops"]]
        if command == "report":
            return [[command, shutil.copytree(request.getfixturevalue("trained")[0], tmp_path / "run")]]
        if command == "compare":
            run = request.getfixturevalue("trained")[0]
            return [[command, run, shutil.copytree(run, tmp_path / "run"), "--out", tmp_path / "both.html"]]
        model = request.getfixturevalue("model")
        picture = next(folder_people.rglob("*.png"))
        return {
            "evaluate": lambda: [[command, model, *data, "--contact-sheet", tmp_path / "sheet.png"]],
            "embed": lambda: [[command, model, folder_people, "--out", tmp_path / "features.npz"]],
            "export": lambda: [[command, model, *data, "--int8", "--out", tmp_path / "model.onnx"]],
            "index": lambda: [[command, tmp_path / "new.db", folder_people, "--model", model]],
            "search": lambda: [
                [command, copy("gallery"), picture, "--model", model, "--contact-sheet", tmp_path / "m.png"]
            ],
            "forget": lambda: [[command, copy("gallery"), "--camera", "hall", "--yes"]],
            "people": lambda: [[command, copy("gallery"), "--report", tmp_path / "people.html"]],
            "watch": lambda: [
                [command, folder_people, "--gallery", tmp_path / "new.db", "--model", model, "--every=1"]
            ],
            "app": lambda: [[command, copy("gallery"), "--port=7894"]],
            "label": lambda: [
                [command, shutil.copy(model, tmp_path), "folder", "--data-dir", folder_people, "--port=7895"]
            ],
        }[command]()

    return ask


def visit(line):
    """Open the page as a browser would: the page, and the scripts and styles that it names."""
    address = re.match(r"(http://127\.0\.0\.1:\d+)/ ", line)[1]
    page = urllib.request.urlopen(address, timeout=60).read().decode()
    for name in re.findall(r'(?:src|href)="\.?/?((?:assets|static|svelte)/[^"]+)"', page):
        urllib.request.urlopen(f"{address}/{name}", timeout=60).read()
    time.sleep(8)  # longer than what reports waits before it does


UNTIL = {"watch": lambda line: time.sleep(8), "app": visit, "label": visit}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_asks_for_no_other_machine(command, lines, watched_process, tmp_path):
    if command in NEEDED:
        pytest.importorskip(NEEDED[command])
    for number, line in enumerate(lines(command)):
        start = ["-c", TINY_REPRODUCTION] if command == "reproduce" else ["-m", "iics"]
        folder = tmp_path / f"process {number}"
        folder.mkdir()
        done = watched_process.watch([*start, *line], folder, until=UNTIL.get(command))
        assert done.code == 0, done.stderr
        assert (done.lookups, done.connections) == ([], []), done.stderr
        assert [name for name in sorted(done.left_at_home) if not re.fullmatch(LEFT_AT_HOME, name)] == []
