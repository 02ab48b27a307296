"""Examples of README and docs/ run, on few people, tiny crops and one round.

Lines that need data sets, videos or hours are parsed by `test_documents.py` and not run.
"""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import iics
import iics.readers.benchmarks
from iics import cli
from iics.config import ClusterSettings
from iics.export.means_file import write_means
from iics.model_settings import ModelSettings
from iics.models.camera_means import CameraMeans
from iics.models.reid_model import create_model
from iics.pixels.images import load_pixels

ROOT = Path(__file__).parent.parent
DOCUMENTS = {
    file.relative_to(ROOT).as_posix(): file.read_text() for file in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
}
QUICK = {
    "--rounds": "1",
    "--backbone": "efficientnet_lite0",
    "--weights": "none",
    "--height": "32",
    "--width": "32",
    "--stage1.epochs": "1",
    "--stage2.epochs": "1",
    "--stage1.clusters.rule": "fixed",
    "--stage1.clusters.number": "4",
    "--stage2.clusters.rule": "fixed",
    "--stage2.clusters.number": "6",
}
RUNNABLE_DATA = {"sample", "folder", "pattern", "csv", "cameras", "crops.csv", "boxes.csv", "labelled.csv"}
WITHOUT_DATA = {"report", "embed", "clear-cache"}
GALLERY = {"index", "search", "forget"}
WAITING = {"watch", "app", "label"}
TABLE = "path,camera,identity\n"
BOXES = "path,camera,left,top,width,height\n"


SLOW = {"docs/seeds.md"}
"""Documents whose examples train more than one model."""


def blocks(language):
    pattern = re.compile(rf"```{language}\n(.*?)```", flags=re.DOTALL)
    return [(name, block) for name in sorted(DOCUMENTS) for block in pattern.findall(DOCUMENTS[name])]


def can_run(words):
    """Whether a line needs nothing but the prepared folder, and seconds."""
    if "runs/supervised" in words or words[0] in {"benchmark", *GALLERY, *WAITING}:
        return False
    return words[0] in WITHOUT_DATA or "--resume" in words or not RUNNABLE_DATA.isdisjoint(words)


