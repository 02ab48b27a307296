"""`iics benchmark evaluation`."""

from __future__ import annotations

import json
import re

import pytest

from iics.cli import run

SMALL = ["--queries=40", "--gallery=300", "--features=32", "--identities=20", "--cameras=3", "--repeats=1"]


def test_a_table_shows_evaluation_beside_the_product(capsys):
    assert run(["benchmark", "evaluation", *SMALL]) == 0
    printed = capsys.readouterr().out
    for text in (
        "40 queries x 300 gallery crops",
        "queries @ gallery.T alone",
        "features to metrics",
    ):
        assert text in printed
    assert "re-ranked" not in printed


def test_the_same_as_json_with_reranking(capsys):
    assert run(["benchmark", "evaluation", *SMALL, "--rerank", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["settings"]["gallery"] == 300
    speed = values["speed"]
    assert 0 < speed["mean_ap"] < 1
    assert speed["reranked_seconds"] > 0
    assert speed["reranked_mean_ap"] != speed["mean_ap"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--queries=0"], "--queries must be a whole number from 1 to 1,000,000,000; got 0"),
        (["--cameras=1"], "--cameras must be a whole number from 2 to 10,000; got 1"),
        (["--junk=0.5", "--distractors=0.5"], "shares of the gallery below 1 together, got 0.5 and 0.5"),
        (["--gallery=1000000000"], r"1,000,003,368 crops need about \S+ GB of memory here, \S+ GB are free"),
    ],
)
def test_what_cannot_be_measured_is_refused(flags, message, capsys):
    assert run(["benchmark", "evaluation", *flags]) == 2
    assert re.search(message, capsys.readouterr().err)
