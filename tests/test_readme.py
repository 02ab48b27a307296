"""The README's examples work."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import iics
from iics.cli import COMMANDS, benchmark
from iics.cli.benchmark_evaluation import EvaluationSpeedCommand
from iics.cli.benchmark_pseudo_labels import PseudoLabelsCommand
from iics.cli.benchmark_training import TrainingSpeedCommand
from iics.cli.check_data import CheckDataCommand
from iics.cli.clear_cache import ClearCacheCommand
from iics.cli.crop import CropCommand
from iics.cli.embed import EmbedCommand
from iics.cli.evaluate import EvaluateCommand
from iics.cli.export import ExportCommand
from iics.cli.parse import parse
from iics.cli.report import ReportCommand
from iics.cli.reproduce import ReproduceCommand
from iics.cli.train import TrainCommand
from iics.config import ClusterSettings
from iics.data.column_names import NOT_USED, TABLE_COLUMNS
from iics.data.name_template import NameTemplate

README = (Path(__file__).parent.parent / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
SHELL_LINES = [
    line for block in re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL) for line in block.splitlines()
]
IICS_LINES = [line for line in SHELL_LINES if line.startswith("iics ")]
KINDS = {
    "train": TrainCommand,
    "evaluate": EvaluateCommand,
    "report": ReportCommand,
    "embed": EmbedCommand,
    "export": ExportCommand,
    "check-data": CheckDataCommand,
    "crop": CropCommand,
    "clear-cache": ClearCacheCommand,
    "reproduce": ReproduceCommand,
    "benchmark pseudo-labels": PseudoLabelsCommand,
    "benchmark evaluation": EvaluationSpeedCommand,
    "benchmark training": TrainingSpeedCommand,
}


def test_every_command_is_shown():
    assert {line.split()[1] for line in IICS_LINES} == set(COMMANDS)


@pytest.mark.parametrize("line", IICS_LINES)
def test_the_command_lines_parse(line):
    words = shlex.split(line, comments=True)[1:]
    num_words = 2 if words[0] == "benchmark" else 1
    kind = KINDS[" ".join(words[:num_words])]
    assert isinstance(parse(kind, words[num_words:], command=words[0]), kind)


def test_every_kind_of_benchmark_is_shown():
    assert {line.split()[2] for line in IICS_LINES if line.split()[1] == "benchmark"} == set(benchmark.KINDS)


def test_the_make_targets_exist():
    makefile = (Path(__file__).parent.parent / "Makefile").read_text()
    targets = {line.split()[1] for line in SHELL_LINES if line.startswith("make ")}
    assert targets == {"demo", "test"}
    assert all(f"\n{target}:" in makefile for target in targets)


def test_the_python_example_runs(tmp_path, monkeypatch):
    sample = iics.load_sample()
    people = np.unique(sample.query.identity_ids)[:6]
    few = iics.DataSplits(
        name="few",
        train=sample.train.subset(np.isin(sample.train.identity_ids, np.unique(sample.train.identity_ids)[:6])),
        query=sample.query.subset(np.isin(sample.query.identity_ids, people)),
        gallery=sample.gallery.subset(np.isin(sample.gallery.identity_ids, people)),
    )
    settings = iics.presets.SAMPLE
    quick = replace(
        settings,
        rounds=1,
        model=replace(settings.model, height=64, width=32),
        stage1=replace(settings.stage1, epochs=1, clusters=ClusterSettings(number=4)),
        stage2=replace(settings.stage2, epochs=1, clusters=ClusterSettings(number=6)),
    )
    monkeypatch.setattr(iics, "load_sample", lambda: few)
    monkeypatch.setattr(iics.presets, "SAMPLE", quick)
    monkeypatch.chdir(tmp_path)
    (example,) = PYTHON
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    features = names["features"]
    assert isinstance(features, np.ndarray)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    assert (tmp_path / "runs" / "first" / "metrics.jsonl").is_file()


DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/paper_map.md",
    "docs/experiments.md",
    "docs/decisions.md",
    "docs/evaluation.md",
    "docs/report.md",
    "docs/sample.md",
    "docs/your_cameras.md",
    "docs/video.md",
    "docs/checking_data.md",
    "docs/reproducing.md",
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    path = Path(__file__).parent.parent / document
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_nothing_was_left_to_fill_in(document):
    assert not re.search(r"@[A-Z]+@", (Path(__file__).parent.parent / document).read_text())


CAMERAS_PAGE = (Path(__file__).parent.parent / "docs" / "your_cameras.md").read_text()


def test_the_patterns_of_the_page_on_cameras_match_their_names():
    lines = [line.split("  ") for line in re.findall(r"^\{.*\.(?:jpg|png)$", CAMERAS_PAGE, flags=re.MULTILINE)]
    assert len(lines) == 3
    for pattern, *_, name in lines:
        assert NameTemplate(pattern.strip()).read(name.strip()) is not None


def test_the_page_on_cameras_has_every_column_and_a_table_that_loads(tmp_path):
    for column in (*TABLE_COLUMNS, *NOT_USED):
        assert f"`{column}`" in CAMERAS_PAGE
    table, boxes = re.findall(r"```\n(path,camera,.*?)```", CAMERAS_PAGE, flags=re.DOTALL)
    for name in ("lobby/0001.jpg", "yard/0001.jpg", "yard/0002.jpg", "lobby/0002.jpg", "frames/lobby-000451.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (800, 300)).save(tmp_path / name)
    (tmp_path / "crops.csv").write_text(table)
    (tmp_path / "boxes.csv").write_text(boxes)
    splits = iics.load_csv(tmp_path / "crops.csv")
    assert (len(splits.train), len(splits.query), len(splits.gallery)) == (2, 1, 1)
    assert iics.load_csv(tmp_path / "boxes.csv").train.boxes.tolist() == [[312, 80, 64, 170], [706, 91, 70, 181]]
