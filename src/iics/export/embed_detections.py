"""A frame and its boxes -> features in the order of the boxes, for trackers that use appearance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from iics.arrays import DoubleArray, FloatArray, IntArray, Pixels
from iics.errors import DataError
from iics.export.input_form import Channels
from iics.video.detections import clip_boxes

_MOST_OF_SHARES = 1.5
"""Shares reach a little over the border; a box of pixels that ends before this shows nobody."""


class Embedder(Protocol):
    """What has features to give: `ReidModel` or `OnnxModel`."""

    @property
    def num_features(self) -> int:
        """Length of a feature vector."""
        ...

    def embed(self, images: Sequence[Image.Image], /) -> FloatArray:
        """Return L2-normalised features of pictures. Shape (n, d)."""
        ...


class Boxes(Protocol):
    """Anything with corners of boxes, e.g. `supervision.Detections`."""

    @property
    def xyxy(self) -> npt.NDArray[np.generic]:
        """Left, top, right, bottom in pixels. Shape (n, 4)."""
        ...


def embed_detections(model: Embedder, frame: Pixels, detections: Boxes, *, channels: Channels) -> FloatArray:
    """Return a feature for each detection of a frame.

    Args:
        model: What `load_model` returned, or an `OnnxModel`.
        frame: The whole frame, uint8. Shape (h, w, 3).
        detections: Boxes in pixels of the frame; parts outside of it are cut off.
        channels: "bgr" for frames of OpenCV and supervision, "rgb" for those of Pillow and most others. The wrong one
            is no error, only worse features.

    Returns:
        L2-normalised features in the order of the detections; the cosine of two rows is their product. Shape (n, d).

    Raises:
        DataError: If a box has no area within the frame, by number; or there is no frame, or no model.
        ValueError: If the frame is not uint8 of shape (h, w, 3), or boxes are not of shape (n, 4).
    """
    if frame is None:
        raise DataError("The frame is None, as cv2.imread and a video at its end give: there is no picture to look at.")
    if not hasattr(model, "embed"):
        raise DataError(f"A model is needed, got {model!r:.80}. Load it first: iics.load_model('runs/first').")
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError(f"A frame must be uint8 of shape (h, w, 3), got {frame.dtype} {frame.shape}.")
    if channels not in ("bgr", "rgb"):
        raise ValueError(f"channels must be 'bgr' or 'rgb', got {channels!r}.")
    boxes = _within(frame, np.asarray(detections.xyxy, dtype=np.float64))
    if len(boxes) == 0:
        return np.empty((0, model.num_features), dtype=np.float32)
    colours = slice(None) if channels == "rgb" else slice(None, None, -1)
    return model.embed(
        [
            Image.fromarray(np.ascontiguousarray(frame[top : top + height, left : left + width, colours]))
            for left, top, width, height in boxes.tolist()
        ]
    )


def _within(frame: Pixels, corners: DoubleArray) -> IntArray:
    """Return left, top, width and height of boxes cut off at the frame, in whole pixels."""
    if corners.ndim != 2 or corners.shape[1] != 4:
        raise ValueError(f"Boxes must be left, top, right, bottom, of shape (n, 4), got {corners.shape}.")
    frame_height, frame_width = frame.shape[:2]
    if len(corners) and np.abs(np.nan_to_num(corners)).max() <= _MOST_OF_SHARES:
        raise DataError(
            "No number of any detection is above 1: these are shares of the frame, and pixels are needed. Multiply "
            f"them by its width and height, {frame_width} and {frame_height}."
        )
    is_finite = np.asarray(np.isfinite(corners).all(axis=1))
    sizes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    boxes = clip_boxes(np.where(is_finite[:, None], sizes, 0.0), width=frame_width, height=frame_height)
    bad = np.flatnonzero(~is_finite | (boxes[:, 2:] < 1).any(axis=1))
    if len(bad):
        box = ", ".join(f"{value:g}" for value in corners[bad[0]])
        raise DataError(
            f"Detection {bad[0]} (left, top, right, bottom {box}) has no area within the frame of {frame_width} x "
            f"{frame_height} pixels{f', nor have {len(bad) - 1} others' if len(bad) > 1 else ''}. Leave such "
            "detections out before features are computed."
        )
    return boxes