def lines_to_run():
    lines: dict[str, list[list[str]]] = {}
    for name, block in blocks("bash"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["iics"] and can_run(words[1:]):
                lines.setdefault(name, []).append(words[1:])
    return lines


LINES = lines_to_run()
README_BLOCKS = [(name, block) for name, block in blocks("bash") if name == "README.md"]


@pytest.fixture(scope="module")
def few_people():
    """Four people of the sample to train on, four to test on."""
    sample = iics.readers.benchmarks.load_sample()

    def of_four(crops):
        return crops.subset(np.isin(crops.identity_ids, np.unique(crops.identity_ids[crops.identity_ids > 0])[:4]))

    query, gallery = of_four(sample.query), of_four(sample.gallery)
    return iics.DataSplits(name="few", train=of_four(sample.train), query=query, gallery=gallery)


@pytest.fixture
def prepared(few_people, tmp_path, monkeypatch):
    """A folder that holds what the examples name, from where they are run; the sample and its preset are small."""
    settings = iics.presets.SAMPLE
    quick = replace(
        settings,
        rounds=1,
        model=replace(settings.model, height=64, width=32),
        stage1=replace(settings.stage1, epochs=1, clusters=ClusterSettings(number=4)),
        stage2=replace(settings.stage2, epochs=1, clusters=ClusterSettings(number=4)),
    )
    monkeypatch.setattr(iics.readers.benchmarks, "load_sample", lambda: few_people)
    monkeypatch.setattr(iics, "load_sample", lambda: few_people, raising=False)
    monkeypatch.setattr(iics.presets, "SAMPLE", quick)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_crops(few_people.train)
    return tmp_path


def write_crops(crops):
    """Write 8 crops each of two cameras as the folders and tables that the pages speak of."""
    rows, labelled, boxes = TABLE, TABLE, BOXES
    for camera, name in enumerate(("lobby", "car-park")):
        members = np.flatnonzero(crops.camera_ids == camera)[:8]
        pixels = load_pixels(crops.subset(members), height=64, width=32)
        for at, picture in enumerate(pixels):
            places = [
                f"cameras/{name}/{at:04d}.jpg",
                f"new-crops/{name}-{at}.jpg",
                f"crops/{name}/person{at % 3}_20240531-1430{at:02d}_{at:04d}.jpg",
            ]
            for place in places:
                Path(place).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(place)
            rows += f"{places[0]},{name},\n"
            labelled += f"{places[0]},{name},{at % 3 + 1}\n"
            boxes += f"{places[0]},{name},0,0,32,60\n"
    Path("crops.csv").write_text(rows)
    Path("labelled.csv").write_text(labelled)
    Path("boxes.csv").write_text(boxes)


def run(words):
    if words[0] == "train" and "--resume" not in words:
        words = [*words, *(word for flag, value in QUICK.items() if flag not in words for word in (flag, value))]
    assert cli.run(words) == 0, words


def save_untrained_model():
    """Write a model to the run folder that examples name, and what `iics embed` and `export --centre` make of it."""
    settings = ModelSettings(backbone="test_efficientnet", weights="none", height=64, width=32)
    Path("runs/first").mkdir(parents=True, exist_ok=True)
    model, crops = create_model(settings, device=torch.device("cpu")), iics.load_folder("cameras").train
    features = model.embed(crops)
    model.camera_means = CameraMeans.of(features, crops.camera_ids, crops.camera_names)
    model.save("runs/first/model.safetensors")
    write_means(model.camera_means, Path("model.onnx"))
    np.savez("features.npz", features=features)


def run_all(lines):
    uses_a_run = any("runs/first" in words for words in lines)
    if uses_a_run and not any(words[-2:] == ["--out", "runs/first"] for words in lines):
        run(["train", "folder", "--data-dir", "cameras", "--out", "runs/first"])
    for words in lines:
        run(words)


@pytest.mark.slow
def test_the_five_minutes_run(prepared, capsys):
    run_all(LINES["docs/start.md"])
    assert all((prepared / "runs" / name / "report.html").is_file() for name in ("sample", "first", "small"))
    assert np.load("features.npz")["features"].shape[0] == 16


@pytest.mark.slow
@pytest.mark.parametrize("document", sorted(LINES.keys() - {"docs/start.md"}))
def test_the_commands_of_a_page_run_one_after_the_other(document, prepared, capsys):
    run_all(LINES[document])


def test_the_gallery_of_the_readme_is_made_searched_and_emptied(prepared, capsys):
    save_untrained_model()
    shutil.copy("cameras/car-park/0003.jpg", "person.jpg")
    lines = [shlex.split(line, comments=True)[1:] for _, block in README_BLOCKS for line in block.splitlines()]
    chosen = [words for words in lines if words and words[0] in GALLERY]
    assert [words[0] for words in chosen] == ["index", "search", "search", "forget"]
    assert [cli.run(words) for words in chosen[:-1]] == [0, 0, 0]
    assert cli.run([*chosen[-1], "--yes"]) == 1  # folders of cameras have no times, so none of their crops is meant
    assert Path("matches.png").is_file()
    assert "0003.jpg" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("document", "example"),
    [pytest.param(*each, marks=[pytest.mark.slow] if each[0] in SLOW else []) for each in blocks("python")],
)
def test_the_python_examples_run(document, example, prepared, capsys):
    save_untrained_model()  # the shell lines above it have left the folder runs/first
    names: dict[str, object] = {}
    exec(compile(example, document, "exec"), names)
    if "features" in names:
        np.testing.assert_allclose(np.linalg.norm(names["features"], axis=1), 1, atol=1e-5)
