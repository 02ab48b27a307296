"""`iics benchmark pseudo-labels`."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest

from iics.cli import run

SMALL = ["--crops=300", "--scores=60", "--cameras=3", "--features=64", "--repeats=1"]


@pytest.fixture(autouse=True)
def malloc_as_it_comes(monkeypatch):
    """Keeping freed memory would last for the whole test session."""
    monkeypatch.setattr("iics.memory.keep_freed_memory", lambda: False)


def test_a_table_shows_every_step(capsys):
    assert run(["benchmark", "pseudo-labels", *SMALL]) == 0
    printed = capsys.readouterr().out
    for text in ("300 synthetic crops", "malloc as it comes", "Eq. 9", "Eq. 5", "re-ranking", "average linkage"):
        assert text in printed
    assert re.search(r"17 clusters; adjusted Rand index with the known identities 0\.\d{3}\.", printed)


def test_the_same_as_json(capsys):
    assert run(["benchmark", "pseudo-labels", *SMALL, "--route=graph", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["settings"]["crops"] == 300
    assert values["steps"] == []
    assert values["labelling"]["num_clusters"] == 17
    assert values["labelling"]["step"]["seconds"] > 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--crops=5"], "--crops must be at least 6 for 6 cameras, got 5"),
        (["--scores=2"], "--scores must be at least 1 a camera, got 2"),
        (["--repeats=0"], "--repeats must be a whole number from 1 to 1,000; got 0"),
        (["--temperature=0"], "--temperature must be a number above 0 and at most 100; got 0"),
        (["--graph-neighbours=20"], "--graph-neighbours must be a whole number from 21 to 10,000; got 20"),
        (["--crops=100000000"], r"100,000,000 crops need about \S+ GB of memory here, \S+ GB are free"),
    ],
)
def test_what_cannot_be_measured_is_refused(flags, message, capsys):
    assert run(["benchmark", "pseudo-labels", *flags]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_faiss_that_is_not_installed_is_named_before_the_start(capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run(["benchmark", "pseudo-labels", *SMALL, "--route=graph", "--neighbour-search=faiss"]) == 2
    assert "pip install 'iics[faiss]'" in capsys.readouterr().err
