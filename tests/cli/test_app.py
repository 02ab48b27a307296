"""`iics app` and `iics evaluate --marks` as commands."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import pytest
import torch

from iics.cli import run
from iics.evaluation.marks import Mark, marks_table
from iics.models.fingerprint import model_fingerprint
from iics.models.reid_model import create_model


@pytest.fixture
def model(tiny_settings, tmp_path):
    model = create_model(tiny_settings.model, device=torch.device("cpu"))
    model.save(tmp_path / "model.safetensors")
    return model


def write_marks(file, *fingerprints):
    marks = [
        Mark("2026-03-01T08:00:00+00:00", "q", "q.jpg", f"c{at}", "p", "a", "right", 1, 0.5, fingerprint)
        for at, fingerprint in enumerate(fingerprints)
    ]
    file.write_text(marks_table(marks))


def test_another_address_without_a_password_is_refused(capsys, monkeypatch):
    monkeypatch.delenv("IICS_PASSWORD", raising=False)
    assert run(["app", "people.db", "--host", "0.0.0.0"]) == 2
    assert "so the page needs a log-in: add --user NAME" in capsys.readouterr().err


def test_a_missing_gallery_is_named(tmp_path, capsys):
    pytest.importorskip("gradio")
    assert run(["app", str(tmp_path / "none.db")]) == 2
    assert "There is no gallery" in capsys.readouterr().err


def test_without_gradio_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run(["app", "people.db"]) == 2
    assert "pip install 'iics[app]'" in capsys.readouterr().err


def test_marks_of_a_model_become_numbers(model, tmp_path, capsys, caplog):
    write_marks(tmp_path / "marks.csv", model_fingerprint(model), "another")
    assert run(["evaluate", str(tmp_path / "model.safetensors"), "--marks", str(tmp_path / "marks.csv"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["num_right"], found["num_queries"], found["by_rank"][0]["precision"]) == (1, 1, 1)
    assert "holds 1 marks on matches of other models" in caplog.text


def test_marks_of_other_models_are_refused(model, tmp_path, capsys):
    write_marks(tmp_path / "marks.csv", "another")
    assert run(["evaluate", str(tmp_path / "model.safetensors"), "--marks", str(tmp_path / "marks.csv")]) == 2
    assert "are on matches of another" in capsys.readouterr().err


def test_marks_take_the_place_of_data(tmp_path, capsys):
    assert run(["evaluate", "m", "sample", "--marks", str(tmp_path / "marks.csv")]) == 2
    assert "--marks takes the place of data" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_serves_until_it_is_asked_to_end(model, tmp_path, folder_people):
    httpx = pytest.importorskip("httpx")
    command, uri = [sys.executable, "-m", "iics"], str(tmp_path / "people.db")
    index = [*command, "index", uri, str(folder_people), "--model", str(tmp_path / "model.safetensors")]
    subprocess.run(index, check=True, capture_output=True)
    with subprocess.Popen([*command, "app", uri, "--port", "7893"], stdout=subprocess.PIPE, text=True) as page:
        address = re.match(r"(http://127\.0\.0\.1:7893)/ ", page.stdout.readline())
        assert httpx.get(address[1]).status_code == 200
        page.send_signal(signal.SIGTERM)
        assert page.wait(60) == 0
