"""The examples run as they stand, and cost what the page about extending says they cost."""

import ast
import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

import iics
from iics.methods.by_name import METHODS
from iics.similarity.by_name import SIMILARITIES
from iics.training.losses import LOSSES

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(autouse=True)
def unchanged(monkeypatch):
    """Leave the dictionaries that examples add to, and the path of modules, as they were."""
    for choices in (METHODS, SIMILARITIES, LOSSES):
        for name in list(choices):
            monkeypatch.setitem(choices, name, choices[name])
    monkeypatch.syspath_prepend(str(EXAMPLES / "new_method"))
    before = [dict(choices) for choices in (METHODS, SIMILARITIES, LOSSES)]
    yield
    for choices, kept in zip((METHODS, SIMILARITIES, LOSSES), before, strict=True):
        choices.clear()
        choices.update(kept)


@pytest.fixture
def example():
    """Return an example as a module."""

    def load(name):
        spec = importlib.util.spec_from_file_location(Path(name).stem, EXAMPLES / name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def settings(tiny_settings):
    return replace(tiny_settings, rounds=1, loggers=())


def last_record(run):
    return json.loads((run.folder / "metrics.jsonl").read_text().splitlines()[-1])


def test_training_from_python_measures_what_is_asked_for(example, people, settings, tmp_path, capsys):
    run = example("train_from_python.py").main(tmp_path / "run", people, settings)
    assert last_record(run)["evaluation"]["spread"] > 0
    assert "crop 0 is most like crop" in capsys.readouterr().out


def test_a_new_similarity_labels_the_crops(example, people, settings, tmp_path):
    run = example("new_similarity.py").main(tmp_path / "run", people, settings)
    assert json.loads((run.folder / "settings.json").read_text())["stage2"]["similarity"] == "camera-centred"
    assert last_record(run)["stage2"]["pseudo_labels"]["num_clusters"] > 1


def test_a_new_loss_is_recorded_term_by_term(example, people, settings, tmp_path):
    run = example("new_loss.py").main(tmp_path / "run", people, settings)
    stage = last_record(run)["stage2"]
    assert {"loss", "accuracy", "certainty"} <= stage.keys()
    assert "triplet" not in stage


@pytest.mark.slow
def test_a_new_method_trains_is_measured_and_resumed(example, people, settings, tmp_path):
    run = example("new_method/train.py").main(tmp_path / "run", people, replace(settings, rounds=2), clusters=6)
    assert last_record(run)["clusters"]["pseudo_labels"]["num_clusters"] == 6
    assert "clusters_cluster" in (run.folder / "pseudo_labels" / "round-002.csv").read_text().splitlines()[0]
    finished = (run.folder / "model.safetensors").read_bytes()
    (run.folder / "checkpoints" / "round-002-clusters.ckpt").unlink()
    (run.folder / "metrics.jsonl").unlink()
    iics.resume(run.folder, people.train, query=people.query, gallery=people.gallery)
    assert (run.folder / "model.safetensors").read_bytes() == finished


def lines_that_register(file):
    """Return the statements of an example that put something into a dictionary of the package."""
    tree = ast.parse((EXAMPLES / file).read_text())
    return [
        node
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Subscript)
        and ast.unparse(node.targets[0].value) in ("METHODS", "SIMILARITIES", "LOSSES")
    ]


@pytest.mark.parametrize("file", ["new_similarity.py", "new_loss.py", "new_method/train.py"])
def test_an_extension_costs_one_line_beside_its_file(file):
    (line,) = lines_that_register(file)
    assert line.lineno == line.end_lineno


def test_a_new_method_is_one_folder():
    assert sorted(file.name for file in (EXAMPLES / "new_method").glob("*.py")) == ["method.py", "train.py"]
