import csv
import hashlib
import io
import json
import logging
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from iics.crops import CropSet
from iics.errors import RunFolderError, WriteError
from iics.models.heads import BNNeckHead, heads_of
from iics.runs.run_folder import Checkpoint, RunFolder
from iics.settings_json import to_json
from iics.tracklet_settings import TrackletSettings


@pytest.fixture
def crops(make_crops):
    return make_crops([3, 2])


@pytest.fixture
def folder(tmp_path, tiny_settings, crops):
    return RunFolder.create(tmp_path / "run", settings=tiny_settings, crops=crops, source={"data": "market1501"})


STAGES = ("stage1", "stage2")


def checkpoint(round_index=0, stage="stage1", state=None, stages=STAGES):
    return Checkpoint(
        round_index=round_index,
        stage_index=stages.index(stage),
        stage=stage,
        backbone={"weight": torch.arange(6.0).view(2, 3) + round_index, "count": torch.tensor(3)},
        state={} if state is None else state,
        labels={"stage1": torch.tensor([0, 1, -1])},
        labels_before={},
        record=json.dumps({"stage1": {"loss": 0.1}}),
        history=['{"round": 0}'],
    )


def write(file: Path, values: dict):
    """Write a checkpoint of any fields with its hash behind."""
    buffer = io.BytesIO()
    torch.save(values, buffer)
    content = buffer.getvalue()
    file.write_bytes(content + hashlib.sha256(content).digest())


def names(folder):
    return sorted(file.name for file in (folder.path / "checkpoints").iterdir())


def newest(folder):
    return sorted((folder.path / "checkpoints").iterdir())[-1]


def test_new_folder_records_settings_and_data(folder, tiny_settings, crops):
    opened = RunFolder.open(folder.path)
    assert opened.settings() == tiny_settings
    assert opened.source() == {"data": "market1501"}
    values = dict(opened.data().values)
    assert datetime.fromisoformat(values.pop("started"))
    assert len(values.pop("run")) == 32
    assert len(values.pop("deciding_settings")) == 16
    assert values == {
        "data": "market1501",
        "name": "crops",
        "num_crops": 5,
        "crops_per_camera": {"a": 3, "b": 2},
        "fingerprint": crops.fingerprint(),
    }


def test_empty_folder_is_free(tmp_path):
    (tmp_path / "run").mkdir()
    RunFolder.check_new(tmp_path / "run")
    RunFolder.check_new(tmp_path / "not there")


def test_place_with_something_in_it_is_refused(tmp_path, tiny_settings, crops):
    place = tmp_path / "run"
    place.mkdir()
    (place / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError) as caught:
        RunFolder.create(place, settings=tiny_settings, crops=crops, source={})
    assert str(caught.value) == (f"{place} exists already; nothing is overwritten. Choose another --out.")
    assert [file.name for file in place.iterdir()] == ["notes.txt"]


def test_run_in_the_place_is_refused_with_the_way_to_go_on(folder):
    with pytest.raises(RunFolderError) as caught:
        RunFolder.check_new(folder.path)
    assert str(caught.value) == (
        f"{folder.path} exists already; nothing is overwritten. Choose another --out, or go on with that run: "
        f"iics train --resume {folder.path}"
    )


def test_place_that_cannot_be_made_is_named(tmp_path, tiny_settings, crops):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"Cannot make the run folder .*file/run: Not a directory"):
        RunFolder.create(tmp_path / "file" / "run", settings=tiny_settings, crops=crops, source={})


def test_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(RunFolderError, match="exists already"):
        RunFolder.check_new(tmp_path / "run")


@pytest.mark.parametrize("missing", ["settings.json", "data.json"])
def test_folder_that_is_no_run_is_not_opened(folder, missing):
    (folder.path / missing).unlink()
    with pytest.raises(RunFolderError) as caught:
        RunFolder.open(folder.path)
    assert (
        str(caught.value)
        == {
            "settings.json": f"{folder.path} was stopped before its run began: it has no settings.json yet, and "
            f"nothing is lost. Start it again: iics train DATA ... --out {folder.path}",
            "data.json": f"{folder.path} is no run folder: it has no data.json. Start a run with iics train.",
        }[missing]
    )


