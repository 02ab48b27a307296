"""HOG finds drawn people, at the scale that the smallest of them needs."""

import cv2
import numpy as np
import pytest

from iics.errors import VideoError
from iics.video.hog_people import hog_detector


def test_drawn_people_are_found_where_they_stand(drawn_people):
    red, green = drawn_people.RED, drawn_people.GREEN
    found = hog_detector(min_height=85)(drawn_people.picture([red, green], 8))
    left, top, width, height = found.boxes[np.argsort(found.boxes[:, 0])].T
    assert len(found) == 2
    np.testing.assert_allclose(left + width / 2, [red.middle(8), green.middle(8)], atol=8)
    assert (top < 72).all()  # the head is at 70, the shoes at 170
    assert (top + height > 168).all()
    assert (height < 130).all()
    assert (found.confidences > 0.5).all()


def test_small_people_are_found_at_a_finer_scale(drawn_people):
    small = cv2.resize(drawn_people.picture([drawn_people.RED], 8), None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    assert len(hog_detector(min_height=100)(small)) == 0
    (box,) = hog_detector(min_height=50)(small).boxes
    assert box[0] + box[2] / 2 == pytest.approx(0.6 * drawn_people.RED.middle(8), abs=6)


def test_nobody_is_found_on_plain_ground(drawn_people):
    found = hog_detector(min_height=85)(drawn_people.picture([], 0))
    assert found.boxes.shape == (0, 4)


@pytest.mark.parametrize("size", [(16, 16), (40, 200), (128, 40), (1, 1)])
def test_frames_smaller_than_the_window_hold_nobody(size):
    for min_height in (16, 64, 2000):
        assert len(hog_detector(min_height=min_height)(np.full((*size, 3), 100, np.uint8))) == 0


def test_an_opencv_without_hog_is_named(monkeypatch):
    monkeypatch.delattr(cv2, "HOGDescriptor")
    with pytest.raises(VideoError, match=r"^OpenCV 4\..* has no HOG detector: pip install 'opencv-python-headless<5'"):
        hog_detector(min_height=85)
