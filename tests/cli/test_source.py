"""Data by name: every reader is reached through its flags, and a run remembers them."""

import json
from pathlib import Path
from typing import get_args

import pytest

from iics.cli.source import DataName, DataSource
from iics.cli.train_arguments import _PRESET_OF_DATA
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
        (DataSource(), "Which data? Name a folder of camera folders, a table, or one of sample, market1501, "),
        (DataSource("sample", Path("x")), "The sample ships with the package and takes no --data-dir; leave it out."),
        (DataSource("folder"), "Where is the data? folder needs --data-dir FOLDER."),
        (DataSource("csv"), "Where is the data? csv needs --data-dir FILE."),
        (DataSource("pattern", Path("x")), "How are files named? pattern needs --pattern, e.g. '{camera}/{}.jpg'."),
        (
            DataSource("foldr", Path("x")),
            "'foldr' is no data: there is no file or folder of that name here, and no reader. ",
        ),
        (DataSource("None"), "'None' is no data: "),
        (DataSource("/nowhere/cameras"), "'/nowhere/cameras' is no data: "),
        (DataSource(".", Path("x")), ". is a path, and --data-dir is another; leave one of them out."),
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


@pytest.mark.usefixtures("unreported")
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


@pytest.mark.usefixtures("unreported")
def test_queries_without_identities_do_not_keep_from_training(iics, folder_people, tiny_flags, tmp_path):
    files = sorted(folder_people.rglob("*.png"))
    splits = ["query" if at == 0 else "gallery" if at == 20 else "" for at in range(len(files))]
    rows = [f"{path},{path.parent.name},{split}" for path, split in zip(files, splits, strict=True)]
    (tmp_path / "crops.csv").write_text("\n".join(["path,camera,split", *rows]))
    flags = [*tiny_flags.but("--rounds=1"), "--stages=stage1"]
    finished = iics("train", "csv", "--data-dir", tmp_path / "crops.csv", "--out", tmp_path / "run", *flags)
    assert finished.code == 0, finished.stderr


@pytest.mark.parametrize("spelling", ["{here}/cameras", "cameras", "./cameras/", "~/cameras"])
def test_a_folder_in_place_of_a_name_is_read_as_cameras(folder_people, tmp_path, monkeypatch, spelling):
    (tmp_path / "cameras").symlink_to(folder_people)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    source = DataSource(spelling.format(here=tmp_path)).by_name()
    assert source.data == "folder"
    assert len(source.load().train) == len(DataSource("folder", folder_people).load().train)
    assert DataSource(data_dir=Path(spelling.format(here=tmp_path))).by_name() == source
    assert DataSource.from_values(source.absolute().to_values()) == source.absolute()


@pytest.mark.parametrize(("name", "kind"), [("crops.csv", "csv"), ("CROPS.PARQUET", "parquet")])
def test_a_table_in_place_of_a_name_is_read_as_one(tmp_path, name, kind):
    (tmp_path / name).touch()
    assert DataSource(str(tmp_path / name)).by_name() == DataSource(kind, tmp_path / name)


def test_a_folder_with_a_pattern_is_read_by_it(folder_people):
    source = DataSource(str(folder_people), pattern=PATTERN)
    assert source.by_name() == DataSource("pattern", folder_people, PATTERN)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lobby.mp4", r"Cut crops out of a video first: iics crop lobby\.mp4 --camera NAME --out crops\.$"),
        ("Market.zip", r"Of a zip, say which data set it holds, e\.g\. market1501 --data-dir Market\.zip\.$"),
        ("0001.jpg", r"is neither a folder of camera folders nor a table .* e\.g\. cameras/lobby/0001\.jpg\.$"),
    ],
)
def test_other_files_are_refused_with_a_way_out(tmp_path, name, message):
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=message):
        DataSource(str(tmp_path / name)).load()


@pytest.mark.parametrize("inside", ["bounding_box_train", "bbox_train", "image_train", "train_all"])
def test_published_layouts_are_not_taken_for_cameras(tmp_path, inside):
    (tmp_path / inside).mkdir()
    with pytest.raises(DataError, match=f"holds {inside}, as published data sets do, and would be misread"):
        DataSource(str(tmp_path)).load()


def test_the_nearest_folder_and_name_are_suggested(tmp_path, monkeypatch):
    (tmp_path / "cameras").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"Did you mean cameras\?"):
        DataSource("camera").load()
    with pytest.raises(DataError, match=r"Did you mean market1501\?"):
        DataSource("market1510").load()


def test_a_folder_named_like_data_is_meant_by_its_path(tmp_path, monkeypatch):
    (tmp_path / "sample").mkdir()
    monkeypatch.chdir(tmp_path)
    assert DataSource("sample").by_name() == DataSource("sample")
    assert DataSource("./sample").by_name() == DataSource("folder", Path("sample"))


def test_boxes_in_place_of_a_name_are_read_with_their_classes(tmp_path, make_image):
    make_image(tmp_path / "lobby" / "000001.png", size=(90, 90))
    (tmp_path / "lobby.txt").write_text("1,4,10,10,20,40,1,1\n1,5,40,10,20,40,1,3\n")
    source = DataSource(str(tmp_path / "lobby.txt"), classes="3, 2")
    assert source.by_name() == DataSource("mot", tmp_path / "lobby.txt", classes="3, 2")
    assert source.load().train.boxes.tolist() == [[40, 10, 20, 40]]
    assert DataSource.from_values(source.by_name().to_values()) == source.by_name()
    with pytest.raises(DataError, match="--classes is for boxes in frames"):
        DataSource("csv", tmp_path / "x.csv", classes="3").load()


@pytest.mark.parametrize("place", ["MOT17-02", "."])
def test_whole_frames_of_sequences_are_not_taken_for_crops(tmp_path, place):
    (tmp_path / "MOT17-02" / "det").mkdir(parents=True)
    (tmp_path / "MOT17-02" / "det" / "det.txt").touch()
    with pytest.raises(
        DataError, match=r"holds boxes and frames as MOTChallenge has them, .*: mot --data-dir .*, mtmc"
    ):
        DataSource(str(tmp_path / place)).load()