def test_a_run_killed_before_it_began_can_be_started_again_in_its_place(folder, tiny_settings, crops):
    (folder.path / "settings.json").unlink()
    (folder.path / ".data.json.123.tmp").write_text("half")
    again = RunFolder.create(folder.path, settings=tiny_settings, crops=crops, source={})
    assert again.settings() == tiny_settings
    assert again.data().run != ""
    assert not (folder.path / ".data.json.123.tmp").exists()
    (folder.path / "settings.json").unlink()
    (folder.path / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="exists already"):
        RunFolder.check_new(folder.path)


def test_settings_of_another_run_are_refused_and_those_of_the_machine_may_change(folder, tiny_settings):
    elsewhere = replace(tiny_settings, device="cpu", loggers=(), model=replace(tiny_settings.model, weights="none"))
    (folder.path / "settings.json").write_text(to_json(elsewhere))
    assert folder.settings() == elsewhere
    (folder.path / "settings.json").write_text(to_json(replace(tiny_settings, seed=5)))
    with pytest.raises(RunFolderError, match=r"settings\.json is not what this run began with: it, or data\.json"):
        folder.settings()


@pytest.mark.parametrize("field", ["fingerprint", "num_crops"])
def test_data_without_a_field_that_every_version_writes_is_refused(folder, field):
    data = folder.data()
    (folder.path / "data.json").write_text(
        json.dumps({name: value for name, value in data.values.items() if name != field})
    )
    with pytest.raises(RunFolderError, match=rf"data\.json is damaged: it has no {field}\."):
        folder.pictures()


def test_a_checkpoint_of_another_run_is_refused(folder, tmp_path, tiny_settings, crops):
    other = RunFolder.create(tmp_path / "other", settings=tiny_settings, crops=crops, source={})
    other.save_checkpoint(checkpoint())
    folder.save_checkpoint(checkpoint())
    theirs, ours = newest(other), newest(folder)
    ours.write_bytes(theirs.read_bytes())
    with pytest.raises(RunFolderError, match=r"round-001-stage1\.ckpt is of another run .* delete this one"):
        folder.latest_checkpoint()


@pytest.mark.parametrize(
    "values",
    [
        {"round_index": "one"},
        {"round_index": -1},
        {"stage_index": -1},
        {"stage": 2},
        {"history": ["{"]},
        {"record": "[]"},
        {"state": None},
        {"labels": {"stage1": [0, 1]}},
        {"labels_before": None},
        {"more": 1},
    ],
)
def test_a_checkpoint_of_wrong_fields_gives_way_to_the_one_before(folder, values, caplog):
    folder.save_checkpoint(checkpoint(stage="stage1"))
    file = folder.path / "checkpoints" / "round-001-stage2.ckpt"
    write(file, {**vars(checkpoint(stage="stage2")), **values})
    with caplog.at_level(logging.WARNING):
        assert folder.latest_checkpoint().stage == "stage1"
    assert f"Checkpoint {file} cannot be read" in caplog.text


def test_a_folder_in_place_of_a_checkpoint_is_skipped(folder, caplog):
    folder.save_checkpoint(checkpoint(stage="stage1"))
    (folder.path / "checkpoints" / "round-001-stage2.ckpt").mkdir()
    with caplog.at_level(logging.WARNING):
        assert folder.latest_checkpoint().stage == "stage1"
    assert "cannot be read" in caplog.text


