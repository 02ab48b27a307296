"""Camera proxies: a crop is drawn to its cluster's means in other cameras, and away from other clusters' means.

A proxy is the mean feature of a cluster's crops of one camera, as it was before the stage. Offline positives are the
other cameras' proxies of the crop's cluster (the camera term of PPLR, Cho et al., CVPR 2022, after CAP, Wang et al.,
AAAI 2021); online positives are those that features find now (O2CAP, Wang et al., 2022), whatever their cluster.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from iics.config import ProxySettings
from iics.errors import TrainingError
from iics.models.features import l2_normalise
from iics.training.losses import LabelledCrops, LabelLoss

_OF_FEATURE, _OF_OWN_PROXY = 0.15, 0.85
_NUM_ONLINE = 3


class CameraProxies(nn.Module):
    """The proxies of a stage, and the loss against them.

    Attributes:
        proxies: L2-normalised. Shape (p, d).
        labels: Cluster of each. Shape (p,).
        cameras: Camera of each. Shape (p,).
        of_crop: Proxy of each crop's cluster and camera; -1 for crops of no cluster. Shape (n,).

    Args:
        crops: All crops, those without a cluster included.
        settings: Temperature, and which proxies count.
    """

    proxies: Tensor
    labels: Tensor
    cameras: Tensor
    of_crop: Tensor
    _cameras_with_proxies: Tensor

    def __init__(self, crops: LabelledCrops, settings: ProxySettings) -> None:
        super().__init__()
        self._settings = settings
        device = crops.features.device
        labels, cameras = crops.labels.to(device), crops.camera_ids.to(device)
        is_labelled = labels >= 0
        num_cameras = int(cameras.max()) + 1
        pairs, place = torch.unique((labels * num_cameras + cameras)[is_labelled], return_inverse=True)
        sums = torch.zeros(len(pairs), crops.features.shape[1], device=device)
        sums.index_add_(0, place, crops.features[is_labelled])
        of_crop = torch.full_like(labels, -1)
        of_crop[is_labelled] = place
        self.register_buffer("proxies", l2_normalise(sums))
        self.register_buffer("labels", pairs // num_cameras)
        self.register_buffer("cameras", pairs % num_cameras)
        self.register_buffer("of_crop", of_crop)
        # Found once, as it is waited for. A camera may have no proxy: all its crops are without a cluster.
        self.register_buffer("_cameras_with_proxies", torch.unique(self.cameras))

    def forward(self, features: Tensor, crop_ids: Tensor) -> Tensor:
        """Return the mean loss of some crops; a crop without positives counts as 0.

        Args:
            features: Raw. Shape (b, d).
            crop_ids: Which crop each is; all have a cluster. Shape (b,).
        """
        own = self.of_crop[crop_ids]
        similarity = l2_normalise(features) @ self.proxies.T
        is_own_label = self.labels[own][:, None] == self.labels
        offline = is_own_label & (self.cameras[own][:, None] != self.cameras)
        kind = self._settings.positives
        terms = []
        if kind != "online":
            terms.append(self._contrast(similarity, offline, ~is_own_label))
        if kind != "offline":
            online = self._online_positives(similarity.detach(), own)
            terms.append(self._contrast(similarity, online, ~online & ~is_own_label))
        return torch.stack(terms).sum(dim=0).mean()

    def _contrast(self, similarity: Tensor, is_positive: Tensor, is_negative: Tensor) -> Tensor:
        """Return the cross-entropy of each crop over its positives and its most similar negatives. Shape (b,)."""
        logits = similarity / self._settings.temperature
        num_negatives = min(self._settings.negatives, logits.shape[1])
        hardest = logits.masked_fill(~is_negative, -torch.inf).topk(num_negatives, dim=1).values
        # A crop without positives has an infinite sum here where it has no negatives either: masked below, both ways.
        has_positive = is_positive.any(dim=1)
        positives = logits.masked_fill(~(is_positive | ~has_positive[:, None]), -torch.inf)
        total = torch.cat([positives, hardest], dim=1).logsumexp(dim=1)
        mean = (logits * is_positive).sum(dim=1) / is_positive.sum(dim=1).clamp_min(1)
        return torch.where(has_positive, total - mean, 0.0)

    def _online_positives(self, similarity: Tensor, own: Tensor) -> Tensor:
        """Return the best proxy of each camera, the best three of these, by feature and own proxy. Shape (b, p)."""
        ranked = _OF_FEATURE * similarity + _OF_OWN_PROXY * (self.proxies[own] @ self.proxies.T)
        is_of_camera = self.cameras == self._cameras_with_proxies[:, None]
        best, place = ranked[:, None].masked_fill(~is_of_camera, -torch.inf).max(dim=2)  # (b, cameras)
        chosen = best.topk(min(_NUM_ONLINE, best.shape[1]), dim=1).indices
        is_positive = torch.zeros_like(ranked, dtype=torch.bool)
        return is_positive.scatter_(1, place.gather(1, chosen), value=True)


class WithCameraProxies(LabelLoss):
    """A loss over labels, plus camera proxies times their weight: one term more, `proxies`.

    Args:
        loss: E.g. Eq. 11.
        settings: Of the proxies.
    """

    def __init__(self, loss: LabelLoss, settings: ProxySettings) -> None:
        super().__init__()
        self.loss = loss
        self._settings = settings
        self._proxies: CameraProxies | None = None

    def start(self, crops: LabelledCrops) -> None:
        """Take the proxies of the crops."""
        self.loss.start(crops)
        self._proxies = CameraProxies(crops, self._settings)

    def forward(self, features: Tensor, labels: Tensor, crop_ids: Tensor) -> dict[str, Tensor]:
        """Return the terms of the loss, `loss` raised by the proxies, and `proxies` before their weight."""
        if self._proxies is None:
            raise TrainingError("Camera proxies are means of features; this stage trains without features before it.")
        terms = self.loss(features, labels, crop_ids)
        proxies = self._proxies(features, crop_ids)
        return {**terms, "loss": terms["loss"] + self._settings.weight * proxies, "proxies": proxies}

    def after_step(self) -> None:
        """Let the loss follow; proxies stay."""
        self.loss.after_step()
