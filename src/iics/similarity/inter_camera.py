"""Inter-camera similarity (Eq. 5): features and score overlap to one matrix."""

from __future__ import annotations

from torch import Tensor


def inter_camera_similarity(features: Tensor, overlap: Tensor, cameras: Tensor, *, mu: float) -> Tensor:
    """Return cosine similarity, raised for pairs seen by different cameras.

    Takes O(n^2 d) time and, beside the inputs, two n x n matrices of memory.

    Args:
        features: L2-normalised rows f. Shape (n, d).
        overlap: Agreement of classifier scores (Eq. 9), in [0, 1]. Shape (n, n).
        cameras: Camera of each crop. Shape (n,).
        mu: Weight of the overlap; 0 leaves the cosine unchanged.

    Returns:
        Similarity; larger is closer; at most 1 + mu. Shape (n, n).

    Raises:
        ValueError: If `mu` is negative, NaN or infinite, or the shapes do not belong together.
    """
    if not 0 <= mu < float("inf"):
        raise ValueError(f"mu must be at least 0 and finite, got {mu}.")
    if features.ndim != 2:
        raise ValueError(f"features must have shape (crops, dimensions), got {tuple(features.shape)}.")
    num_crops = len(features)
    if overlap.shape != (num_crops, num_crops):
        raise ValueError(
            f"{num_crops} features need an overlap of {num_crops} x {num_crops}, got {tuple(overlap.shape)}."
        )
    if cameras.shape != (num_crops,):
        raise ValueError(f"{num_crops} features need {num_crops} cameras, got shape {tuple(cameras.shape)}.")
    across = cameras[:, None] != cameras[None, :]  # (n, n)
    return (features @ features.T).add_(overlap * across, alpha=mu)