def test_checkpoint_comes_back_as_it_was(folder):
    head = BNNeckHead(4, 3, generator=torch.Generator().manual_seed(0))
    head.norm.running_mean += 2
    saved = checkpoint(state={"heads": [dict(head.state_dict())], "memory": {"age": 3, "who": ["a", None]}})
    folder.save_checkpoint(saved)
    loaded = folder.latest_checkpoint()
    assert (loaded.place, loaded.stage, loaded.record, loaded.history) == (
        (0, 0),
        "stage1",
        saved.record,
        saved.history,
    )
    assert torch.equal(loaded.labels["stage1"], saved.labels["stage1"])
    assert loaded.labels_before == {}
    assert all(torch.equal(loaded.backbone[key], saved.backbone[key]) for key in saved.backbone)
    assert loaded.state["memory"] == {"age": 3, "who": ["a", None]}
    (rebuilt,) = heads_of(loaded.state["heads"], torch.device("cpu"))
    assert all(torch.equal(rebuilt.state_dict()[key], value) for key, value in head.state_dict().items())


def test_an_optimiser_comes_back_with_its_momentum(folder):
    weights = torch.nn.Parameter(torch.ones(2, 3))
    optimiser = torch.optim.SGD([{"params": [weights], "initial_lr": 0.3}], lr=0.1, momentum=0.9)
    weights.grad = torch.arange(6.0).view(2, 3)
    optimiser.step()
    folder.save_checkpoint(checkpoint(state={"optimiser": optimiser.state_dict()}))
    loaded = folder.latest_checkpoint().state["optimiser"]
    assert torch.equal(loaded["state"][0]["momentum_buffer"], torch.arange(6.0).view(2, 3))
    assert loaded["param_groups"] == optimiser.state_dict()["param_groups"]
    assert loaded["param_groups"][0]["initial_lr"] == 0.3


@pytest.mark.parametrize("stages", [("a", "zz"), ("zz", "a"), ("zz", "a", "m")])
def test_the_newest_checkpoint_is_the_one_furthest_in_the_run_whatever_its_stage_is_called(folder, stages):
    for round_index in range(2):
        for index, stage in enumerate(stages):
            folder.save_checkpoint(checkpoint(round_index, stage, stages=stages))
            for reader in (folder, RunFolder.open(folder.path)):
                assert reader.latest_checkpoint().place == (round_index, index)
    assert names(folder) == sorted(f"round-002-{stage}.ckpt" for stage in stages[-2:])


def test_only_the_last_two_checkpoints_are_kept(folder):
    for round_index in range(3):
        for stage in ("stage1", "stage2"):
            folder.save_checkpoint(checkpoint(round_index, stage))
    assert names(folder) == ["round-003-stage1.ckpt", "round-003-stage2.ckpt"]
    assert folder.latest_checkpoint().stage == "stage2"


def test_a_process_killed_before_it_deleted_a_checkpoint_has_it_deleted_by_the_one_that_goes_on(folder):
    for round_index, stage in ((0, "stage2"), (1, "stage1"), (1, "stage2")):
        kept = {file.name: file.read_bytes() for file in (folder.path / "checkpoints").glob("*.ckpt")}
        folder.save_checkpoint(checkpoint(round_index, stage))
    for name, content in kept.items():
        (folder.path / "checkpoints" / name).write_bytes(content)
    opened = RunFolder.open(folder.path)
    assert opened.latest_checkpoint().place == (1, 1)
    opened.delete_old_checkpoints()
    names = [file.name for file in (folder.path / "checkpoints").glob("*.ckpt")]
    assert sorted(names) == ["round-002-stage1.ckpt", "round-002-stage2.ckpt"]


def test_last_two_checkpoints_are_the_last_two_beyond_round_999(folder):
    for round_index in (997, 998, 999, 1000):
        folder.save_checkpoint(checkpoint(round_index))
    assert folder.latest_checkpoint().round_index == 1000
    assert len(names(folder)) == 2


def test_without_checkpoint_there_is_none(folder):
    assert folder.latest_checkpoint() is None


def truncate(file: Path):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip_a_byte(file: Path):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(bytes(content))


def empty(file: Path):
    file.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, flip_a_byte, empty])
