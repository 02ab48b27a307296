"""From a clip to crops: two walkers are two tracklets; a killed run ends in the same files; videos add up."""

import csv
import io
import json
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from iics.errors import VideoError, WriteError
from iics.readers.csv_table import load_csv
from iics.readers.folders import load_folder
from iics.video import crop_folder
from iics.video.crop_video import crop_video
from iics.video.detections import Detections
from iics.video.detectors import DETECTORS, DetectorKind


def find_by_colour(pixels):
    """Return what differs from the ground, as a box each: a detector that takes no time."""
    differs = np.ptp(pixels.astype(int), axis=2) > 12
    _, _, statistics, _ = cv2.connectedComponentsWithStats(differs.astype(np.uint8))
    boxes = [box[:4] for box in statistics[1:].tolist() if box[4] > 500]
    return Detections(boxes, [1.0] * len(boxes))


@pytest.fixture
def by_colour(monkeypatch):
    """Let the detector called hog be `find_by_colour`, and return the list of frames that it looks at."""
    searched = []

    def build(options):
        return lambda pixels: searched.append(1) or find_by_colour(pixels)

    monkeypatch.setitem(DETECTORS, "hog", DetectorKind(build, 0.5, depends_on=()))
    return searched


@pytest.fixture(scope="module")
def quickly(walk, hog, tmp_path_factory):
    """Return the folder that an unbroken run with `find_by_colour` makes."""
    out = tmp_path_factory.mktemp("quickly") / "crops"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DETECTORS, "hog", DetectorKind(lambda _: find_by_colour, 0.5, depends_on=()))
        crop_video(walk, out, settings=hog())
    return out


@pytest.fixture(scope="module")
def cropped(walk, hog, tmp_path_factory):
    out = tmp_path_factory.mktemp("cropped") / "crops"
    return out, crop_video(walk, out, settings=hog())


