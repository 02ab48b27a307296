"""Camera-centred features (Song et al., "Exploring the Camera Bias of Person Re-identification", ICLR 2025).

What all crops of a camera have in common is its light, colours and background, not a person: f' = (f - m_c) / s_c,
with mean and standard deviation over the crops of camera c, is what is left.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from iics.arrays import IntArray
from iics.config import Centring

LEAST_CROPS = 25
"""Crops that a camera's own mean needs: of fewer, it is mostly of the people."""


def camera_centred(features: Tensor, camera_ids: IntArray, *, centring: Centring) -> Tensor:
    """Return features less the mean of their camera's, L2-normalised.

    A camera of fewer than 25 crops is centred by all crops of such cameras and, if these are fewer than 25 too, by
    the crops of all cameras.

    Args:
        features: L2-normalised. Shape (n, d).
        camera_ids: Camera of each crop. Shape (n,).
        centring: off returns the features as they are; scaled divides by the camera's standard deviation, too.
    """
    if centring == "off":
        return features
    centred = torch.empty_like(features)
    for members, source in _sources(torch.from_numpy(camera_ids.copy()).to(features.device)):
        known = features[source]
        left = features[members] - known.mean(dim=0)
        if centring == "scaled":
            spread = known.std(dim=0, correction=0)
            left = left / torch.where(spread > 0, spread, 1.0)  # a channel that never moves says nothing: 0 stays 0
        centred[members] = left
    return F.normalize(centred, dim=1)


def _sources(camera_ids: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return for each camera the places of its crops, and of those that its mean is taken of."""
    sizes = torch.bincount(camera_ids)
    is_of_small = sizes[camera_ids] < LEAST_CROPS
    small = is_of_small if int(is_of_small.sum()) >= LEAST_CROPS else torch.ones_like(is_of_small)
    sources = []
    for camera in sizes.nonzero()[:, 0].tolist():
        members = camera_ids == camera
        sources.append((members, members if sizes[camera] >= LEAST_CROPS else small))
    return sources
