"""The people detector that needs no download: histograms of oriented gradients and a linear SVM.

Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005, with the weights that OpenCV holds.
Finds upright people seen whole; weak on crowds, seated people and steep views.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from iics.arrays import Pixels
from iics.errors import VideoError
from iics.video.detections import Detections

_WINDOW = (128, 64)  # height, width
# Its training windows have a wide margin around the person: 16 pixels of 64 x 128 on each side. Some of it is cut away.
_TRIM_WIDTH, _TRIM_HEIGHT = 0.15, 0.08
_OVERLAP = 0.45  # of two boxes that are one person
_LARGEST_SCALE = 2.0  # finer than that is invented


def hog_detector(*, min_height: int) -> Callable[[Pixels], Detections]:
    """Return the detector.

    Args:
        min_height: Height in pixels of the smallest person to find. Frames are scaled so that this person fills the
            detector's window, at most to twice their size; time grows with the number of scaled pixels.

    Raises:
        VideoError: If this OpenCV has no HOG detector (version 5 has not).
    """
    import cv2

    if not hasattr(cv2, "HOGDescriptor"):
        raise VideoError(
            f"OpenCV {cv2.__version__} has no HOG detector: pip install 'opencv-python-headless<5', or choose another "
            "--detector."
        )
    hog = cv2.HOGDescriptor()
    hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())
    scale = min(_LARGEST_SCALE, (1 - 2 * _TRIM_HEIGHT) * _WINDOW[0] / min_height)

    def detect(pixels: Pixels) -> Detections:
        size = [max(1, round(side * scale)) for side in (pixels.shape[1], pixels.shape[0])]
        scaled = cv2.resize(pixels[:, :, ::-1], size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        below, beside = (max(0, least - side) for least, side in zip(_WINDOW, scaled.shape, strict=False))
        scaled = cv2.copyMakeBorder(scaled, 0, below, 0, beside, cv2.BORDER_REPLICATE)
        boxes, margins = hog.detectMultiScale(scaled, winStride=(8, 8), padding=(8, 8), scale=1.05)
        if len(boxes) == 0:
            return Detections(np.empty((0, 4)), np.empty(0))
        margins = np.ravel(margins).astype(np.float64)
        order = np.lexsort((boxes[:, 1], boxes[:, 0], -margins))  # OpenCV's threads leave any order
        boxes, margins = boxes[order], margins[order]
        kept = np.array(cv2.dnn.NMSBoxes(boxes.tolist(), margins.tolist(), 0.0, _OVERLAP), dtype=np.int64)
        boxes, margins = boxes[kept].astype(np.float64), margins[kept]
        boxes[:, :2] += boxes[:, 2:] * (_TRIM_WIDTH, _TRIM_HEIGHT)
        boxes[:, 2:] *= (1 - 2 * _TRIM_WIDTH, 1 - 2 * _TRIM_HEIGHT)
        return Detections(boxes / scale, margins)

    return detect
