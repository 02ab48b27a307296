"""`iics compare`: what it prints and writes, and what it refuses."""

import json
import shutil

import pytest


@pytest.fixture
def two_runs(trained, tmp_path):
    out, _ = trained
    return out, shutil.copytree(out, tmp_path / "copy")


def test_two_runs_are_compared_on_the_terminal_and_on_a_page(iics, two_runs, tmp_path):
    finished = iics("compare", *two_runs, "--out", tmp_path / "both.html")
    assert finished.code == 0
    assert "mAP %" in finished.stdout
    assert "All settings that decide a result are the same." in finished.stdout
    assert finished.stdout.endswith(f"Page: {tmp_path}/both.html\n")
    assert "IICS runs side by side" in (tmp_path / "both.html").read_text(encoding="utf-8")


def test_json_holds_the_scores_that_each_run_recorded(iics, two_runs):
    values = json.loads(iics("compare", *two_runs, "--json").stdout)
    last = json.loads((two_runs[0] / "metrics.jsonl").read_text().splitlines()[-1])
    assert [run["numbers"]["mAP %"] for run in values["runs"]] == [100 * last["evaluation"]["mean_ap"]] * 2


def test_one_run_alone_is_refused(refusal, two_runs):
    assert refusal("compare", two_runs[0]).startswith("Two runs or more are compared, got 1.")
    assert refusal("compare").startswith("Two runs or more are compared, got 0.")
