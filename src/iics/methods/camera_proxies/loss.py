"""The losses of CAP and O2CAP: which proxy of its own camera a crop is of, and which proxies of other cameras.

Within its camera, a crop shall be most like its own proxy (intra-camera term of CAP, Wang et al., AAAI 2021). Across
cameras, it is drawn to offline and online positives (`iics.training.camera_proxies`).

Departure: proxies are those of the beginning of the round, where CAP moves them after each step.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from iics.config import ProxySettings
from iics.errors import TrainingError
from iics.models.features import l2_normalise
from iics.training.camera_proxies import CameraProxies
from iics.training.losses import LabelledCrops, LabelLoss


class ProxyLoss(LabelLoss):
    """The intra-camera term plus the terms across cameras, times their weight.

    Args:
        settings: Of the proxies.
    """

    def __init__(self, settings: ProxySettings) -> None:
        super().__init__()
        self._settings = settings
        self._proxies: CameraProxies | None = None

    def start(self, crops: LabelledCrops) -> None:
        """Take the proxies of the crops."""
        super().start(crops)
        self._proxies = CameraProxies(crops, self._settings)

    def forward(self, features: Tensor, _labels: Tensor, crop_ids: Tensor) -> dict[str, Tensor]:
        """Return loss, intra_camera, proxies (the terms across cameras before their weight) and accuracy.

        Accuracy: how often a crop is most like its own proxy, among those of its camera.
        """
        if self._proxies is None:
            raise TrainingError("Camera proxies are means of features; this stage trains without features before it.")
        logits = own_camera_logits(self._proxies, features, crop_ids, temperature=self._settings.temperature)
        own = self._proxies.of_crop[crop_ids]
        intra = F.cross_entropy(logits, own)
        across = self._proxies(features, crop_ids)
        return {
            "loss": intra + self._settings.weight * across,
            "intra_camera": intra,
            "proxies": across,
            "accuracy": (logits.argmax(dim=1) == own).float().mean(),
        }


def own_camera_logits(proxies: CameraProxies, features: Tensor, crop_ids: Tensor, *, temperature: float) -> Tensor:
    """Return similarities to the proxies of a crop's own camera over the temperature, else -inf. Shape (b, p)."""
    cameras = proxies.cameras[proxies.of_crop[crop_ids]]
    logits = l2_normalise(features) @ proxies.proxies.T / temperature
    return logits.masked_fill(cameras[:, None] != proxies.cameras, -torch.inf)
