"""The clusters of a run come with the crops they are of, wherever those lie."""

import json

import numpy as np
import pytest

from iics.crops import CropSet
from iics.data_splits import DataSplits
from iics.errors import DataError, RunFolderError
from iics.page.run_clusters import clusters_of, read_cluster_table, rounds_of
from iics.runs.run_folder import RunFolder


def crop_set(tmp_path, *, boxes=None):
    paths = tuple(tmp_path / ("frame.png" if boxes is not None else f"{at}.png") for at in range(4))
    return CropSet(paths, np.array([0, 0, 1, 1]), ("hall", "yard"), np.array([1, 2, 1, 2]), boxes=boxes)


def write_round(run, number, crops, **labels):
    (run / "pseudo_labels").mkdir(parents=True, exist_ok=True)
    RunFolder(run).write_pseudo_labels(number - 1, crops, labels)


def test_rounds_are_in_order(tmp_path):
    for number in (10, 2):
        write_round(tmp_path, number, crop_set(tmp_path), stage2=np.array([0, 0, 1, 1]))
    (tmp_path / "pseudo_labels" / "notes.txt").write_text("")
    assert rounds_of(tmp_path) == (2, 10)


def test_a_run_without_clusters_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match=r"holds no clusters: there is no pseudo_labels/round-\*\.csv"):
        rounds_of(tmp_path)


def test_clusters_are_those_of_stage_2(tmp_path):
    write_round(tmp_path, 1, crop_set(tmp_path), stage1=np.array([0, 1, 0, 1]), stage2=np.array([7, 10, 7, 10]))
    table = read_cluster_table(tmp_path, 1)
    assert (table.labels.tolist(), table.names) == ([0, 1, 0, 1], ("cluster 7", "cluster 10"))


def test_without_stage_2_clusters_are_the_cameras_own(tmp_path):
    write_round(tmp_path, 1, crop_set(tmp_path), stage1=np.array([0, 1, 0, -1]))
    table = read_cluster_table(tmp_path, 1)
    assert table.names == ("hall, cluster 0", "hall, cluster 1", "yard, cluster 0")
    assert table.labels.tolist() == [0, 1, 2, -1]


def test_clusters_of_another_method_are_those_of_its_last_stage_over_all_cameras(tmp_path):
    write_round(tmp_path, 1, crop_set(tmp_path), zz=np.array([0, 0, 0, 0]), a=np.array([3, -1, 3, 4]))
    table = read_cluster_table(tmp_path, 1)
    assert (table.labels.tolist(), table.names) == ([0, -1, 0, 1], ("cluster 3", "cluster 4"))


@pytest.mark.parametrize(
    ("clusters", "names"),
    [(("0,", "1,"), ("hall, cluster 0", "hall, cluster 1")), ((",5", ",6"), ("cluster 5", "cluster 6"))],
)
def test_tables_of_older_versions_leave_the_column_of_a_missing_stage_empty(tmp_path, clusters, names):
    (tmp_path / "pseudo_labels").mkdir()
    rows = [f"{number}.png,hall,{cells}" for number, cells in enumerate(clusters)]
    text = "\n".join(["path,camera,stage1_cluster,stage2_cluster", *rows]) + "\n"
    (tmp_path / "pseudo_labels" / "round-001.csv").write_text(text)
    assert read_cluster_table(tmp_path, 1).names == names


def test_crops_in_files_need_no_data(tmp_path):
    crops = crop_set(tmp_path)
    write_round(tmp_path, 1, crops, stage2=np.array([0, 0, 1, 1]))
    run = clusters_of(read_cluster_table(tmp_path, 1), None)
    assert run.crops.paths == crops.paths
    assert run.crops.camera_names == ("hall", "yard")


def test_names_of_any_kind_come_back(tmp_path):
    names = ("a\r", 'b,\n"', "c\udcff")
    crops = CropSet(tuple(tmp_path / f"{name}.png" for name in names), np.arange(3), names)
    write_round(tmp_path, 1, crops, stage2=np.array([0, 0, 1]))
    assert read_cluster_table(tmp_path, 1).cameras == names


def test_a_table_that_is_not_the_one_its_round_tells_of_is_named(tmp_path):
    crops = crop_set(tmp_path)
    for number in (1, 2):
        write_round(tmp_path, number, crops, stage2=np.array([0, 0, 1, number]))
    written = RunFolder(tmp_path).write_pseudo_labels(0, crops, {"stage2": np.array([0, 0, 1, 1])})
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"round": 1, "pseudo_labels": written}) + "\n")
    assert read_cluster_table(tmp_path, 1).labels.tolist() == [0, 0, 1, 1]
    moved = crop_set(tmp_path / "moved")
    assert RunFolder(tmp_path).write_pseudo_labels(0, moved, {"stage2": np.array([0, 0, 1, 1])}) == written
    assert read_cluster_table(tmp_path, 1).labels.tolist() == [0, 0, 1, 1]  # wherever its pictures lie
    table = tmp_path / "pseudo_labels" / "round-001.csv"
    table.write_bytes((tmp_path / "pseudo_labels" / "round-002.csv").read_bytes())
    with pytest.raises(RunFolderError, match=r"round-001\.csv is not what metrics\.jsonl says this run wrote"):
        read_cluster_table(tmp_path, 1)


def test_boxes_come_along(tmp_path):
    boxes = np.array([[0, 0, 5, 9], [10, 0, 5, 9], [20, 0, 5, 9], [30, 0, 5, 9]])
    crops = crop_set(tmp_path, boxes=boxes)
    write_round(tmp_path, 1, crops, stage2=np.array([0, 0, 1, 1]))
    table = read_cluster_table(tmp_path, 1)
    for data in (None, DataSplits("d", crops)):
        assert clusters_of(table, data).crops.boxes.tolist() == boxes.tolist()


def test_a_run_on_some_crops_of_its_data_finds_those(tmp_path):
    crops = crop_set(tmp_path)
    write_round(tmp_path, 1, crops.subset([3, 1]), stage2=np.array([0, 1]))
    run = clusters_of(read_cluster_table(tmp_path, 1), DataSplits("d", crops))
    assert run.crops.paths == (crops.paths[1], crops.paths[3])  # in the order of the table
    assert run.labels.tolist() == [1, 0]
    assert run.crops.identity_ids is None


def test_crops_that_are_gone_are_refused(tmp_path):
    crops = crop_set(tmp_path)
    write_round(tmp_path, 1, crops, stage2=np.array([0, 0, 1, 1]))
    with pytest.raises(DataError, match=r"crops of .*round-001\.csv are not in d any more"):
        clusters_of(read_cluster_table(tmp_path, 1), DataSplits("d", crops.subset([0, 1])))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "lists no crops"),
        ("path,camera,stage1_cluster,stage2_cluster\n", "lists no crops"),
        ("path,camera,stage1_cluster,stage2_cluster\na.png,hall\n", "no whole table"),
        ("path,camera,stage1_cluster,stage2_cluster\na.png,hall,,x\n", "no whole table"),
        ("path,camera\na.png,hall\n", "no whole table"),
    ],
)
def test_a_damaged_table_is_named(tmp_path, text, complaint):
    (tmp_path / "pseudo_labels").mkdir()
    (tmp_path / "pseudo_labels" / "round-001.csv").write_text(text)
    with pytest.raises(RunFolderError, match=rf"round-001\.csv.*{complaint}"):
        read_cluster_table(tmp_path, 1)
