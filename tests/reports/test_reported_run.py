import numpy as np
import pytest

from iics.errors import RunFolderError
from iics.reports.camera_pairs_file import CameraPairMatrices
from iics.reports.reported_run import ReportedRun, at, num_crops_of, over_cameras


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "first"
    place.mkdir()
    (place / "settings.json").write_text('{"rounds": 2}')
    (place / "data.json").write_text('{"name": "people"}')
    return place


def test_a_run_that_has_not_finished_a_round_can_be_read(folder):
    run = ReportedRun.read(folder)
    assert (run.name, run.records, run.trained, run.ranked_lists, run.camera_pairs) == ("first", (), (), None, None)


def test_reading_leaves_the_files_of_a_run_at_work_alone(folder):
    (folder / ".metrics.jsonl.123.tmp").write_text("being written")
    ReportedRun.read(folder)
    assert (folder / ".metrics.jsonl.123.tmp").exists()


@pytest.mark.parametrize("missing", ["settings.json", "data.json"])
def test_other_folders_are_refused(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(RunFolderError, match=f"first is no run folder: it has no {missing}"):
        ReportedRun.read(folder)


def test_a_torn_line_is_named(folder):
    (folder / "metrics.jsonl").write_text('{"round": 0}\n{"round": 1, "sta')
    with pytest.raises(RunFolderError, match=r"first/metrics.jsonl, line 2, is no valid JSON"):
        ReportedRun.read(folder)
    (folder / "metrics.jsonl").write_text("[1]\n")
    with pytest.raises(RunFolderError, match=r"first/metrics.jsonl, line 1, must hold names and values, got list"):
        ReportedRun.read(folder)


def test_a_line_without_a_round_is_named(folder):
    (folder / "metrics.jsonl").write_text('{"round": 0}\n{"loss": 1}\n')
    with pytest.raises(RunFolderError, match=r"first/metrics.jsonl, line 2, names no round"):
        ReportedRun.read(folder)


def test_all_files_are_read(folder):
    (folder / "metrics.jsonl").write_text('{"round": 0}\n{"round": 1}\n')
    (folder / "contact_sheet.png").write_bytes(b"picture")
    CameraPairMatrices(("door",), np.array([[0.5]]), np.array([[0.25]])).write(folder)
    run = ReportedRun.read(folder)
    assert [record["round"] for record in run.trained] == [1]
    assert (run.ranked_lists, run.camera_pairs.cameras) == (b"picture", ("door",))


def test_a_curve_skips_rounds_without_the_number(make_run):
    run = make_run({"round": 0}, {"round": 1, "stage2": {"loss": 0.5}}, {"round": 2, "stage2": {"loss": None}})
    curve = run.curve("loss", lambda record: at(record, "stage2", "loss"), scale=100)
    assert (curve.rounds, curve.values) == ((1,), (50.0,))


def test_missing_places_are_none():
    assert at({"stage2": None}, "stage2", "loss") is None
    assert at({"stage2": 3}, "stage2", "loss") is None
    assert at({}, "stage2") is None


def test_cameras_are_averaged_by_their_crops():
    cameras = {
        "door": {"pairwise_recall": 0.5, "size_counts": [[1, 1], [2, 1]]},
        "hall": {"pairwise_recall": 1.0, "size_counts": [[1, 1]]},
        "gate": {"size_counts": [[9, 9]]},
    }
    assert num_crops_of(cameras["door"]) == 3
    record = {"stage1": {"pseudo_labels": cameras}}
    assert over_cameras(record, "pairwise_recall") == pytest.approx((3 * 0.5 + 1 * 1.0) / 4)
    assert over_cameras({}, "pairwise_recall") is None


def test_cameras_without_crops_do_not_count(make_run):
    run = make_run(data={"crops_per_camera": {"door": 3, "gate": 0}})
    assert run.crops_per_camera == {"door": 3}
    assert make_run(data={}).crops_per_camera is None
