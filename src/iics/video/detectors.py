"""People detectors by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from iics.arrays import Pixels
from iics.errors import SettingsError
from iics.video.detections import Detections

DetectorName = Literal[
    "hog",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "retinanet_resnet50_fpn_v2",
    "fcos_resnet50_fpn",
    "ssdlite320_mobilenet_v3_large",
]
Detector = Callable[[Pixels], Detections]


@dataclass(frozen=True)
class DetectorOptions:
    """What a detector may want to know.

    Attributes:
        min_height: Height in pixels of the smallest person to find.
        weights: File of weights, or None.
        device: "auto" or a torch device.
    """

    min_height: int
    weights: Path | None
    device: str


def _hog(options: DetectorOptions) -> Detector:
    from iics.video.hog_people import hog_detector

    if options.weights is not None:
        raise SettingsError("The detector hog has no weights to choose; leave --detector-weights out.")
    return hog_detector(min_height=options.min_height)


def _of_torchvision(name: DetectorName) -> Callable[[DetectorOptions], Detector]:
    def build(options: DetectorOptions) -> Detector:
        from iics.device import choose_device
        from iics.video.torchvision_people import torchvision_detector

        return torchvision_detector(name, weights=options.weights, device=choose_device(options.device))

    return build


@dataclass(frozen=True)
class DetectorKind:
    """How to make a detector, and which of its boxes to trust if the user does not say.

    Attributes:
        build: Makes it.
        min_confidence: Confidence from which on a box is taken for a person.
        depends_on: Settings that decide, with its name, what it finds.
        most_confidence: What its confidences, from 0 on, cannot exceed: 1 for a probability.
    """

    build: Callable[[DetectorOptions], Detector]
    min_confidence: float
    depends_on: tuple[str, ...]
    most_confidence: float = math.inf


DETECTORS: dict[DetectorName, DetectorKind] = {
    name: DetectorKind(_hog, 0.5, depends_on=("min_height",))
    if name == "hog"
    else DetectorKind(_of_torchvision(name), 0.5, depends_on=("detector_weights",), most_confidence=1.0)
    for name in get_args(DetectorName)
}
