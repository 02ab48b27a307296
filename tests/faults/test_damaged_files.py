"""Every file of a run, a gallery, a model, a cache and a crop folder, damaged in eleven ways, before the commands that
read it: one sentence that names the file, or the very result of the undamaged one.

IICS_TEST_DAMAGES says how many files are tried in all ways, of each kind of folder.
"""

import json
import os
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from iics.cli.app import AppCommand, _browser
from iics.errors import IicsError
from iics.evaluation.marks import Mark, marks_table
from iics.export.onnx_file import export_onnx
from iics.export.onnx_model import OnnxModel
from iics.model_settings import ModelSettings
from iics.models.fingerprint import model_fingerprint
from iics.models.reid_model import create_model, load_model

pytestmark = pytest.mark.slow
MOST_FILES = int(os.environ.get("IICS_TEST_DAMAGES", "4"))
SEED = 7
READ_TO_BROWSE = ("data.json", "metrics.jsonl", "model.safetensors", "pseudo_labels", "cluster_features.npz")


def missing(file, _other, _draw):
    file.unlink()


def empty(file, _other, _draw):
    file.write_bytes(b"")


def cut_in_half(file, _other, _draw):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def first_bytes_zeroed(file, _other, _draw):
    content = file.read_bytes()
    file.write_bytes((b"\0" * 64 + content[64:])[: len(content)])


def middle_block_zeroed(file, _other, _draw):
    content = file.read_bytes()
    middle, size = len(content) // 2, min(512, max(1, len(content) // 8))
    file.write_bytes(content[:middle] + b"\0" * size + content[middle + size :])


