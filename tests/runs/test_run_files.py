"""Damaged files of a run folder: each is named, with what to do."""

import json

import pytest

from iics.errors import RunFolderError
from iics.runs.run_data import RunData
from iics.runs.run_files import read_json, read_records
from iics.runs.run_hold import held

GOOD = {"name": "people", "num_crops": 2, "crops_per_camera": {"door": 2}, "fingerprint": "0" * 16, "data": "sample"}

DAMAGES = {
    "empty": b"",
    "binary": b"\xff\xfe{}",
    "torn": b'{"name": "peo',
    "list": b"[]",
    "null": b"null",
    "number": b"7",
    "not a number": b'{"num_crops": NaN}',
    "infinite": b'{"num_crops": 1e999}',
    "huge": b'{"num_crops": ' + b"9" * 30 + b"}",
    "thousands of digits": b'{"num_crops": ' + b"9" * 5000 + b"}",
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("content", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("name", ["settings.json", "data.json", "loggers.json", "camera_pairs.json"])
def test_what_is_no_object_of_numbers_and_names_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RunFolderError, match=rf"{name} .*Restore it from a copy\."):
        read_json(tmp_path / name)


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    (tmp_path / "data.json").mkdir()
    with pytest.raises(RunFolderError, match=r"data\.json cannot be read: it is a folder, no regular file\."):
        RunData.read(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "needs"),
    [
        ("name", 5, "text"),
        ("data_dir", 5, "text"),
        ("fingerprint", None, "text"),
        ("num_crops", "2", "the number of crops"),
        ("num_crops", 0, "the number of crops"),
        ("num_crops", True, "the number of crops"),
        ("crops_per_camera", [1], "cameras with their number of crops"),
        ("crops_per_camera", {"door": "many"}, "cameras with their number of crops"),
        ("evaluate", "sometimes", "one of every-round, end, never"),
    ],
)
def test_a_field_of_the_wrong_kind_in_data_is_named(tmp_path, field, value, needs):
    (tmp_path / "data.json").write_text(json.dumps(GOOD | {field: value}))
    with pytest.raises(RunFolderError, match=rf"data\.json is damaged: {field} must be {needs}, got "):
        RunData.read(tmp_path)


def test_a_field_that_is_missing_in_data_is_named_when_it_is_needed(tmp_path):
    (tmp_path / "data.json").write_text(json.dumps({"name": "people"}))
    with pytest.raises(RunFolderError, match=r"data\.json is damaged: it has no fingerprint\. Restore"):
        RunData.read(tmp_path).needed("fingerprint")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["{"], "line 1, is no valid JSON"),
        (['{"round": 0}', '{"round": 2}'], "line 2, is of round 2, after round 0"),
        (['{"round": true}'], "line 1, names no round"),
        (['{"round": 1, "seconds": 5}'], "line 1, has no object at seconds"),
        (['{"round": 1, "seconds": {"stage1": "long"}}'], "line 1, has no number at seconds.stage1"),
        (['{"round": 1, "evaluation": [1]}'], "line 1, has no object or null at evaluation"),
        (['{"round": 1, "evaluation": {"mean_ap": NaN}}'], "line 1, is no valid JSON: NaN is no number of a run"),
        (['{"round": 1, "alpha": {"layer3": null}}'], "line 1, has no number at alpha.layer3"),
        (['{"round": 1, "stage2": {"pseudo_labels": {"size_counts": [[1]]}}}'], "has no pairs of counts at stage2."),
        (['{"round": 1, "stage1": {"pseudo_labels": {"door": 3}}}'], "has no object at stage1.pseudo_labels.door"),
        (['{"round": 1, "stage1": {"similarity": {"pairs": {"same_camera": {"counts": [[900, 1]]}}}}}'], "histogram"),
    ],
)
def test_a_damaged_line_of_metrics_is_named_with_its_field(tmp_path, lines, said):
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(RunFolderError) as refusal:
        read_records(tmp_path)
    assert f"{tmp_path}/metrics.jsonl, line " in str(refusal.value)
    assert said in str(refusal.value)
    assert "or delete it: iics train --resume writes it anew from the last checkpoint." in str(refusal.value)


def test_records_of_older_versions_hold_less(tmp_path):
    assert read_records(tmp_path) == []
    (tmp_path / "metrics.jsonl").write_text('{"round": 0}\n{"round": 1, "evaluation": null, "other": "words"}\n')
    assert [record.number for record in read_records(tmp_path)] == [0, 1]


def test_a_holder_that_died_holds_nothing(tmp_path):
    (tmp_path / ".held_by.json").write_text('{"process": 1, "host": "gone", "since": "2020-01-01 00:00:00"}')
    with held(tmp_path):
        assert json.loads((tmp_path / ".held_by.json").read_text())["host"] != "gone"
    assert not (tmp_path / ".held_by.json").exists()
