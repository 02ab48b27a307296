"""Boxes of successive frames -> tracklets: which boxes are one person, followed by one camera.

OC-SORT (Cao et al., "Observation-Centric SORT", CVPR 2023) of the library trackforge: a motion model for each person
and the best assignment of boxes by overlap. It looks at boxes only, so people who cross may be swapped.
"""

from __future__ import annotations

import numpy as np

from iics.video.detections import Detections, IntArray

_MIN_OVERLAP = 0.3
_ONE_CLASS = 0


class TrackletLinker:
    """Gives every box of a frame the number of its tracklet. State: where people were last and how they moved.

    Args:
        max_gap: Frames that a person may go unseen and still be the same tracklet.
    """

    def __init__(self, *, max_gap: int) -> None:
        from trackforge import OCSORT

        self._tracker = OCSORT(max_age=max_gap, min_hits=1, iou_threshold=_MIN_OVERLAP)

    def link(self, detections: Detections) -> IntArray:
        """Return the tracklet of each box of the next frame; frames without boxes have to be given too.

        Returns:
            Numbers from 1; -1 for a box that the tracker left out. Shape (n,).
        """
        boxes, confidences = detections.boxes.tolist(), detections.confidences.tolist()
        tracklets = np.full(len(detections), -1, dtype=np.int64)
        tracked = self._tracker.update([(box, sure, _ONE_CLASS) for box, sure in zip(boxes, confidences, strict=True)])
        for tracklet, _, _, _, place in tracked:
            if place is not None:
                tracklets[place] = tracklet
        return tracklets
