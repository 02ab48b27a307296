"""Boxes around people in one frame, and the trimming of boxes to the frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import DoubleArray, IntArray
from iics.errors import VideoError


@dataclass(frozen=True, eq=False)
class Detections:
    """What a detector found in one frame.

    Attributes:
        boxes: Left, top, width, height in pixels; may reach outside of the frame. Shape (n, 4).
        confidences: The detector's own measure, larger is surer: a probability, or a margin without bounds for HOG.
            They are compared with a threshold of the same detector, and written into tables; nothing else. Shape (n,).

    Raises:
        ValueError: If there is not one confidence for each box.
        VideoError: If a number is none, or a box has a negative width or height.
    """

    boxes: DoubleArray
    confidences: DoubleArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "boxes", np.asarray(self.boxes, dtype=np.float64).reshape(-1, 4))
        object.__setattr__(self, "confidences", np.asarray(self.confidences, dtype=np.float64).reshape(-1))
        if len(self.boxes) != len(self.confidences):
            raise ValueError(f"{len(self.boxes)} boxes but {len(self.confidences)} confidences.")
        rows = np.column_stack([self.boxes, self.confidences])
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1) | (self.boxes[:, 2:] < 0).any(axis=1))
        if len(bad):
            raise VideoError(
                f"The detector gave {len(bad)} of {len(rows)} boxes that are none, the first with left, top, width, "
                f"height and confidence {', '.join(f'{value:g}' for value in rows[bad[0]])}. Its weights may be "
                "damaged; choose others or another --detector."
            )

    def __len__(self) -> int:
        return len(self.boxes)


def clip_boxes(boxes: DoubleArray, *, width: int, height: int) -> IntArray:
    """Return boxes in whole pixels, cut off at the frame; one that lies outside has no width or height left.

    Args:
        boxes: Left, top, width, height. Shape (n, 4).
        width: Width of the frame.
        height: Height of the frame.
    """
    corners = np.stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])  # (2, n, 2)
    near, far = np.clip(np.rint(corners), 0, [width, height]).astype(np.int64)
    return np.concatenate([near, far - near], axis=1)
