"""Detections are found once, whatever kills the process, and never taken for those of something else."""

import numpy as np
import pytest

from iics.errors import WriteError
from iics.video.detection_journal import DetectionJournal
from iics.video.detections import Detections
from iics.video_frames import Frame

FRAMES = [Frame(index, index / 25, np.zeros((4, 4, 3), np.uint8)) for index in range(6)]


def found_in(number):
    return Detections([[number / 3, 2.0, 3.0, 4.0]] * (number % 3), [0.1 + number] * (number % 3))


class CountingDetector:
    """Finds something else in each call; remembers how often it was called."""

    def __init__(self, start=0):
        self.calls = start

    def __call__(self, _):
        self.calls += 1
        return found_in(self.calls)


def read(path, frames, detector, key="one"):
    with DetectionJournal(path, key=key) as journal:
        found = [journal.detections(frame, detector) for frame in frames]
    return [(each.boxes.tolist(), each.confidences.tolist()) for each in found]


def test_what_was_found_before_is_not_looked_for_again(tmp_path):
    path = tmp_path / "journal"
    first = read(path, FRAMES[:4], CountingDetector())
    detector = CountingDetector(start=4)
    again = read(path, FRAMES, detector)
    assert detector.calls == 6
    assert again[:4] == first  # to the last bit
    assert again == read(tmp_path / "unbroken", FRAMES, CountingDetector())


@pytest.mark.parametrize("torn", [b'{"fra', b'{"frame": 9, "found": []}', b"\x00\x00\x00\n"])
def test_a_torn_last_line_is_dropped(tmp_path, torn):
    path = tmp_path / "journal"
    first = read(path, FRAMES[:4], CountingDetector())
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    detector = CountingDetector()
    assert read(path, FRAMES[:4], detector) == first
    assert detector.calls == 0
    assert path.read_bytes() == whole


def test_from_the_first_line_that_a_disk_changed_all_is_detected_again(tmp_path):
    path = tmp_path / "journal"
    first = read(path, FRAMES, CountingDetector())
    whole = path.read_bytes()
    for place in range(whole.index(b"\n") + 1, len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        detector = CountingDetector(start=whole[:place].count(b"\n") - 1)  # lines before the changed one, but the key
        assert read(path, FRAMES, detector) == first
        assert path.read_bytes() == whole


@pytest.mark.parametrize("content", [b"", b"{", b"[]\n", b'{"frame": 0, "found": []}\n'])
def test_a_file_without_its_key_is_begun_anew(tmp_path, content):
    path = tmp_path / "journal"
    path.write_bytes(content)
    detector = CountingDetector()
    read(path, FRAMES, detector)
    assert detector.calls == 6


def test_detections_of_another_video_or_detector_are_dropped(tmp_path):
    path = tmp_path / "journal"
    read(path, FRAMES, CountingDetector(), key="one")
    detector = CountingDetector()
    read(path, FRAMES[:2], detector, key="two")
    assert detector.calls == 2
    assert len(path.read_bytes().splitlines()) == 3


def test_from_the_first_frame_that_is_another_all_is_detected_again(tmp_path):
    path = tmp_path / "journal"
    read(path, FRAMES, CountingDetector())
    detector = CountingDetector()
    read(path, [FRAMES[0], FRAMES[1], FRAMES[3], FRAMES[4]], detector)
    assert detector.calls == 2
    assert read(path, [FRAMES[0], FRAMES[1], FRAMES[3], FRAMES[4]], None)


def test_a_journal_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(WriteError, match=r"^Cannot write .*/no/journal: No such file or directory\.$"):
        DetectionJournal(tmp_path / "no" / "journal", key="one")
