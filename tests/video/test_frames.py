"""Frames come in order with the container's times; a file that is no video is refused, damage is told."""

from __future__ import annotations

import struct
import sys
import wave
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from iics import video_frames as frames
from iics.errors import VideoError
from iics.video.crop_video import crop_video
from iics.video.detections import Detections
from iics.video.detectors import DETECTORS, DetectorKind
from iics.video_frames import Display, VideoFile, check_video_packages

CAPTURE = cv2.VideoCapture
ONE = 1 << 16
# The first four numbers of a track's matrix: what an angle, clockwise, looks like in an MP4 file.
MATRICES = {
    0: (ONE, 0, 0, ONE),
    90: (0, ONE, -ONE, 0),
    180: (-ONE, 0, 0, -ONE),
    270: (0, -ONE, ONE, 0),
    45: (46341, 46341, -46341, 46341),
    "twice as wide": (2 * ONE, 0, 0, ONE),
}


@pytest.fixture(scope="module")
def shown_as(walk, tmp_path_factory):
    """Write the clip with another display matrix; its frames are stored as they were."""

    def write(kind):
        data = bytearray(walk.read_bytes())
        at = data.index(b"tkhd") + 44
        a, b, c, d = MATRICES[kind]
        data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
        path = tmp_path_factory.mktemp("clips") / f"{kind}.mp4"
        path.write_bytes(data)
        return path

    return write


def first_frame(path):
    with VideoFile(path) as video:
        return next(video.frames(stride=1)).pixels


class UnturningCapture:
    """An OpenCV that turns no frame and says how they would have to be turned, as some builds do."""

    turns = 0

    def __init__(self, *source):
        capture = CAPTURE(*source)
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, self.turns)
        self.isOpened, self.grab, self.retrieve = capture.isOpened, capture.grab, capture.retrieve
        self.get, self.release = capture.get, capture.release

    def set(self, *_):
        return False


class TurningCapture(UnturningCapture):
    """An OpenCV that turns frames whatever it is asked."""

    turns = 1


