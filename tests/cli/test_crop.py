"""`iics crop`: what it prints, how it ends."""

import io
import subprocess
import sys

import pytest

from iics.cli import crop
from iics.cli.crop import frame_display

FLAGS = ["--camera=lobby", "--detector=hog", "--min-height=85"]


@pytest.fixture(scope="module")
def clip(drawn_people, tmp_path_factory):
    return drawn_people.write_clip(tmp_path_factory.mktemp("clip") / "short.mp4", [drawn_people.RED], num_frames=10)


@pytest.fixture(scope="module")
def cropped(iics, clip, tmp_path_factory):
    out = tmp_path_factory.mktemp("crop") / "my crops"
    finished = iics("crop", clip, "--out", out, *FLAGS)
    return out, finished


def test_the_report_and_where_things_are_are_printed(cropped):
    out, finished = cropped
    assert (finished.code, finished.stderr) == (0, "")
    lines = finished.stdout.splitlines()
    assert lines[0].split() == ["frames", "read", "10"]
    assert lines[-3].startswith(f"Crops:  {out}/lobby/short-")
    assert lines[-2:] == [f"Table:  {out}/crops.csv", f"Report: {out}/crops-report.json"]


def test_a_video_that_was_cropped_is_told(iics, clip, cropped):
    out, _ = cropped
    finished = iics("crop", clip, "--out", out, *FLAGS)
    assert finished.code == 0
    assert finished.stdout.startswith(f"{clip} was cropped before; its ")


def test_the_crops_can_be_checked(iics, cropped):
    finished = iics("check-data", "folder", "--data-dir", cropped[0])
    assert "lobby" in finished.stdout
    assert "unreadable" not in finished.stdout.lower()


def test_an_interruption_says_how_to_go_on(iics, clip, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("iics.video.person_crops.PersonCrops.add", interrupt)
    finished = iics("crop", clip, "--out", tmp_path / "out", *FLAGS)
    assert finished.code == 130
    assert f"Stopped within {clip}; the same command goes on where it was." in finished.stderr


def test_mistakes_are_one_line(refusal, clip, tmp_path):
    assert refusal("crop", tmp_path / "no.mp4", *FLAGS).startswith(
        f"A video file is needed; {tmp_path}/no.mp4 does not"
    )
    assert refusal("crop", clip, "--camera", "a/b").startswith("camera names a folder and needs a name without slash")
    message = refusal("crop", clip, "--out", tmp_path / "out", *FLAGS, "--min-confidence", 9)
    assert message.startswith(f"Nobody was found in {clip}: 10 frames searched")
    weights = refusal("crop", clip, "--out", tmp_path / "out", *FLAGS, "--detector-weights", clip)
    assert weights == "The detector hog has no weights to choose; leave --detector-weights out."


def test_a_file_that_is_no_video_is_one_line_with_ffmpeg_itself_silent(tmp_path):
    film = tmp_path / "film.mp4"
    film.write_text("hello")
    command = [sys.executable, "-m", "iics", "crop", film, "--camera=lobby", "--detector=hog"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.splitlines() == [
        f"iics: error: {film} holds no video that can be read: it is sound only, no video file, or cut off before its "
        "index was written. Check that it plays."
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_frames_done_are_told_every_half_minute_where_there_is_no_terminal(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(crop.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    with frame_display(stream) as progress:
        for done, seconds, total in ((1, 1, 90), (40, 31, 90), (41, 32, 90), (80, 62, None)):
            now[0] = float(seconds)
            progress(done, total)
    assert stream.getvalue().splitlines() == ["frames  40/90", "frames  80"]


def test_a_terminal_shows_a_bar():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    with frame_display(stream) as progress:
        progress(5, 10)
    assert "frames" in stream.getvalue()
