"""Synthetic features and scores with known identities: what labelling gets to see, at any size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from iics.arrays import FloatArray, IndexArray
from iics.similarity.inter_camera import InterCameraSimilarity
from iics.similarity.overlap_similarity import OverlapSimilarity

_LATENT = 64
_BLOCK_ROWS = 8192


@dataclass(frozen=True, eq=False)
class SyntheticCrops:
    """Features of crops that nobody took.

    Attributes:
        features: L2-normalised rows. Shape (n, d).
        scores: Softmax outputs of one classifier per camera, side by side; rows sum to the number of cameras.
            Shape (n, K).
        identity_ids: Shape (n,).
        camera_ids: Shape (n,).
        num_cameras: Number of cameras, and of classifiers.
    """

    features: Tensor
    scores: Tensor
    identity_ids: IndexArray
    camera_ids: IndexArray
    num_cameras: int

    def similarity(self, *, mu: float) -> InterCameraSimilarity:
        """Return their inter-camera similarity (Eq. 5)."""
        overlap = OverlapSimilarity(self.scores, num_heads=self.num_cameras)
        return InterCameraSimilarity(self.features, overlap, torch.from_numpy(self.camera_ids), mu=mu)


def synthetic_crops(
    num_crops: int,
    *,
    num_cameras: int = 6,
    num_scores: int = 3600,
    num_features: int = 2048,
    crops_each: int = 17,
    camera_offset: float = 0.5,
    noise: float = 1.0,
    temperature: float = 0.1,
    seed: int = 0,
) -> SyntheticCrops:
    """Return crops = identity + camera offset + noise, drawn in 64 dimensions and spread over all features.

    A camera's classifier has the features of some of its own crops for weights, as a head trained on clusters comes to.

    Args:
        num_crops: Number of crops n.
        num_cameras: Number of cameras C.
        num_scores: Outputs K of all classifiers together, at least one per camera.
        num_features: Length d of a feature vector.
        crops_each: Crops an identity has on average.
        camera_offset: Length of a camera's offset; an identity's own part has length 1.
        noise: Length of what is different in every crop.
        temperature: Divides the cosines before the softmax; small values make scores peaked.
        seed: Of everything drawn.
    """
    generator = np.random.default_rng(seed)

    def directions(count: int) -> FloatArray:
        return generator.standard_normal((count, _LATENT), dtype=np.float32) / np.float32(_LATENT**0.5)

    num_identities = max(1, num_crops // crops_each)
    identity_ids = generator.integers(num_identities, size=num_crops)
    camera_ids = np.arange(num_crops) % num_cameras
    latent = directions(num_identities)[identity_ids] + camera_offset * directions(num_cameras)[camera_ids]
    latent += noise * directions(num_crops)
    spread = generator.standard_normal((_LATENT, num_features), dtype=np.float32)
    features = torch.nn.functional.normalize(torch.from_numpy(latent.astype(np.float32) @ spread), dim=1)
    scores = features.new_empty(num_crops, num_scores)
    for camera, part in enumerate(torch.tensor_split(scores, num_cameras, dim=1)):
        members = np.flatnonzero(camera_ids == camera)
        chosen = generator.choice(members, part.shape[1], replace=part.shape[1] > len(members))
        weights = features[torch.from_numpy(chosen)].T
        for start in range(0, num_crops, _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            part[rows] = (features[rows] @ weights / temperature).softmax(dim=1)
    return SyntheticCrops(features, scores, identity_ids, camera_ids, num_cameras)
