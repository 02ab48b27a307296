"""Data by name: every reader is reached through its flags, and a run remembers them."""

import json
from pathlib import Path
from typing import get_args

import pytest

from iics.cli.source import DataName, DataSource
from iics.cli.train import _PRESET_OF_DATA
from iics.errors import DataError

PATTERN = "{camera}/{}.png"


def test_every_name_has_a_preset():
    assert set(_PRESET_OF_DATA) == set(get_args(DataName))


@pytest.mark.parametrize("name", sorted(set(get_args(DataName)) - {"sample"}))
def test_every_name_has_a_reader(name, tmp_path):
    source = DataSource(name, tmp_path / "nowhere", PATTERN if name == "pattern" else None)
    with pytest.raises(DataError, match="nowhere"):
        source.load()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (DataSource(), "Which data? Name one of sample, market1501, dukemtmc, "),
        (DataSource("sample", Path("x")), "The sample ships with the package and takes no --data-dir; leave it out."),
        (DataSource("folder"), "Where is the data? folder needs --data-dir FOLDER."),
        (DataSource("csv"), "Where is the data? csv needs --data-dir FILE."),
        (DataSource("pattern", Path("x")), "How are files named? pattern needs --pattern, e.g. '{camera}/{}.jpg'."),
        (DataSource("csv", Path("x"), PATTERN), "--pattern is for the data name pattern, not for csv; leave it out."),
    ],
)
def test_flags_that_are_missing_or_in_vain_are_refused(source, message):
    with pytest.raises(DataError) as caught:
        source.load()
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("source", [DataSource("sample"), DataSource("pattern", Path("/x"), PATTERN)])
def test_a_source_comes_back_from_text(source):
    assert DataSource.from_values(json.loads(json.dumps(source.to_values()))) == source


def test_run_folders_of_older_versions_are_understood():
    old = {"data": "folder", "data_dir": "/x", "evaluate": "end", "name": "x train"}
    assert DataSource.from_values(old) == DataSource("folder", Path("/x"))
    assert DataSource.from_values({"data": "sample", "data_dir": ""}) == DataSource("sample")
    assert DataSource.from_values({}) is None


def test_a_folder_of_cameras_is_checked_by_pattern_and_by_table(iics, folder_people):
    finished = iics("check-data", "pattern", "--data-dir", folder_people, "--pattern", PATTERN)
    assert finished.code == 0, finished.stdout
    by_folder = iics("check-data", "folder", "--data-dir", folder_people)
    assert finished.stdout == by_folder.stdout


def test_a_run_on_a_table_resumes_from_any_folder(iics, folder_people, tiny_flags, tmp_path, monkeypatch):
    rows = [f"{path.absolute()},{path.parent.name},{path.stem[0]}p" for path in sorted(folder_people.rglob("*.png"))]
    (tmp_path / "crops.csv").write_text("\n".join(["path,camera,identity", *rows]))
    monkeypatch.chdir(tmp_path)
    finished = iics("train", "csv", "--data-dir", "crops.csv", "--out", tmp_path / "run", *tiny_flags.but("--rounds=1"))
    assert finished.code == 0, finished.stderr
    (record,) = map(json.loads, (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    assert record["stage2"]["pseudo_labels"]["adjusted_rand_index"] is not None
    source = json.loads((tmp_path / "run" / "data.json").read_text())
    assert (source["data"], source["data_dir"], source["pattern"]) == ("csv", str(tmp_path / "crops.csv"), "")
    monkeypatch.chdir("/")
    assert iics("train", "--resume", tmp_path / "run").code == 0


def test_queries_without_identities_do_not_keep_from_training(iics, folder_people, tiny_flags, tmp_path):
    files = sorted(folder_people.rglob("*.png"))
    splits = ["query" if at == 0 else "gallery" if at == 20 else "" for at in range(len(files))]
    rows = [f"{path},{path.parent.name},{split}" for path, split in zip(files, splits, strict=True)]
    (tmp_path / "crops.csv").write_text("\n".join(["path,camera,split", *rows]))
    flags = [*tiny_flags.but("--rounds=1"), "--stages=stage1"]
    finished = iics("train", "csv", "--data-dir", tmp_path / "crops.csv", "--out", tmp_path / "run", *flags)
    assert finished.code == 0, finished.stderr