def test_damaged_checkpoint_gives_way_to_the_one_before_with_a_warning(folder, damage, caplog):
    folder.save_checkpoint(checkpoint(stage="stage1"))
    folder.save_checkpoint(checkpoint(stage="stage2"))
    damage(newest(folder))
    with caplog.at_level(logging.WARNING):
        loaded = folder.latest_checkpoint()
    assert loaded.stage == "stage1"
    assert [record.getMessage() for record in caplog.records] == [
        f"Checkpoint {newest(folder)} is damaged; it is left out."
    ]


def test_if_all_checkpoints_are_damaged_the_run_is_refused(folder, caplog):
    folder.save_checkpoint(checkpoint(stage="stage1"))
    folder.save_checkpoint(checkpoint(stage="stage2"))
    for file in (folder.path / "checkpoints").iterdir():
        truncate(file)
    with pytest.raises(RunFolderError, match=r"All checkpoints in .* are damaged"):
        folder.latest_checkpoint()
    assert len(caplog.records) == 2


def test_half_written_checkpoint_of_a_killed_process_is_no_checkpoint(folder):
    folder.save_checkpoint(checkpoint())
    half = folder.path / "checkpoints" / ".round-001-stage2.ckpt.123.tmp"
    half.write_bytes(b"half")
    assert folder.latest_checkpoint().stage == "stage1"
    opened = RunFolder.open(folder.path)
    assert half.exists()  # whoever reads leaves a living writer's file alone
    with opened.writing():
        assert not half.exists()


def test_metrics_are_written_anew(folder, read_metrics):
    folder.write_metrics(['{"round": 0}', '{"round": 1}', '{"round": 2}'])
    folder.write_metrics(['{"round": 0}', '{"round": 1}'])
    assert read_metrics(folder.path) == [{"round": 0}, {"round": 1}]


def test_pseudo_labels_are_a_table_in_order_of_the_paths(folder, crops):
    shuffled = crops.subset([4, 0, 3, 1, 2])
    folder.write_pseudo_labels(
        0, shuffled, {"stage1": np.array([-1, 0, -1, 1, 0]), "stage2": np.array([7, 5, 6, 5, 5])}
    )
    with (folder.path / "pseudo_labels" / "round-001.csv").open() as file:
        assert list(csv.reader(file)) == [
            ["path", "camera", "stage1_cluster", "stage2_cluster"],
            ["000.png", "a", "0", "5"],
            ["001.png", "a", "1", "5"],
            ["002.png", "a", "0", "5"],
            ["003.png", "b", "-1", "6"],
            ["004.png", "b", "-1", "7"],
        ]


@pytest.mark.parametrize("stages", [("stage2",), ("zz", "a"), ("a", "b", "c")])
def test_the_table_has_a_column_a_stage_in_the_order_of_the_stages(folder, crops, stages):
    folder.write_pseudo_labels(11, crops, {stage: np.arange(5) + n for n, stage in enumerate(stages)})
    lines = (folder.path / "pseudo_labels" / "round-012.csv").read_text().splitlines()
    assert lines[0] == ",".join(["path", "camera", *(f"{stage}_cluster" for stage in stages)])
    assert lines[1:] == [
        ",".join([f"00{i}.png", "aaabb"[i], *(str(i + n) for n in range(len(stages)))]) for i in range(5)
    ]


def test_crops_the_run_was_started_with_are_accepted(folder, crops):
    folder.check_same_crops(crops)
    folder.check_same_crops(crops.without_identities())


@pytest.mark.parametrize("indices", [[0, 1, 2, 3], [1, 0, 2, 3, 4]])
def test_other_crops_are_refused(folder, crops, indices):
    with pytest.raises(RunFolderError) as caught:
        folder.check_same_crops(crops.subset(indices, name="others"))
    assert str(caught.value) == (
        f"{folder.path} was trained on 5 crops of crops; these {len(indices)} crops of others are not the same files, "
        "so the run cannot go on with them."
    )


