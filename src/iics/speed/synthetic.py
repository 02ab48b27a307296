"""Synthetic features with known identities, at any size: crops with scores, as labelling sees them, and galleries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from iics.arrays import FloatArray, IndexArray, IntArray
from iics.crops import DISTRACTOR_IDENTITY, JUNK_IDENTITY
from iics.evaluation.labels import EvaluationLabels
from iics.similarity.inter_camera import InterCameraSimilarity
from iics.similarity.overlap_similarity import OverlapSimilarity

_LATENT = 64
_CROPS_EACH = 17  # crops an identity has on average
_CAMERA_OFFSET = 0.5  # length of a camera's offset; an identity's own part has length 1
_SCORED_AT_ONCE, _DRAWN_AT_ONCE = 8192, 4096


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
    noise: float = 1.0,
    temperature: float = 0.1,
    crops_a_tracklet: int = 1,
    seed: int = 0,
) -> SyntheticCrops:
    """Return crops = identity + camera offset + noise, drawn in 64 dimensions and spread over all features.

    A camera's classifier has the features of some of its own crops for weights, as a head trained on clusters comes to.

    Args:
        num_crops: Number of crops n.
        num_cameras: Number of cameras C.
        num_scores: Outputs K of all classifiers together, at least one per camera.
        num_features: Length d of a feature vector.
        noise: Length of what is different in every crop.
        temperature: Divides the cosines before the softmax; small values make scores peaked.
        crops_a_tracklet: Crops that follow each other are of one identity and camera, so many at a time.
        seed: Of everything drawn.
    """
    generator = np.random.default_rng(seed)

    def directions(count: int) -> FloatArray:
        return generator.standard_normal((count, _LATENT), dtype=np.float32) / np.float32(_LATENT**0.5)

    num_identities = max(1, num_crops // _CROPS_EACH)
    tracklets = np.arange(num_crops) // crops_a_tracklet
    identity_ids = generator.integers(num_identities, size=int(tracklets[-1]) + 1)[tracklets]
    camera_ids = tracklets % num_cameras
    latent = directions(num_identities)[identity_ids] + _CAMERA_OFFSET * directions(num_cameras)[camera_ids]
    latent += noise * directions(num_crops)
    spread = generator.standard_normal((_LATENT, num_features), dtype=np.float32)
    features = torch.nn.functional.normalize(torch.from_numpy(latent.astype(np.float32) @ spread), dim=1)
    scores = features.new_empty(num_crops, num_scores)
    for camera, part in enumerate(torch.tensor_split(scores, num_cameras, dim=1)):
        members = np.flatnonzero(camera_ids == camera)
        chosen = generator.choice(members, part.shape[1], replace=part.shape[1] > len(members))
        weights = features[torch.from_numpy(chosen)].T
        for start in range(0, num_crops, _SCORED_AT_ONCE):
            rows = slice(start, start + _SCORED_AT_ONCE)
            part[rows] = (features[rows] @ weights / temperature).softmax(dim=1)
    return SyntheticCrops(features, scores, identity_ids, camera_ids, num_cameras)


@dataclass(frozen=True, eq=False)
class SyntheticGallery:
    """Query and gallery that nobody took.

    Attributes:
        query_features: L2-normalised rows. Shape (n_query, d).
        gallery_features: L2-normalised rows. Shape (n_gallery, d).
        labels: Of the same crops.
    """

    query_features: FloatArray
    gallery_features: FloatArray
    labels: EvaluationLabels


def synthetic_gallery(
    num_queries: int,
    num_gallery: int,
    *,
    num_identities: int,
    num_cameras: int,
    num_features: int = 2048,
    distractors: float = 0.17,
    junk: float = 0.02,
    seed: int = 0,
) -> SyntheticGallery:
    """Return crops = identity + camera offset + noise, drawn in 64 dimensions and spread over all features.

    Args:
        num_queries: Number of queries.
        num_gallery: Number of gallery crops.
        num_identities: People that queries and gallery show.
        num_cameras: Cameras that see them.
        num_features: Length d of a feature vector.
        distractors: Share of gallery crops that show somebody else.
        junk: Share of gallery crops that are junk.
        seed: Of everything drawn.
    """
    generator = np.random.default_rng(seed)
    people = generator.standard_normal((num_identities + 1, _LATENT), dtype=np.float32)
    cameras = np.float32(_CAMERA_OFFSET) * generator.standard_normal((num_cameras, _LATENT), dtype=np.float32)
    spread = generator.standard_normal((_LATENT, num_features), dtype=np.float32)

    def features(identity_ids: IntArray, camera_ids: IntArray) -> FloatArray:
        rows = np.empty((len(identity_ids), num_features), np.float32)
        for start in range(0, len(rows), _DRAWN_AT_ONCE):
            block = slice(start, start + _DRAWN_AT_ONCE)
            own = generator.standard_normal((len(rows[block]), _LATENT), dtype=np.float32)
            latent = people[identity_ids[block]] + cameras[camera_ids[block]] + own
            # A person known to be nobody's match looks like nobody else.
            latent[identity_ids[block] <= DISTRACTOR_IDENTITY] += own[identity_ids[block] <= DISTRACTOR_IDENTITY]
            np.matmul(latent, spread, out=rows[block])
            rows[block] /= np.linalg.norm(rows[block], axis=1, keepdims=True)
        return rows

    query_ids = generator.integers(1, num_identities + 1, num_queries)
    query_cameras = generator.integers(num_cameras, size=num_queries)
    gallery_ids = generator.integers(1, num_identities + 1, num_gallery)
    gallery_cameras = generator.integers(num_cameras, size=num_gallery)
    kind = generator.random(num_gallery)
    gallery_ids[kind < distractors + junk] = DISTRACTOR_IDENTITY
    gallery_ids[kind < junk] = JUNK_IDENTITY
    labels = EvaluationLabels(query_ids, gallery_ids, query_cameras, gallery_cameras)
    return SyntheticGallery(features(query_ids, query_cameras), features(gallery_ids, gallery_cameras), labels)
