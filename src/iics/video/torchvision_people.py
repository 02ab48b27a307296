"""torchvision's object detectors; of their 90 classes (COCO), only people are kept.

Their weights are downloaded by torchvision, or are a file of the same state dict. They need torchvision's compiled
operators, which do not load with another build of torch than the one torchvision was made for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iics.arrays import Pixels
from iics.errors import VideoError, WeightsError
from iics.models.torchvision_import import import_torchvision
from iics.models.weights import read_weights
from iics.video.detections import Detections

_PERSON = 1  # in COCO's numbering, which all of them use


def torchvision_detector(name: str, *, weights: Path | None, device: str) -> Callable[[Pixels], Detections]:
    """Return a detector of `torchvision.models.detection`.

    Args:
        name: Name of its function there, e.g. "fasterrcnn_mobilenet_v3_large_fpn".
        weights: File of its state dict (.pth, .safetensors); None downloads torchvision's, once.
        device: Torch device to compute on.

    Raises:
        VideoError: If torchvision's compiled operators do not load.
        WeightsError: If the weights cannot be downloaded or read, or are another network's.
    """
    check_operators()
    detection = importlib.import_module("torchvision.models.detection")
    network = getattr(detection, name)(weights=None, weights_backbone=None)
    state = _downloaded(name) if weights is None else read_weights(_existing(weights))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(
            f"The weights in {weights} do not fit {name}: {str(error).splitlines()[-1].strip()} Choose the --detector "
            "that they were made for."
        ) from error
    return people_of(network.eval().to(device), device=device)


def people_of(
    network: Callable[[list[Tensor]], list[dict[str, Tensor]]], *, device: str
) -> Callable[[Pixels], Detections]:
    """Return a detector of the people that a network of torchvision's interface finds, in evaluation mode."""

    def detect(pixels: Pixels) -> Detections:
        picture = torch.from_numpy(pixels).to(device).permute(2, 0, 1).float() / 255
        with torch.inference_mode():
            (found,) = network([picture])
        is_person = found["labels"] == _PERSON
        corners = found["boxes"][is_person].double().cpu().numpy()
        corners[:, 2:] -= corners[:, :2]
        return Detections(corners, found["scores"][is_person].double().cpu().numpy())

    return detect


def check_operators() -> None:
    """Refuse if torchvision's compiled operators do not load.

    Raises:
        VideoError: If they do not.
    """
    import_torchvision()
    try:
        torch.ops.torchvision.nms(torch.zeros(1, 4), torch.ones(1), 0.5)
    except (RuntimeError, AttributeError) as error:
        version = importlib.import_module("torchvision").__version__
        raise VideoError(
            f"The compiled operators of torchvision {version} do not load beside torch {torch.__version__}; its "
            "detectors need them. Install builds that belong together (https://pytorch.org), or use --detector hog."
        ) from error


def _downloaded(name: str) -> dict[str, Tensor]:
    weights: Any = importlib.import_module("torchvision.models").get_model_weights(name).DEFAULT
    try:
        state: dict[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:  # no network, no room, or a file that was cut off
        raise WeightsError(
            f"Cannot download the weights of {name} ({error}). Fetch {weights.url} elsewhere and give it as "
            "--detector-weights, or use --detector hog."
        ) from error
    return state


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise WeightsError(f"There is no file of weights at {file}.")
    return file
