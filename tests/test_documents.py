"""README and docs/: their command lines are understood, their links lead somewhere, every page is on the site."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

import iics
from iics.cli import COMMANDS, benchmark
from iics.cli.app import AppCommand
from iics.cli.benchmark_evaluation import EvaluationSpeedCommand
from iics.cli.benchmark_pseudo_labels import PseudoLabelsCommand
from iics.cli.benchmark_training import TrainingSpeedCommand
from iics.cli.check_data import CheckDataCommand
from iics.cli.clear_cache import ClearCacheCommand
from iics.cli.compare import CompareCommand
from iics.cli.crop import CropCommand
from iics.cli.embed import EmbedCommand
from iics.cli.evaluate_command import EvaluateCommand
from iics.cli.export import ExportCommand
from iics.cli.forget import ForgetCommand
from iics.cli.index import IndexCommand
from iics.cli.label import LabelCommand
from iics.cli.parse import parse
from iics.cli.people import PeopleCommand
from iics.cli.report import ReportCommand
from iics.cli.reproduce import ReproduceCommand
from iics.cli.search import SearchCommand
from iics.cli.train_arguments import TrainCommand
from iics.cli.watch import WatchCommand
from iics.readers.column_names import NOT_USED, TABLE_COLUMNS
from iics.readers.name_template import NameTemplate

ROOT = Path(__file__).parent.parent
DOCUMENTS = {
    file.relative_to(ROOT).as_posix(): file.read_text() for file in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
}
README = DOCUMENTS["README.md"]


def shell_lines(text):
    return [line for block in re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL) for line in block.splitlines()]


def words_of(line):
    """Return the words behind `iics` of a line, also of one that torchrun starts; None for other programs."""
    words = shlex.split(line, comments=True)
    if words[:1] == ["torchrun"]:
        return words[words.index("iics") + 1 :]
    return words[1:] if words[:1] == ["iics"] else None


SHOWN = [(name, line) for name, text in DOCUMENTS.items() for line in shell_lines(text) if words_of(line)]
IN_README = [words_of(line) for name, line in SHOWN if name == "README.md"]
KINDS = {
    "compare": CompareCommand,
    "train": TrainCommand,
    "evaluate": EvaluateCommand,
    "report": ReportCommand,
    "embed": EmbedCommand,
    "check-data": CheckDataCommand,
    "crop": CropCommand,
    "index": IndexCommand,
    "search": SearchCommand,
    "people": PeopleCommand,
    "forget": ForgetCommand,
    "watch": WatchCommand,
    "app": AppCommand,
    "label": LabelCommand,
    "export": ExportCommand,
    "clear-cache": ClearCacheCommand,
    "reproduce": ReproduceCommand,
    "benchmark pseudo-labels": PseudoLabelsCommand,
    "benchmark evaluation": EvaluationSpeedCommand,
    "benchmark training": TrainingSpeedCommand,
}


def test_the_readme_shows_every_command():
    assert {words[0] for words in IN_README} == set(COMMANDS)


def test_the_readme_shows_every_kind_of_benchmark():
    assert {words[1] for words in IN_README if words[0] == "benchmark"} == set(benchmark.KINDS)


@pytest.mark.parametrize(("document", "line"), SHOWN)
def test_the_command_lines_parse(document, line):
    words = words_of(line)
    num_words = 2 if words[0] == "benchmark" else 1
    kind = KINDS[" ".join(words[:num_words])]
    assert isinstance(parse(kind, words[num_words:], command=words[0]), kind)


def test_commands_in_the_text_of_pages_exist():
    named = {name for text in DOCUMENTS.values() for name in re.findall(r"`iics ([a-z-]+)[` ]", text)}
    assert named <= set(COMMANDS)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_programs_are_shown_in_blocks_that_are_tested(document):
    """Every block has a language that some test or the site reads, or is plain text."""
    fences = re.findall(r"^ *```(.*)$", DOCUMENTS[document], flags=re.MULTILINE)
    assert {language for language in fences[::2] if language} <= {"bash", "python", "py", "math"}
    assert not any(fences[1::2]), "a block is not closed"


def test_the_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = {line.split()[1] for line in shell_lines(README) if line.startswith("make ")}
    assert targets == {"demo", "test"}
    assert all(f"\n{target}:" in makefile for target in targets)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", DOCUMENTS[document])
    assert [link for link in links if not (ROOT / document).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_nothing_was_left_to_fill_in(document):
    assert not re.search(r"@[A-Z]+@", DOCUMENTS[document])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_lists_and_tables_begin_after_an_empty_line(document):
    """Code hosts show them all the same, the site shows them as text."""
    text = re.sub(r"```.*?```", "", DOCUMENTS[document], flags=re.DOTALL)
    pairs = zip(text.splitlines(), text.splitlines()[1:], strict=False)
    starts = [(before, line) for before, line in pairs if re.match(r"[-*] \S|\|", line) and before.strip()]
    assert [line for before, line in starts if not re.match(r"[-*|#<]|  ", before)] == []


def test_every_page_has_one_place_in_the_navigation():
    navigation = re.findall(r"^ +- .+: (\w+\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE)
    at_root = {"readme_page.md", "contributing.md", "changelog.md"}
    assert sorted(navigation) == sorted({file.name for file in ROOT.glob("docs/*.md")} | at_root)


CAMERAS_PAGE = DOCUMENTS["docs/your_cameras.md"]


def test_the_patterns_of_the_page_on_cameras_match_their_names():
    lines = [line.split("  ") for line in re.findall(r"^\{.*\.(?:jpg|png)$", CAMERAS_PAGE, flags=re.MULTILINE)]
    assert len(lines) == 4
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
