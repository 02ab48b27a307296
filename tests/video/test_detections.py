"""Boxes are cut off at the frame."""

import numpy as np
import pytest

from iics.errors import VideoError
from iics.video.detections import Detections, clip_boxes


def test_boxes_are_cut_off_at_the_frame_and_rounded():
    boxes = np.array([[10.4, 20.6, 30, 40], [-5, -6, 20, 30], [90, 70, 30, 40], [200, 10, 5, 5]])
    clipped = clip_boxes(boxes, width=100, height=80)
    assert clipped.tolist() == [[10, 21, 30, 40], [0, 0, 15, 24], [90, 70, 10, 10], [100, 10, 0, 5]]
    assert clipped.dtype == np.int64


def test_no_boxes_stay_no_boxes():
    assert clip_boxes(np.empty((0, 4)), width=100, height=80).shape == (0, 4)
    assert len(Detections([], [])) == 0


def test_every_box_has_a_confidence():
    with pytest.raises(ValueError, match="1 boxes but 2 confidences"):
        Detections([[0, 0, 1, 1]], [0.5, 0.6])


@pytest.mark.parametrize(
    ("box", "confidence"),
    [
        ((np.nan, 0, 1, 1), 0.5),
        ((0, 0, np.inf, 1), 0.5),
        ((0, 0, 1, 1), np.nan),
        ((0, 0, 1, 1), np.inf),
        ((0, 0, -1, 1), 0.5),
    ],
)
def test_what_is_no_box_or_no_score_is_refused_with_its_numbers(box, confidence):
    numbers = ", ".join(f"{value:g}" for value in (*box, confidence))
    with pytest.raises(
        VideoError, match=rf"^The detector gave 1 of 2 boxes that are none, the first .* {numbers}\. Its"
    ):
        Detections([(0, 0, 1, 1), box], [0.5, confidence])


def test_margins_of_any_size_are_kept_as_they_are():
    assert Detections([[0, 0, 1, 1]] * 3, [-2.0, 0.0, 6.5]).confidences.tolist() == [-2.0, 0.0, 6.5]
