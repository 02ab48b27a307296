"""`iics reproduce`, killed while it trains its first run, its last one, and while it writes tables."""

import csv
import json

import pytest

pytestmark = pytest.mark.slow
TARGETS = ("figure1", "figure3")


def moments(changes):
    """Return the numbers of the changes of files before which it is killed, by what they are."""
    folders = [folder_of(change) for change in changes if change.endswith("/settings.json")]
    first, last = folders[0], folders[-1]
    assert first != last
    return {
        "as the first run writes down its first round": at(changes, f"{first}/metrics.jsonl")[0],
        "as the last run writes down its scores": at(changes, f"{last}/metrics.jsonl")[-1],
        "between the tables": at(changes, "figure3.csv")[-1],
    }


def at(changes, name):
    return [number for number, change in enumerate(changes, start=1) if change.endswith(f" {name}")]


def folder_of(change):
    return change.rsplit(" ", 1)[1].removesuffix("/settings.json")


@pytest.fixture(scope="module")
def reproduce(commands, market_people):
    """Runs `iics reproduce` in a folder."""
    data = ("--data", "market-layout", "--data-dir", market_people, "--weights", "none", "--device", "cpu")

    def run(folder, **order):
        folder.mkdir(exist_ok=True)
        arguments = ("reproduce", *TARGETS, *data, "--out", folder / "out")
        return commands.run(*arguments, folder=folder, watched=str(folder / "out"), has_tiny_runs=True, **order)

    return run


def numbers_of(out):
    """Return everything that was computed, but times."""
    runs = {folder.name: run_of(folder) for folder in sorted((out / "runs").iterdir()) if folder.is_dir()}
    with (out / "runs.csv").open() as file:
        scores = [{name: cell for name, cell in row.items() if "seconds" not in name} for row in csv.DictReader(file)]
    tables = {name: (out / name).read_bytes() for target in TARGETS for name in (f"{target}.csv", f"{target}.npz")}
    return runs, scores, tables


def run_of(folder):
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    labels = {file.name: file.read_bytes() for file in (folder / "pseudo_labels").iterdir()}
    evaluations = [record["evaluation"] for record in records]
    return (folder / "model.safetensors").read_bytes(), labels, evaluations, (folder / "camera_pairs.json").read_bytes()


def test_a_killed_reproduction_is_finished_by_the_same_command(reproduce, tmp_path, outcomes):
    whole = reproduce(tmp_path / "whole")
    assert whole.code == 0, whole.end
    expected = numbers_of(tmp_path / "whole" / "out")
    for moment, number in moments(whole.changes).items():
        folder = tmp_path / moment
        killed = reproduce(folder, at_change=number)
        again = reproduce(folder)
        try:
            assert killed.code == -9, killed.end
            assert again.code == 0, again.end
            assert numbers_of(folder / "out") == expected
            outcomes.add(moment, "the same numbers")
        except AssertionError as error:
            outcomes.add(moment, str(error)[:700], is_failure=True)
    outcomes.check("kills of iics reproduce")
