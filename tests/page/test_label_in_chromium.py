"""`iics label` as people use it: fifty pairs of the sample answered in a browser by key and tap, and a stop between."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from iics.evaluation.answers import read_answers
from iics.evaluation.drawn_pairs import best_matches
from iics.evaluation.marks import read_marks
from iics.models.model_file import read_header
from iics.models.reid_model import load_model
from iics.readers.benchmarks import load_sample
from iics.readers.folders import load_folder

PATIENCE = 60_000  # milliseconds; machines that test are busy
KEYS = {"yes": "y", "no": "n"}


@pytest.fixture(scope="module")
def cameras(tmp_path_factory):
    """Three cameras of 80 crops of the sample each; a file's name begins with its person."""
    train, root = load_sample().train, tmp_path_factory.mktemp("label") / "cameras"
    with zipfile.ZipFile(train.archive) as archive:
        for camera in range(3):
            (root / f"camera {camera}").mkdir(parents=True)
            for at in np.flatnonzero(train.camera_ids == camera)[:80]:
                name = f"{train.identity_ids[at]:04d}_{at}.jpg"
                (root / f"camera {camera}" / name).write_bytes(archive.read(train.paths[at].as_posix()))
    return root


@pytest.fixture
def model_file(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


@contextmanager
def labelling(model_file, cameras, port, *more):
    """The command at work; yields its address and a list that holds what it said at its end."""
    command = [sys.executable, "-m", "iics", "label", str(model_file), "folder", "--data-dir", str(cameras)]
    said = []
    with subprocess.Popen([*command, f"--port={port}", *more], stdout=subprocess.PIPE, text=True) as process:
        yield re.match(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0], said
        process.send_signal(signal.SIGTERM)
        said.append(process.communicate(timeout=120)[0])
        assert process.returncode == 0


def person(place):
    return Path(place).name.split("_")[0]


def asked_about(window, table):
    """The pair that is shown, and what is true of it."""
    shown = int(window.get_attribute(".iics-ask:not([data-sent])", "data-pair"))
    pair = read_answers(table)[shown - 1]
    return pair, "yes" if person(pair.first) == person(pair.second) else "no"


def answer_by_key(window, table, count):
    for _ in range(count):
        pair, true = asked_about(window, table)
        window.keyboard.press(KEYS[true])
        window.wait_for_selector(f".iics-ask:not([data-pair='{pair.pair}'])")


@pytest.mark.slow
def test_fifty_pairs_are_answered_in_a_browser_and_say_what_is_true(chromium, cameras, model_file, serve_pages):
    pytest.importorskip("gradio", reason="the extra app is not installed")
    table, port = model_file.with_name("mine_label_answers.csv"), serve_pages.free_port()
    context = chromium.new_context(viewport={"width": 390, "height": 800}, has_touch=True)  # a phone
    context.set_default_timeout(PATIENCE)
    window = context.new_page()
    failed = []
    window.on("pageerror", lambda error: failed.append(str(error)))
    with labelling(model_file, cameras, port) as (address, said):
        window.goto(address)
        window.wait_for_selector(r"text=/0 of (50|4\d) answered/")
        assert window.locator(".iics-ask img").count() == 2
        assert window.evaluate("document.documentElement.scrollWidth") <= 390
        pair, true = asked_about(window, table)
        window.get_by_role("button", name="No" if true == "yes" else "Yes").tap()  # a slip
        window.wait_for_selector(r"text=/1 of (50|4\d) answered/")
        window.keyboard.press("u")
        window.wait_for_selector(r"text=/0 of (50|4\d) answered/")
        assert asked_about(window, table)[0] == pair
        answer_by_key(window, table, 20)
    assert "Too few answers" in said[0] or "Rank-1 across cameras" in said[0]
    before = [(pair.first, pair.second, pair.answer) for pair in read_answers(table)]
    assert sum(answer != "" for _, _, answer in before) >= 20
    with labelling(model_file, cameras, port) as (address, said):
        window.goto(address)
        window.wait_for_selector(".iics-ask[data-pair]")
        while window.locator(".iics-ask[data-pair]").count():
            answer_by_key(window, table, 1)
        window.wait_for_selector("text=All pairs are answered. Thank you!")
        shown = window.inner_text(".iics-ask-result")
    context.close()
    assert failed == []
    pairs = read_answers(table)
    assert [(pair.first, pair.second) for pair in pairs] == [(first, second) for first, second, _ in before]
    assert all((pair.answer == "yes") == (person(pair.first) == person(pair.second)) for pair in pairs)
    check_against_the_truth(shown, load_folder(cameras).train, model_file)
    assert shown.splitlines()[0] in said[0]
    marks = read_marks(model_file.with_name("mine_label_marks.csv"))
    assert len(marks) == 25
    assert {mark.rank for mark in marks} == {1}


def check_against_the_truth(shown, crops, model_file):
    """The interval on the page holds rank-1 of all crops, and those in the file the rates of all pairs."""
    features = load_model(model_file).embed(crops)
    people = np.array([person(path) for path in crops.paths])
    matches, _ = best_matches(features, crops.camera_ids)
    truth = 100 * (people == people[matches]).mean()
    low, high = map(float, re.search(r"95 % interval ([\d.]+) % to ([\d.]+) %", shown).groups())
    assert low <= truth <= high
    thresholds = read_header(model_file).match_thresholds
    assert thresholds.calibration == "answers"
    is_different = (people[:, None] != people) & (crops.camera_ids[:, None] != crops.camera_ids)
    different = (features @ features.T)[is_different]
    known = [at for at in thresholds.thresholds if at.similarity is not None]
    assert known
    assert all(at.rate_low <= (different > at.similarity).mean() <= at.rate_high for at in known)