def table(out):
    with (out / "crops.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_walker_is_one_tracklet_with_a_crop_every_half_second(cropped):
    out, result = cropped
    rows = table(out)
    places = [(int(row["tracklet"]), float(row["time"])) for row in rows]
    assert {tracklet for tracklet, _ in places} == {1, 2}
    for tracklet in (1, 2):
        times = [time for number, time in places if number == tracklet]
        assert len(times) in (3, 4)
        assert times == sorted(times)
        assert min(np.diff(times)) >= 0.5
    assert {row["camera"] for row in rows} == {"lobby"}
    assert result.report.tracklets == 2


def test_times_and_boxes_are_those_of_the_walker_in_the_frame(cropped, drawn_people):
    for row in table(cropped[0]):
        frame = int(row["frame"])
        assert float(row["time"]) == pytest.approx(frame / 25, abs=1e-3)
        middle = int(row["box_left"]) + int(row["box_width"]) / 2
        assert min(abs(middle - walker.middle(frame)) for walker in (drawn_people.RED, drawn_people.GREEN)) < 10


def test_crops_show_one_walker_each(cropped):
    out, _ = cropped
    coats = {}
    for row in table(out):
        with Image.open(out / row["path"]) as crop:
            assert crop.size == (int(row["box_width"]), int(row["box_height"]))
            pixels = np.asarray(crop).astype(int)
        height, width = pixels.shape[:2]
        coat = pixels[int(0.3 * height) : int(0.45 * height), int(0.4 * width) : int(0.6 * width)].mean(axis=(0, 1))
        coats.setdefault(row["tracklet"], set()).add("red" if coat[0] > 1.5 * coat[1] else "green")
    assert sorted(coats.values(), key=str) == [{"green"}, {"red"}]


def test_every_box_is_a_crop_or_counted(cropped):
    report = cropped[1].report
    assert (report.frames, report.frames_searched) == (40, 40)
    assert report.boxes == report.crops + sum(report.dropped.values())
    assert report.boxes >= 70
    assert report.crops == len(table(cropped[0]))


def test_the_report_is_kept_as_json_and_prints_itself(cropped):
    out, result = cropped
    (kept,) = json.loads((out / "crops-report.json").read_text())["videos"]
    assert kept == result.report.as_json()
    assert (kept["video"], kept["settings"]["camera"], kept["seconds"]) == ("walk.mp4", "lobby", 1.56)
    lines = str(result.report).splitlines()
    assert lines[0].split() == ["frames", "read", "40"]
    assert lines[-1].split() == ["crops", str(result.report.crops)]
    assert any(line.startswith("dropped: tracklet too short ") for line in lines)


def test_the_folder_is_one_of_camera_folders_to_train_on(cropped):
    crops = load_folder(cropped[0]).train
    assert (len(crops), crops.camera_names) == (cropped[1].report.crops, ("lobby",))


def test_the_table_is_one_to_train_on_with_times_and_tracklets(cropped, caplog):
    out, _ = cropped
    crops = load_csv(out / "crops.csv").train
    assert crops.camera_names == ("lobby",)
    assert len(set(crops.tracklet_ids.tolist())) == 2
    expected = {row["path"]: float(row["time"]) for row in table(out)}
    assert {
        path.relative_to(out).as_posix(): time for path, time in zip(crops.paths, crops.times, strict=True)
    } == expected
    assert not caplog.records  # no column without a meaning


def test_a_start_makes_times_dates(walk, hog, tmp_path, by_colour):
    crop_video(walk, tmp_path / "out", settings=hog(start="2026-03-01T08:00:00"))
    assert min(float(row["time"]) for row in table(tmp_path / "out")) == 1772352000


def test_a_stride_looks_at_every_nth_frame(walk, hog, tmp_path, by_colour):
    report = crop_video(walk, tmp_path / "out", settings=hog(stride=3, min_tracklet=3)).report
    assert (report.frames, report.frames_searched, report.tracklets) == (40, 14, 2)
    assert all(int(row["frame"]) % 3 == 0 for row in table(tmp_path / "out"))


class Killed(BaseException):
    pass


def killing_at(frame):
    def progress(done, _):
        if done == frame:
            raise Killed

    return progress


@pytest.mark.parametrize("at", [1, 20, 40])
def test_a_run_that_ends_early_goes_on_to_the_same_files(
    walk, hog, tmp_path, quickly, drawn_people, monkeypatch, at, by_colour
):
    out = tmp_path / "crops"
    with pytest.raises(Killed):
        crop_video(walk, out, settings=hog(), progress=killing_at(at))
    assert not (out / "crops.csv").exists()
    by_colour.clear()
    crop_video(walk, out, settings=hog())
    assert len(by_colour) == 40 - at
    assert drawn_people.files_of(out) == drawn_people.files_of(quickly)


def test_a_killed_process_leaves_what_the_next_one_finishes(walk, hog, tmp_path, cropped, drawn_people):
    script = (
        "import os, signal, sys; from pathlib import Path; from iics.video.crop_video import crop_video;"
        "from iics.video.crop_settings import CropSettings;"
        "crop_video(Path(sys.argv[1]), Path(sys.argv[2]),"
        " settings=CropSettings(camera='lobby', detector='hog', min_height=85),"
        " progress=lambda done, _: os.kill(os.getpid(), signal.SIGKILL) if done == 25 else None)"
    )
    out = tmp_path / "crops"
    finished = subprocess.run([sys.executable, "-c", script, walk, out], check=False)
    assert finished.returncode == -9
    assert any(name.endswith(".jpg") for name in drawn_people.files_of(out))
    crop_video(walk, out, settings=hog())
    assert drawn_people.files_of(out) == drawn_people.files_of(cropped[0])


@pytest.mark.parametrize("step", ["finish", "write_table"])
def test_a_kill_while_it_finishes_does_no_harm(
    walk, hog, tmp_path, quickly, drawn_people, monkeypatch, step, by_colour
):
    out = tmp_path / "crops"
    write, calls = crop_folder.write_atomically, []

    def killed_before_the_report(path, content):
        calls.append(path.name)
        stops = {"finish": calls.count("report.json") == 1, "write_table": calls.count("crops.csv") == 2}
        if stops[step]:
            raise Killed
        write(path, content)

    monkeypatch.setattr(crop_folder, "write_atomically", killed_before_the_report)
    with pytest.raises(Killed):
        crop_video(walk, out, settings=hog())
    monkeypatch.setattr(crop_folder, "write_atomically", write)
    assert crop_video(walk, out, settings=hog()).was_finished == (step == "write_table")
    assert drawn_people.files_of(out) == drawn_people.files_of(quickly)


def test_a_finished_video_is_recognised_by_its_contents(walk, hog, tmp_path, quickly, drawn_people, by_colour):
    out = quickly
    before = drawn_people.files_of(out)
    copy = tmp_path / "other name.mp4"
    shutil.copy(walk, copy)
    again = crop_video(copy, out, settings=hog())
    assert again.was_finished
    assert again.folder.parent.name == "lobby"
    assert drawn_people.files_of(out) == before


def test_a_finished_video_is_not_taken_for_one_with_other_settings_or_of_another_camera(walk, hog, quickly, by_colour):
    (folder,) = (quickly / "lobby").glob("walk-*")
    with pytest.raises(VideoError, match=rf"^{folder} was cropped with every 0\.5, not 1\.0\. Remove that folder"):
        crop_video(walk, quickly, settings=hog(every=1.0))
    with pytest.raises(VideoError, match=r"was cropped for camera lobby, not hall; remove .* or name that camera"):
        crop_video(walk, quickly, settings=hog(camera="hall"))
    with pytest.raises(
        VideoError, match=r"was cropped with no --start, and times .*: leave it out, or use another --out"
    ):
        crop_video(walk, quickly, settings=hog(start="2026-03-01T08:00:00"))


def test_videos_and_cameras_add_up_and_tracklets_stay_apart(walk, hog, tmp_path, drawn_people, by_colour):
    other = drawn_people.write_clip(tmp_path / "ä b,c.mp4", [drawn_people.GREEN])
    for first, second in ((0, 1), (1, 0)):
        jobs = [(walk, "lobby"), (other, "Größe 2")]
        out = tmp_path / f"out{first}"
        for video, camera in (jobs[first], jobs[second]):
            crop_video(video, out, settings=hog(camera=camera))
        rows = table(out)
        assert {(row["camera"], row["tracklet"]) for row in rows} == {("Größe 2", "1"), ("lobby", "2"), ("lobby", "3")}
        assert all((out / row["path"]).is_file() for row in rows)
        assert {row["video"] for row in rows} == {"walk.mp4", "ä b,c.mp4"}
    assert drawn_people.files_of(tmp_path / "out0") == drawn_people.files_of(tmp_path / "out1")


def test_two_videos_of_a_camera_never_share_a_time(walk, hog, tmp_path, drawn_people, by_colour):
    """Crops of one camera and time are two people; without a start, both videos would count from 0."""
    other = drawn_people.write_clip(tmp_path / "b.mp4", [drawn_people.GREEN])
    for video in (walk, other):
        crop_video(video, tmp_path / "out", settings=hog())
    times = {
        name: {float(row["time"]) for row in table(tmp_path / "out") if row["video"] == name}
        for name in ("b.mp4", "walk.mp4")
    }
    assert 0 <= max(times["b.mp4"]) < 2
    assert {round(time - 12, 3) for time in times["walk.mp4"]} == {0.0, 0.52, 1.04, 1.56}


def test_a_removed_video_is_gone_from_the_table_after_the_next(walk, hog, tmp_path, drawn_people, by_colour):
    out = tmp_path / "out"
    first = crop_video(walk, out, settings=hog())
    shutil.rmtree(first.folder)
    crop_video(drawn_people.write_clip(tmp_path / "b.mp4", [drawn_people.RED]), out, settings=hog(camera="hall"))
    assert {row["camera"] for row in table(out)} == {"hall"}


def test_folders_of_a_nas_in_the_folder_of_crops_are_passed_over(walk, quickly, hog, tmp_path, by_colour):
    out = tmp_path / "out"
    (out / "@eaDir" / "crops.csv@SynoEAStream").mkdir(parents=True)
    result = crop_video(walk, out, settings=hog())
    for folder in (result.folder, result.folder.parent):
        (folder / "@eaDir" / "x").mkdir(parents=True)
    assert crop_video(walk, out, settings=hog()).was_finished
    assert table(out) == table(quickly)


def test_nobody_found_is_refused_with_what_to_try_and_what_was_found_is_remembered(
    walk, hog, tmp_path, monkeypatch, by_colour
):
    out = tmp_path / "out"
    message = (
        rf"^Nobody was found in {walk}: 40 frames searched, \d+ boxes \(\d+ low confidence\)\. Try a lower "
        r"--min-confidence \(it was 9\.0\), --min-height \(85\) or --min-tracklet \(5\), or another --detector\.$"
    )
    with pytest.raises(VideoError, match=message):
        crop_video(walk, out, settings=hog(min_confidence=9.0))
    assert not (out / "crops.csv").exists()
    by_colour.clear()
    assert crop_video(walk, out, settings=hog()).report.crops > 0
    assert by_colour == []


def test_an_empty_scene_is_refused(hog, tmp_path, drawn_people, by_colour):
    clip = drawn_people.write_clip(tmp_path / "empty.mp4", [], num_frames=5)
    with pytest.raises(VideoError, match=r"5 frames searched, 0 boxes\. Try a lower --min-confidence"):
        crop_video(clip, tmp_path / "out", settings=hog())


def test_a_video_without_a_whole_frame_is_refused(hog, tmp_path, drawn_people, monkeypatch, caplog):
    monkeypatch.setattr(cv2, "imencode", lambda *_: (True, np.zeros(100, np.uint8)))
    clip = drawn_people.write_timed_clip(tmp_path / "noise.mkv", [0, 1, 2], frames_per_second=10)
    with pytest.raises(VideoError, match=rf"^No frame of {clip} could be decoded; check that it plays\.$"):
        crop_video(clip, tmp_path / "out", settings=hog())
    assert not caplog.records


def test_small_people_are_counted(walk, hog, tmp_path, by_colour):
    with pytest.raises(VideoError, match=r"boxes \(\d+ too small\)"):
        crop_video(walk, tmp_path / "out", settings=hog(min_height=200))


def test_a_cut_off_video_gives_its_crops_and_a_warning(hog, tmp_path, drawn_people, caplog, by_colour):
    clip = drawn_people.write_clip(tmp_path / "cut.avi", [drawn_people.RED], num_frames=50)
    clip.write_bytes(clip.read_bytes()[:-20_000])
    report = crop_video(clip, tmp_path / "out", settings=hog()).report
    assert 0 < report.frames < 50
    assert [record.message for record in caplog.records] == [f"{clip}: {report.faults[0]}"]
    assert "the file is cut off or damaged" in report.faults[0]


def test_a_folder_of_other_things_is_left_alone(walk, hog, tmp_path, by_colour):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(VideoError, match=rf"^{tmp_path} holds other files, and no crops-report.json, which"):
        crop_video(walk, tmp_path, settings=hog())
    with pytest.raises(VideoError, match=r"^Crops are written into a folder; .*/thesis\.txt is a file\.$"):
        crop_video(walk, tmp_path / "thesis.txt", settings=hog())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_be_made_is_named(walk, hog, tmp_path, by_colour):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"^Cannot make the folder .*/file/out: Not a directory\.$"):
        crop_video(walk, tmp_path / "file" / "out", settings=hog())


