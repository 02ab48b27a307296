"""The recorder's own parts: what it leaves out, what it takes for a difference, which runs it names."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.golden import compare
from tests.golden.cases import CASES, numbered_tracklets
from tests.golden.commands import CommandError, Commands
from tests.golden.compare import differences
from tests.golden.facts import arrays_hash, json_facts, table_facts, text_lines
from tests.golden.training_cases import RUNS, small

WORK = Path("/tmp/work")


def test_equal_records_have_no_differences() -> None:
    record = {"a": [1, 2.5, None, math.nan], "b": {"c": "text"}}
    assert list(differences(record, json.loads(json.dumps(record)))) == []


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ({"run": {"loss": 0.1}}, {"run": {"loss": math.nextafter(0.1, 1)}}, "run > loss: 0.1 -> 0.10000000000000002"),
        ({"run": [1, 2]}, {"run": [1, 3]}, "run[1]: 2 -> 3"),
        ({"run": [1]}, {"run": [1, 2]}, "run: [1] -> [1, 2]"),
        ({"run": 1}, {"run": 1.0}, "run: 1 -> 1.0"),
        ({"run": 1, "other": 2}, {"run": 1}, "other: only before: 2"),
        ({"run": 1}, {"run": 1, "other": None}, "other: only after: null"),
    ],
)
def test_each_difference_is_named_by_case_and_field(before: object, after: object, line: str) -> None:
    assert list(differences(before, after)) == [line]


def _compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *cases: dict[str, object]) -> int:
    files = [tmp_path / f"{number}.json" for number in range(2)]
    for file, found in zip(files, cases, strict=True):
        file.write_text(json.dumps({"machine": {}, "cases": found}))
    monkeypatch.setattr(sys, "argv", ["compare", *map(str, files)])
    return compare.main()


def test_comparing_ends_with_one_if_records_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _compared(tmp_path, monkeypatch, {"full": {"loss": 1}}, {"full": {"loss": 1}}) == 0
    assert _compared(tmp_path, monkeypatch, {"full": {"loss": 1}}, {"full": {"loss": 2}}) == 1


def test_a_case_that_failed_both_times_is_not_taken_for_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed: dict[str, object] = {"full": {"failed": "CommandError"}}
    assert _compared(tmp_path, monkeypatch, failed, failed) == 1


def test_times_speeds_and_dates_are_left_out_and_places_are_relative() -> None:
    line = {"round": 1, "seconds": {"stage1": 2.0}, "phases": {"stage1_train": {"seconds": 1.0}}, "path": f"{WORK}/a"}
    assert json_facts(json.dumps(line), WORK) == {"round": 1, "path": "WORK/a"}
    text = f"Trained for 12 s.\n2026-01-02: {WORK}/a.onnx, 13.9 MB, took 1 min 22 s; 3 singletons"
    assert text_lines(text, WORK) == ["DATE: WORK/a.onnx, SIZE, took DURATION; 3 singletons"]


def test_a_hash_of_arrays_knows_names_types_shapes_and_last_bits() -> None:
    array = np.array([[0.1, 0.2]], dtype=np.float32)
    others = [{"b": array}, {"a": array.astype(np.float64)}, {"a": array.T}, {"a": np.nextafter(array, np.float32(1))}]
    assert arrays_hash({"a": array}) == arrays_hash({"a": array.copy()})
    assert arrays_hash({"a": array}) not in [arrays_hash(other) for other in others]


def test_a_table_is_hashed_by_column(tmp_path: Path) -> None:
    tables = []
    for cluster in ("0", "1"):
        (tmp_path / "round-001.csv").write_text(f"path,cluster\n{tmp_path}/a.jpg,{cluster}\n")
        tables.append(table_facts(tmp_path / "round-001.csv", tmp_path))
    assert tables[0]["path"] == tables[1]["path"]
    assert tables[0]["cluster"] != tables[1]["cluster"]


def test_tracklets_of_a_search_are_numbered_as_they_come() -> None:
    found = {"matches": [{"tracklet": 77}, {"tracklet": None}, {"tracklet": 5}, {"tracklet": 77}]}
    assert [match["tracklet"] for match in numbered_tracklets(found)["matches"]] == [0, None, 1, 0]


def test_a_failing_command_is_told_with_what_it_said(tmp_path: Path) -> None:
    commands = Commands(tmp_path, Path(sys.executable))
    with pytest.raises(CommandError, match="exit code 3\nno such thing"):
        commands.run("-c", "import sys; sys.stderr.write('no such thing'); sys.exit(3)")


def test_every_small_run_is_a_case_on_one_thread_with_its_own_flags() -> None:
    flags = {name: small(name) for name in RUNS}
    assert flags.keys() <= CASES.keys()
    assert len({tuple(words) for words in flags.values()}) == len(flags)
    assert all(words[words.index("--engine.threads") + 1] == "1" for words in flags.values())