def test_a_supervised_run_keeps_no_pseudo_labels_and_goes_on_with_its_own_identities_alone(
    tmp_path, tiny_settings, make_crops
):
    crops = make_crops([3, 2], [1, 1, 2, 2, 3])
    settings = replace(tiny_settings, method="supervised")
    folder = RunFolder.create(tmp_path / "run", settings=settings, crops=crops, source={})
    assert not (folder.path / "pseudo_labels").exists()
    folder.check_same_crops(crops)
    for others in (crops.without_identities(), make_crops([3, 2], [1, 1, 2, 3, 3])):
        with pytest.raises(RunFolderError) as caught:
            folder.check_same_crops(others)
        assert str(caught.value) == (
            f"{folder.path} was trained on other identities of these crops, so the run cannot go on with them."
        )


def test_a_run_that_uses_tracklets_goes_on_with_its_own_alone_however_they_are_numbered(tmp_path, tiny_settings, crops):
    crops = replace(crops, tracklet_ids=np.arange(len(crops)), times=np.arange(len(crops)) * 1.0)
    settings = replace(tiny_settings, tracklets=TrackletSettings(apart="frames"))
    folder = RunFolder.create(tmp_path / "linked", settings=settings, crops=crops, source={})
    folder.check_same_tracklets(replace(crops, tracklet_ids=crops.tracklet_ids[::-1] + 7))
    for other in (replace(crops, tracklet_ids=None), replace(crops, times=crops.times + 1)):
        with pytest.raises(RunFolderError, match="was started with other tracklets or times of these crops"):
            folder.check_same_tracklets(other)
    plain = RunFolder.create(tmp_path / "plain", settings=tiny_settings, crops=crops, source={})
    plain.check_same_tracklets(replace(crops, tracklet_ids=None))  # nothing depends on them