def test_a_video_that_another_process_is_at_work_on_is_refused(walk, hog, tmp_path, by_colour):
    def second(_, __):
        with pytest.raises(
            VideoError, match=rf"^Another process is cropping {walk} into {tmp_path}/out; wait for it\.$"
        ):
            crop_video(walk, tmp_path / "out", settings=hog())
        raise Killed

    with pytest.raises(Killed):
        crop_video(walk, tmp_path / "out", settings=hog(), progress=second)


def test_a_damaged_report_is_named(walk, hog, tmp_path, by_colour):
    out = tmp_path / "out"
    folder = crop_video(walk, out, settings=hog()).folder
    (folder / "report.json").write_text("{")
    with pytest.raises(
        VideoError, match=rf"^{folder}/report\.json is no report of a cropped video: .* Remove the folder"
    ):
        crop_video(walk, out, settings=hog())


@pytest.mark.parametrize("damage", ["missing", "path,camera\nx.jpg,lobby\n", "\udcff"])
def test_a_damaged_table_is_named(walk, hog, tmp_path, by_colour, damage):
    out = tmp_path / "out"
    folder = crop_video(walk, out, settings=hog()).folder
    (folder / "crops.csv").unlink()
    if damage != "missing":
        (folder / "crops.csv").write_bytes(damage.encode(errors="surrogateescape"))
    with pytest.raises(VideoError, match=rf"{folder}/crops\.csv.* Remove the folder {folder}, and crop it again\.$"):
        crop_video(walk, out, settings=hog())


