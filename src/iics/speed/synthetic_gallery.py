"""Synthetic query and gallery of any size: features with known identities, junk and distractors among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import FloatArray, IntArray
from iics.crops import DISTRACTOR_IDENTITY, JUNK_IDENTITY
from iics.evaluation.labels import EvaluationLabels

_LATENT = 64
_BLOCK_ROWS = 4096


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
    camera_offset: float = 0.5,
    noise: float = 1.0,
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
        camera_offset: Length of a camera's offset; an identity's own part has length 1.
        noise: Length of what is different in every crop.
        seed: Of everything drawn.
    """
    generator = np.random.default_rng(seed)
    people = generator.standard_normal((num_identities + 1, _LATENT), dtype=np.float32)
    cameras = np.float32(camera_offset) * generator.standard_normal((num_cameras, _LATENT), dtype=np.float32)
    spread = generator.standard_normal((_LATENT, num_features), dtype=np.float32)

    def features(identity_ids: IntArray, camera_ids: IntArray) -> FloatArray:
        rows = np.empty((len(identity_ids), num_features), np.float32)
        for start in range(0, len(rows), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            own = generator.standard_normal((len(rows[block]), _LATENT), dtype=np.float32)
            latent = people[identity_ids[block]] + cameras[camera_ids[block]] + np.float32(noise) * own
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