@pytest.mark.parametrize("capture", [CAPTURE, UnturningCapture, TurningCapture])
@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_frames_are_turned_clockwise_once_whatever_opencv_does(shown_as, walk, monkeypatch, angle, capture):
    stored = first_frame(walk)
    monkeypatch.setattr(cv2, "VideoCapture", capture)
    shown = first_frame(shown_as(angle))
    np.testing.assert_array_equal(shown, np.rot90(stored, -angle // 90))
    assert shown.flags.c_contiguous


def test_pixels_that_are_no_squares_are_stretched(shown_as, walk):
    stored, shown = first_frame(walk), first_frame(shown_as("twice as wide"))
    assert shown.shape == (stored.shape[0], 2 * stored.shape[1], 3)
    halved = shown.reshape(stored.shape[0], stored.shape[1], 2, 3).mean(axis=2)
    assert np.abs(halved - stored).mean() < 2


@pytest.mark.parametrize(("across", "down", "stretch"), [(0, 1, 1.0), (1, 0, 1.0), (-1, 1, 1.0), (16, 15, 16 / 15)])
def test_what_is_not_said_of_pixels_stretches_nothing(across, down, stretch):
    said = {cv2.CAP_PROP_SAR_NUM: across, cv2.CAP_PROP_SAR_DEN: down}
    capture = SimpleNamespace(set=lambda *_: True, get=lambda which: said.get(which, 0.0))
    assert Display.of(capture) == Display(stretch=stretch)


@pytest.mark.parametrize("sides", [(9, 1), (1, 9)])
def test_pixels_beyond_sense_are_refused(sides):
    said = dict(zip((cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN), sides, strict=True))
    capture = SimpleNamespace(set=lambda *_: True, get=lambda which: said.get(which, 0.0))
    with pytest.raises(
        VideoError, match=rf"^it says that its pixels are {sides[0]} wide and {sides[1]} high\. Convert"
    ):
        Display.of(capture)


def test_stretching_comes_before_turning():
    pixels = np.zeros((20, 30, 3), np.uint8)
    assert Display(quarter_turns=1, stretch=1.5).shown(pixels).shape == (45, 20, 3)
    np.testing.assert_array_equal(Display().shown(pixels), pixels)


def test_a_video_to_be_turned_by_another_angle_is_refused(shown_as):
    path = shown_as(45)
    with pytest.raises(
        VideoError, match=rf"^{path} cannot be read: the video is to be shown turned by 45 degrees; only"
    ):
        VideoFile(path)


def test_crops_and_boxes_of_a_turned_video_are_those_of_the_upright_frame(shown_as, hog, monkeypatch, tmp_path):
    sizes = []

    def detect(pixels):
        sizes.append(pixels.shape[:2])
        return Detections([[10, 200, 60, 100]], [0.9])  # below the end of the frame as it is stored

    monkeypatch.setitem(DETECTORS, "hog", DetectorKind(lambda _: detect, 0.5, depends_on=()))
    height, width = first_frame(shown_as(0)).shape[:2]
    crop_video(shown_as(90), tmp_path / "crops", settings=hog())
    assert set(sizes) == {(width, height)}
    rows = (tmp_path / "crops" / "crops.csv").read_text().splitlines()
    assert rows[1].endswith(",10,200,60,100,0.9000")


def test_detections_of_frames_as_they_are_stored_are_not_taken_for_those_of_turned_ones(
    shown_as, hog, monkeypatch, tmp_path
):
    searched = []

    def detect(pixels):
        searched.append(1)
        return Detections([], [])

    monkeypatch.setitem(DETECTORS, "hog", DetectorKind(lambda _: detect, 0.5, depends_on=()))
    for display, num_searched in ((Display(), 40), (Display(), 40), (Display(quarter_turns=1), 80)):
        monkeypatch.setattr(Display, "of", lambda _, display=display: display)
        with pytest.raises(VideoError, match="Nobody was found"):
            crop_video(shown_as(90), tmp_path / "crops", settings=hog())
        assert len(searched) == num_searched


def read(path, stride=1):
    with VideoFile(path) as video:
        return video, list(video.frames(stride=stride))


def test_frames_are_numbered_timed_and_in_rgb(walk, drawn_people):
    video, found = read(walk)
    assert [frame.index for frame in found] == list(range(40))
    np.testing.assert_allclose([frame.seconds for frame in found], np.arange(40) / 25, atol=1e-6)
    drawn = drawn_people.picture([drawn_people.RED, drawn_people.GREEN], 20)
    assert np.abs(found[20].pixels.astype(int) - drawn).mean() < 4  # of compression
    assert video.faults() == ()


def test_a_stride_passes_frames_over_and_keeps_their_numbers_and_times(walk):
    video, found = read(walk, stride=7)
    assert [frame.index for frame in found] == [0, 7, 14, 21, 28, 35]
    assert found[3].seconds == pytest.approx(21 / 25)
    assert video.num_read == 40


def test_times_are_those_of_the_container_where_the_frame_rate_varies(tmp_path, drawn_people):
    stamps = [0, 1, 2, 5, 6, 10, 11, 20]
    video, found = read(drawn_people.write_timed_clip(tmp_path / "v.mkv", stamps, frames_per_second=10))
    np.testing.assert_allclose([frame.seconds for frame in found], np.array(stamps) / 10)
    assert [round(frame.pixels.mean() / 10) for frame in found] == stamps
    assert video.faults() == (
        "8 of about 21 frames could be read: the frame rate varies, or the file is damaged in the middle.",
    )


def test_times_count_from_the_first_frame(tmp_path, drawn_people):
    _, found = read(drawn_people.write_timed_clip(tmp_path / "late.mkv", [5, 6, 8], frames_per_second=10))
    np.testing.assert_allclose([frame.seconds for frame in found], [0, 0.1, 0.3])


def test_frames_without_a_time_stamp_follow_at_the_frame_rate_and_are_told(walk, monkeypatch):
    with VideoFile(walk) as video:
        capture = video._capture

        class Untimed:
            grab, retrieve, release = capture.grab, capture.retrieve, capture.release

            def get(self, _):
                return 0.0

        monkeypatch.setattr(video, "_capture", Untimed())
        found = list(video.frames(stride=1))
        np.testing.assert_allclose([frame.seconds for frame in found], np.arange(40) / 25)
        assert video.faults() == (
            "39 of 40 frames have no time stamp of their own; they are placed 0.040 s after the frame before.",
        )


def test_a_cut_off_video_is_read_as_far_as_it_goes_and_told(tmp_path, drawn_people):
    whole = drawn_people.write_clip(tmp_path / "whole.avi", [drawn_people.RED], num_frames=50)
    data = whole.read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(data[: len(data) // 2])
    video, found = read(cut)
    assert 10 < len(found) < 40
    (fault,) = video.faults()
    assert fault.startswith(f"{len(found)} of about 50 frames could be read, the last ")
    assert fault.endswith(" s are missing: the file is cut off or damaged.")


def sound(path):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))


@pytest.mark.parametrize("kind", ["text", "sound", "empty"])
def test_a_file_without_video_is_refused(tmp_path, kind):
    path = tmp_path / "film.mp4"
    {"text": lambda: path.write_text("hello"), "sound": lambda: sound(path), "empty": path.touch}[kind]()
    with pytest.raises(VideoError, match=rf"^{path} holds no video that can be read: it is sound only, no video file,"):
        VideoFile(path)


def test_an_index_that_was_never_written_is_refused(walk, tmp_path):
    path = tmp_path / "cut.mp4"
    path.write_bytes(walk.read_bytes()[:3000])
    with pytest.raises(VideoError, match="cut off before its index was written"):
        VideoFile(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(VideoError, match=rf"^A video file is needed; {tmp_path}/no\.mp4 does not exist\.$"):
        VideoFile(tmp_path / "no.mp4")
    with pytest.raises(VideoError, match=rf"^A video file is needed; {tmp_path} is a folder\.$"):
        VideoFile(tmp_path)


def test_a_missing_package_is_named_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setattr(frames.importlib.util, "find_spec", lambda name: None if name == "cv2" else object())
    with pytest.raises(VideoError, match=r"needs the package opencv-python-headless: pip install 'iics\[video\]'\.$"):
        check_video_packages()
