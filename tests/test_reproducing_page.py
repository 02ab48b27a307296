"""docs/reproducing.md: its commands parse, and its numbers are those of the code."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from iics import presets
from iics.cli.parse import parse
from iics.cli.reproduce import ReproduceCommand
from iics.paper.planned_runs import distinct_runs, plan_rows
from iics.paper.study import QUICK_TEST_IDENTITIES, QUICK_TRAIN_IDENTITIES, Study, make_study, quick_settings
from iics.paper.variants import LAYERS

PAGE = (Path(__file__).parent.parent / "docs" / "reproducing.md").read_text()
COMMANDS = re.findall(r"^iics (.*)$", PAGE, flags=re.MULTILINE)
RUNS = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (\d+) \| (\d+) \|", PAGE, flags=re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_parse(line):
    command, *words = shlex.split(line, comments=True)
    assert command == "reproduce"
    assert parse(ReproduceCommand, words, command=command).targets


def test_the_numbers_of_runs_are_true(people, lite0_settings):
    supervised = replace(lite0_settings, method="supervised")
    study = Study("quick", lite0_settings, supervised, people, replace(people, name="other"))
    seen = set()
    for targets, num_runs, num_new in RUNS:
        for target in re.findall(r"\w+", targets):
            rows = plan_rows(target, study, num_seeds=1)
            names = {run.name for run in distinct_runs(rows)}
            assert len(rows if target == "table4" else names) == int(num_runs)
            if target != "table6":  # it shares table5's row of the page
                assert len(names - seen) == int(num_new)
            seen |= names
    assert f"| `all` | | {len(seen)} | |" in PAGE
    assert len(RUNS) == 8


def test_the_quick_preset_is_what_the_page_says(people):
    quick = quick_settings(QUICK_TRAIN_IDENTITIES)
    in_camera, over_all = quick.stage1.clusters.number, quick.stage2.clusters.number
    paper = presets.MARKET1501
    for row in (
        f"| backbone | {quick.model.backbone} | ResNet-50 |",
        f"| crops | {quick.model.height}x{quick.model.width} | {paper.model.height}x{paper.model.width} |",
        f"| rounds of {quick.stage1.epochs} + {quick.stage2.epochs} epochs | {quick.rounds} | {paper.rounds} |",
        f"| clusters | {in_camera} in a camera, {over_all} over all | 600 and 800 |",
        f"| mu in the first round | {quick.stage2.mu} | {paper.stage2.mu} |",
    ):
        assert row in PAGE
    assert f"{QUICK_TRAIN_IDENTITIES} identities, drawn once" in PAGE
    assert f"at most {QUICK_TEST_IDENTITIES} identities" in PAGE
    supervised = make_study(people, preset="quick").supervised
    assert f"| {supervised.rounds} rounds of {supervised.supervised.epochs} epochs | not said |" in PAGE


def test_the_layers_are_what_the_page_says():
    for layer, paths in LAYERS["efficientnet_lite0"].items():
        (row,) = re.findall(rf"^\| {layer} \| 1/.*$", PAGE, flags=re.MULTILINE)
        assert re.findall(r"`([\w.]+)`", row) == [f"layer{layer}", *paths]