def a_bit_flipped(file, _other, draw):
    content = bytearray(file.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    file.write_bytes(content)


def random_bytes(file, _other, draw):
    file.write_bytes(draw.randbytes(file.stat().st_size))


def other_type(file, _other, _draw):
    file.write_bytes(b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n")


def folder_in_its_place(file, _other, _draw):
    file.unlink()
    file.mkdir()


def file_of_another(file, other, _draw):
    shutil.copyfile(other, file)


def doubled(file, _other, _draw):
    file.write_bytes(file.read_bytes() * 2)


WAYS = (
    missing,
    empty,
    cut_in_half,
    first_bytes_zeroed,
    middle_block_zeroed,
    a_bit_flipped,
    random_bytes,
    other_type,
    folder_in_its_place,
    file_of_another,
    doubled,
)


@dataclass(frozen=True)
class Kind:
    """A kind of folder, and the command that reads it.

    Attributes:
        whole: The folder, undamaged.
        other: Another of the same kind, whose files are put in its place.
        command: The arguments of the command, for a copy of the folder.
        result: What comes out, to compare, without the file that was damaged.
        named: What a sentence may call a file; its own name by default.
    """

    whole: Path
    other: Path
    command: Callable[[Path], list]
    result: Callable[[Path, object], dict]
    named: Callable[[Path], tuple[str, ...]] = lambda file: (file.name,)
    is_any_taken: bool = False
    """Whether the user names the file itself, so that another one of its kind is what was asked for."""


def files_of(folder):
    passed_over = (".txt", ".lock", ".tmp")
    return [
        file.relative_to(folder)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.stat().st_size and file.suffix not in passed_over
    ]


def run_result(folder, _answer):
    """Return what a run folder holds in the end, without times."""
    found = {str(name): (folder / name).read_bytes() for name in files_of(folder)}
    found = {name: data for name, data in found.items() if not name.startswith((".", "tensorboard", "report.html"))}
    times = ("seconds", "phases")
    lines = [json.loads(line) for line in found.get("metrics.jsonl", b"").splitlines()]
    found["metrics.jsonl"] = [{key: value for key, value in line.items() if key not in times} for line in lines]
    found["model.md"] = re.sub(rb"trained for .* minutes", b"", found.get("model.md", b""))
    return {name: data for name, data in found.items() if not name.startswith("checkpoints/")}


def all_files(folder, _answer):
    return {str(name): (folder / name).read_bytes() for name in files_of(folder)}


def printed(folder, answer):
    return {"printed": answer.stdout.replace(str(folder), "")}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


@pytest.fixture(scope="module")
def runs(commands, market_people, tiny_flags, root):
    """A finished run, one that was stopped in its last stage, and the same of another seed."""
    found = {}
    for seed in (0, 1):
        where = ["market-layout", "--data-dir", market_people, "--pixels.cache-dir", root / "pixels", f"--seed={seed}"]
        for name in ("finished", "stopped"):
            out = root / str(seed) / name / "run"
            out.parent.mkdir(parents=True)
            answer = commands.run("train", *where, "--out", out, *tiny_flags, folder=out.parent, watched=str(out))
            assert answer.code == 0, answer.end
            if name == "stopped":
                shutil.rmtree(out)
                last = next(n for n, what in enumerate(answer.changes, 1) if "round-002-stage2" in what)
                commands.run(
                    "train", *where, "--out", out, *tiny_flags, folder=out.parent, watched=str(out), at_change=last
                )
            found[name, seed] = out
    return found


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    def make(seed):
        torch.manual_seed(seed)
        settings = ModelSettings(backbone="test_efficientnet", weights="none", height=64, width=32)
        file = tmp_path_factory.mktemp("model") / "model.safetensors"
        create_model(settings, device=torch.device("cpu")).save(file)
        return file

    return make


@pytest.fixture(scope="module")
def kinds(commands, request, model, folder_people, market_people, drawn_people, tiny_flags, root):
    """The kinds of folders by name, each made when it is asked for."""
    query = next((market_people / "query").iterdir())

    def run_kind(name, command, result=run_result):
        def made():
            runs = request.getfixturevalue("runs")
            return Kind(runs[name, 0], runs[name, 1], command, result)

        return made

    def model_kind(command, result):
        return lambda: Kind(model(0).parent, model(1).parent, command, result, is_any_taken=True)

    def gallery():
        models = [model(seed) for seed in (0, 1)]
        for seed, people in enumerate((folder_people, market_people / "query")):
            camera = [] if seed == 0 else ["--camera=door"]
            place = root / f"gallery {seed}"
            place.mkdir()
            answer = commands.run(
                "index", place / "g.db", people, "--model", models[seed], *camera, folder=root, watched=str(place)
            )
            assert answer.code == 0, answer.end
        return Kind(
            root / "gallery 0",
            root / "gallery 1",
            lambda folder: ["search", folder / "g.db", query, "--json", "--top", 20],
            printed,
            lambda file: (file.name, "g.db"),
        )

    def crops():
        clips = [
            drawn_people.write_clip(root / f"{walker}.mp4", [getattr(drawn_people, walker)], num_frames=10)
            for walker in ("RED", "GREEN")
        ]
        flags = ["--camera=lobby", "--detector=hog", "--min-height=85"]
        for number, clip in enumerate(clips):
            answer = commands.run("crop", clip, "--out", root / f"crops {number}", *flags, folder=root)
            assert answer.code == 0, answer.end
        return Kind(
            root / "crops 0",
            root / "crops 1",
            lambda folder: ["crop", clips[1], "--out", folder, *flags],
            all_files,
        )

    def video_at_work():
        clip = drawn_people.write_clip(root / "blue.mp4", [drawn_people.RED, drawn_people.GREEN], num_frames=12)
        flags = ["--camera=lobby", "--detector=hog", "--min-height=85"]
        for name, wanted in (("at work", ".jpg"), ("at work, another", "report.json")):
            out, order = root / name, {"folder": root, "watched": str(root / name)}
            changes = commands.run("crop", clip, "--out", out, *flags, **order).changes
            shutil.rmtree(out)
            at = next(number for number, what in enumerate(changes, 1) if "/.blue" in what and wanted in what)
            commands.run("crop", clip, "--out", out, *flags, **order, at_change=at)
            assert list(out.rglob("detections.jsonl")), changes
        return Kind(
            root / "at work",
            root / "at work, another",
            lambda folder: ["crop", clip, "--out", folder, *flags],
            all_files,
        )

    def pixels():
        for number, people in enumerate((folder_people, market_people / "query")):
            place = root / f"cache {number}"
            camera = [] if number == 0 else ["--camera=door"]
            out = ["--out", root / f"cached {number}", "--pixels.cache-dir", place, "--pixels.source", "cache"]
            answer = commands.run("train", "folder", "--data-dir", people, *camera, *out, *short_flags, folder=root)
            assert number == 1 or answer.code == 0, answer.end
        return Kind(
            root / "cache 0",
            root / "cache 1",
            lambda folder: [
                *("train", "folder", "--data-dir", folder_people, "--out", folder.parent / "run", *short_flags),
                *("--pixels.cache-dir", folder, "--pixels.source", "cache"),
            ],
            lambda folder, _: {
                name: run_result(folder.parent / "run", None)[name] for name in ("model.safetensors", "metrics.jsonl")
            },
        )

    def marked():
        file = model(0)
        fingerprint = model_fingerprint(load_model(file))
        for number in (0, 1):
            (root / f"marks {number}").mkdir()
            marks = [
                Mark(
                    "2026-03-01T08:00:00+00:00", f"q{at}", "q", f"c{at}", "p", "door", verdict, at + 1, 0.9, fingerprint
                )
                for at, verdict in enumerate(["right", "wrong", "right", "right"][: 4 - number])
            ]
            (root / f"marks {number}" / "marks.csv").write_text(marks_table(marks))
        return Kind(
            root / "marks 0",
            root / "marks 1",
            lambda folder: ["evaluate", file, "--marks", folder / "marks.csv", "--json"],
            printed,
            is_any_taken=True,
        )

    short_flags = [flag for flag in tiny_flags if not flag.startswith("--rounds")] + ["--rounds=1"]
    features = lambda folder, _: {"features": (folder / "f.npz").read_bytes()}  # noqa: E731
    return {
        "resuming a stopped run": run_kind("stopped", lambda folder: ["train", "--resume", folder]),
        "resuming a finished run": run_kind("finished", lambda folder: ["train", "--resume", folder]),
        "reporting on a run": run_kind("finished", lambda folder: ["report", folder]),
        "evaluating a run": run_kind(
            "finished",
            lambda folder: ["evaluate", folder, "market-layout", "--data-dir", market_people],
            printed,
        ),
        "embedding": model_kind(
            lambda folder: ["embed", folder / "model.safetensors", folder_people, "--out", folder / "f.npz"], features
        ),
        "exporting": model_kind(
            lambda folder: ["export", folder / "model.safetensors", "--out", folder / "f.onnx"],
            lambda folder, _: {"onnx": (folder / "f.onnx").read_bytes()},
        ),
        "searching a gallery": gallery,
        "cropping another video": crops,
        "going on with a video": video_at_work,
        "training on cached pixels": pixels,
        "evaluating marks": marked,
    }


KINDS = (
    "resuming a stopped run",
    "resuming a finished run",
    "reporting on a run",
    "evaluating a run",
    "embedding",
    "exporting",
    "searching a gallery",
    "cropping another video",
    "going on with a video",
    "training on cached pixels",
    "evaluating marks",
)


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_are_named_or_do_not_matter(commands, kinds, tmp_path, outcomes, name):
    kind = kinds[name]()
    files = files_of(kind.whole)
    others = {file: match_of(file, kind.other) for file in files}

    def tried(number, damage):
        folder = tmp_path / str(number) / kind.whole.name
        shutil.copytree(kind.whole, folder)
        damage(folder)
        answer = commands.run(*kind.command(folder), folder=folder.parent)
        return folder, answer

    folder, answer = tried("whole", lambda _: None)
    assert answer.code == 0, answer.end
    expected = kind.result(folder, answer)
    for number, (file, way) in enumerate((file, way) for file in spread(files, MOST_FILES) for way in WAYS):
        what = f"{name}, {file} {way.__name__.replace('_', ' ')}"
        draw = random.Random(f"{SEED} {what}")
        other = others[file]
        if way is file_of_another and (kind.is_any_taken or is_alike(kind.whole / file, other)):
            continue
        folder, answer = tried(number, lambda folder, of=(file, way, other, draw): of[1](folder / of[0], *of[2:]))
        outcomes.add(what, *judged(kind, folder, answer, file, expected))
        shutil.rmtree(folder.parent)
    outcomes.check(f"damaged files, {name}")


def browsed(folder):
    """Return what the page tells of a run's clusters."""
    browser = _browser(folder, AppCommand("g.db", run=folder))
    return [browser.last.labels.tolist(), browser.last.names, [path.name for path in browser.last.crops.paths]]


def embedded(folder):
    return OnnxModel(folder / "model.onnx", threads=1).embed(np.full((2, 64, 32, 3), 90, np.uint8)).tolist()


@pytest.mark.parametrize("name", ["browsing a run", "an exported model"])
def test_damaged_files_that_no_short_command_reads_are_named_or_do_not_matter(name, model, request, tmp_path, outcomes):
    if name == "browsing a run":
        runs = request.getfixturevalue("runs")
        whole, other, read = runs["finished", 0], runs["finished", 1], browsed
        shutil.copytree(whole, tmp_path / "browsed")
        read(tmp_path / "browsed")
        whole = tmp_path / "browsed"  # with its features
        files = [file for file in files_of(whole) if file.parts[0] in READ_TO_BROWSE]
    else:
        for seed in (0, 1):
            (tmp_path / f"onnx {seed}").mkdir()
            (tmp_path / f"onnx {seed}" / "model.onnx").write_bytes(export_onnx(load_model(model(seed))))
        whole, other, read, files = tmp_path / "onnx 0", tmp_path / "onnx 1", embedded, [Path("model.onnx")]
    expected = read(whole)
    for number, (file, way) in enumerate((file, way) for file in files for way in WAYS):
        what = f"{name}, {file} {way.__name__.replace('_', ' ')}"
        another = match_of(file, other)
        if way is file_of_another and (file.name == "model.onnx" or is_alike(whole / file, another)):
            continue
        folder = tmp_path / str(number) / "run"
        shutil.copytree(whole, folder)
        way(folder / file, another, random.Random(f"{SEED} {what}"))
        try:
            is_same = read(folder) == expected
            outcomes.add(what, "the same result" if is_same else "another result", not is_same)
        except IicsError as error:
            is_named = file.name in str(error)
            outcomes.add(what, "named in a sentence" if is_named else f"not named: {error}", not is_named)
        except Exception as error:  # what a user would see as a traceback
            outcomes.add(what, f"traceback: {error!r}", is_failure=True)
        shutil.rmtree(folder.parent)
    outcomes.check(f"damaged files, {name}")


def judged(kind, folder, answer, file, expected):
    """Return what became of a try in words, and whether it is a failure."""
    if answer.sentence is not None:
        is_named = any(name in answer.sentence for name in kind.named(file))
        return ("named in a sentence", False) if is_named else (f"not named: {answer.sentence}", True)
    if answer.code != 0:
        return answer.end, True
    try:
        result = kind.result(folder, answer)
    except (OSError, ValueError) as error:
        return f"no result: {error}", True
    differs = [name for name in expected if name != str(file) and result.get(name) != expected[name]]
    return ("the same result", False) if not differs else (f"another result: {', '.join(differs)}", True)


def is_alike(file, other):
    return other is None or other.read_bytes() == file.read_bytes()


def match_of(file, other):
    """Return the file in another folder that answers to this one, by name, else by its kind; None if there is none."""
    if (other / file).is_file():
        return other / file
    alike = [name for name in files_of(other) if name.suffix == file.suffix and name.parent.name == file.parent.name]
    return other / alike[0] if alike else None


def spread(files, number):
    number = min(number, len(files))
    return [files[at * len(files) // number] for at in range(number)]