def test_a_long_name_is_cut_short(walk, hog, tmp_path, by_colour):
    long = tmp_path / f"{'ö' * 120}.mp4"
    shutil.copy(walk, long)
    assert crop_video(long, tmp_path / "out", settings=hog()).folder.name.startswith("ö" * 50 + "-")


def test_images_are_jpeg_of_the_frames_pixels(walk, hog, quickly, by_colour):
    from iics.video_frames import VideoFile

    out = quickly
    row = table(out)[0]
    with VideoFile(walk) as video:
        frame = next(frame for frame in video.frames(stride=1) if frame.index == int(row["frame"]))
    left, top, width, height = (int(row[f"box_{name}"]) for name in ("left", "top", "width", "height"))
    crop = Image.open(io.BytesIO((out / row["path"]).read_bytes()))
    assert crop.format == "JPEG"
    difference = np.asarray(crop).astype(int) - frame.pixels[top : top + height, left : left + width]
    assert np.abs(difference).mean() < 3


def test_a_table_that_is_not_what_was_written_is_named(walk, hog, tmp_path, by_colour):
    cropped = crop_video(walk, tmp_path / "crops", settings=hog())
    table = cropped.folder / "crops.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(
        VideoError, match=rf"^{table} is not what was written\. Remove the folder {cropped.folder}, and"
    ):
        crop_folder.CropFolder(tmp_path / "crops").write_table()
