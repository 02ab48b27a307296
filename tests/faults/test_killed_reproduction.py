"""`iics reproduce`, killed while it trains its first run, its last one, and while it writes tables."""

import csv
import json

import pytest

pytestmark = pytest.mark.slow
TARGETS = ("figure1", "figure3")
MOMENTS = {
    "as the first run begins its second phase": lambda changes, first, last: at(changes, f"runs/{first}/metrics.jsonl"),
    "after the last run was trained, before it is measured": lambda changes, first, last: at(
        changes, f"runs/{last}/metrics.jsonl", again=True
    ),
    "between the tables": lambda changes, first, last: at(changes, "figure3.csv"),
}


def at(changes, name, *, again=False):
    """Return the number of the change that puts a file in its place, the first or the last one of these."""
    numbers = [number for number, change in enumerate(changes, start=1) if change.endswith(f", {name}")]
    return numbers[-1 if again else 0]


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
    return (folder / "model.safetensors").read_bytes(), labels, evaluations, (folder / "rankings.npz").read_bytes()


def test_a_killed_reproduction_is_finished_by_the_same_command(reproduce, tmp_path, outcomes):
    whole = reproduce(tmp_path / "whole")
    assert whole.code == 0, whole.end
    expected = numbers_of(tmp_path / "whole" / "out")
    made = [change.split(", runs/")[1].split("/")[0] for change in whole.changes if change.endswith("settings.json")]
    assert len(set(made)) == 2
    for moment, number_of in MOMENTS.items():
        folder = tmp_path / moment
        killed = reproduce(folder, at_change=number_of(whole.changes, made[0], made[-1]))
        again = reproduce(folder)
        try:
            assert killed.code == -9, killed.end
            assert again.code == 0, again.end
            assert numbers_of(folder / "out") == expected
            outcomes.add(moment, "the same numbers")
        except AssertionError as error:
            outcomes.add(moment, str(error)[:700], is_failure=True)
    outcomes.check("kills of iics reproduce")