def test_data_file_that_is_no_json_is_named(folder):
    (folder.path / "data.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"data\.json is no valid JSON"):
        folder.source()


def test_pseudo_labels_of_boxes_name_the_box(folder, tmp_path):
    boxes = [[5, 0, 2, 3], [0, 0, 2, 3], [0, 0, 2, 3]]
    paths = (tmp_path / "b.png", tmp_path / "b.png", tmp_path / "a.png")
    crops = CropSet(paths, [0, 0, 1], ("lobby", "yard"), boxes=boxes)
    folder.write_pseudo_labels(0, crops, {"stage1": np.array([1, 2, 3]), "stage2": np.array([4, 5, 6])})
    assert (folder.path / "pseudo_labels" / "round-001.csv").read_text().splitlines() == [
        "path,left,top,width,height,camera,stage1_cluster,stage2_cluster",
        f"{tmp_path}/a.png,0,0,2,3,yard,3,6",
        f"{tmp_path}/b.png,0,0,2,3,lobby,2,5",
        f"{tmp_path}/b.png,5,0,2,3,lobby,1,4",
    ]


# --- older versions


def of_first_version(**changes):
    """A checkpoint's fields as versions before 2.0 wrote them."""
    return {
        "round_index": 0,
        "stage": "stage1",
        "backbone": {"weight": torch.ones(2)},
        "heads": [{"weight": torch.ones(2, 3)}],
        "stage1_labels": torch.tensor([0, 1, -1]),
        "stage2_labels": None,
        "record": json.dumps({"stage1": {"loss": 0.1}, "seconds": {"stage1": 1.0}}),
        "history": ['{"round": 0}'],
        "optimiser": None,
        "stage1_labels_before": torch.tensor([1, 0, 0]),
        "stage2_labels_before": torch.tensor([2, 0, 0]),
        "run": "",
        **changes,
    }


def test_a_checkpoint_of_stage_1_of_the_first_version_is_read(folder):
    write(folder.path / "checkpoints" / "round-001-stage1.ckpt", of_first_version())
    read = folder.latest_checkpoint()
    assert (read.place, read.stage, read.history) == ((0, 0), "stage1", ['{"round": 0}'])
    assert read.state["heads"][0]["weight"].shape == (2, 3)
    assert {name: found.tolist() for name, found in read.labels.items()} == {"stage1": [0, 1, -1]}
    assert {name: found.tolist() for name, found in read.labels_before.items()} == {
        "stage1": [1, 0, 0],
        "stage2": [2, 0, 0],
    }


@pytest.mark.parametrize(
    ("stage", "stages_done", "place"),
    [("stage2", ("stage1", "stage2"), (4, 1)), ("stage2", ("stage2",), (4, 0)), ("stage1", ("stage1",), (4, 0))],
)
def test_the_place_of_a_stage_of_the_first_version_is_how_many_its_round_had_done(folder, stage, stages_done, place):
    record = json.dumps({name: {"loss": 0.1} for name in stages_done} | {"seconds": {}, "phases": {}})
    write(
        folder.path / "checkpoints" / f"round-005-{stage}.ckpt",
        of_first_version(round_index=4, stage=stage, record=record),
    )
    assert folder.latest_checkpoint().place == place


def test_a_supervised_checkpoint_of_the_first_version_has_head_and_optimiser(folder):
    values = of_first_version(
        stage="supervised",
        optimiser={"state": {0: {"momentum_buffer": torch.ones(2)}}},
        record=json.dumps({"supervised": {"loss": 0.1}}),
        stage1_labels=None,
    )
    write(folder.path / "checkpoints" / "round-001-supervised.ckpt", values)
    read = folder.latest_checkpoint()
    assert (read.place, read.labels) == ((0, 0), {})
    assert read.state["loss"]["head.weight"].shape == (2, 3)
    assert read.state["optimiser"]["state"][0]["momentum_buffer"].tolist() == [1, 1]


def test_checkpoints_of_the_oldest_versions_hold_no_clusters_of_the_round_before_and_name_no_run(folder):
    values = {
        name: value for name, value in of_first_version().items() if not name.endswith("_before") and name != "run"
    }
    write(folder.path / "checkpoints" / "round-001-stage1.ckpt", values)
    read = folder.latest_checkpoint()
    assert read.labels["stage1"].tolist() == [0, 1, -1]
    assert (read.labels_before, read.run) == ({}, "")


@pytest.mark.parametrize("missing", ["optimiser", "heads", "record", "backbone", "a head", "names of tensors"])
def test_a_checkpoint_of_the_first_version_that_lacks_a_field_is_left_out(folder, missing, caplog):
    heads = {"a head": [], "names of tensors": [torch.ones(2)]}.get(missing, [{"weight": torch.ones(2, 3)}])
    values = of_first_version(stage="supervised", record=json.dumps({"supervised": {}}), optimiser={}, heads=heads)
    folder.save_checkpoint(checkpoint(0, "stage1"))
    file = folder.path / "checkpoints" / "round-002-supervised.ckpt"
    write(file, {name: value for name, value in values.items() if name != missing} | {"round_index": 1})
    assert folder.latest_checkpoint().place == (0, 0)
    assert f"Checkpoint {file} cannot be read" in caplog.text


def test_the_settings_hash_of_older_versions_which_hold_other_settings_is_not_compared(folder, tiny_settings):
    values = dict(folder.data().values)
    values["settings"] = "0123456789abcdef"
    del values["deciding_settings"]
    (folder.path / "data.json").write_text(json.dumps(values))
    assert RunFolder.open(folder.path).settings() == tiny_settings


def test_a_run_of_older_supervised_settings_is_of_the_method_supervised(folder, tiny_settings):
    values = json.loads(to_json(tiny_settings))
    del values["method"]
    data = {name: value for name, value in folder.data().values.items() if name != "deciding_settings"}
    (folder.path / "data.json").write_text(json.dumps(data))
    (folder.path / "settings.json").write_text(json.dumps({**values, "stages": "supervised"}))
    assert RunFolder.open(folder.path).settings() == replace(tiny_settings, method="supervised")
