"""Frames come in order with the container's times; a file that is no video is refused, damage is told."""

import sys
import wave

import numpy as np
import pytest

from iics.errors import VideoError
from iics.video import frames
from iics.video.frames import VideoFile, check_video_packages


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
