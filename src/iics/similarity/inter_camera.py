"""Inter-camera similarity (Eq. 5): features and score overlap to one matrix."""

from __future__ import annotations

from torch import Tensor

_BLOCK_ROWS = 1024


def inter_camera_similarity(
    features: Tensor, overlap: Tensor, cameras: Tensor, *, mu: float, out: Tensor | None = None
) -> Tensor:
    """Return cosine similarity, raised for pairs seen by different cameras.

    Takes O(n^2 d) time, half of it saved by symmetry, and beside the result a few rows of it.

    Args:
        features: L2-normalised rows f. Shape (n, d).
        overlap: Agreement of classifier scores (Eq. 9), symmetric, in [0, 1]. Shape (n, n).
        cameras: Camera of each crop. Shape (n,).
        mu: Weight of the overlap; 0 leaves the cosine unchanged.
        out: Where to write; may be `overlap` itself. Shape (n, n).

    Returns:
        Similarity; larger is closer; at most 1 + mu; exactly symmetric. Shape (n, n).

    Raises:
        ValueError: If `mu` is negative, NaN or infinite, or shapes or `out` do not belong together.
    """
    check_mu(mu)
    num_crops = _check_features(features)
    if overlap.shape != (num_crops, num_crops):
        raise ValueError(
            f"{num_crops} features need an overlap of {num_crops} x {num_crops}, got {tuple(overlap.shape)}."
        )
    if cameras.shape != (num_crops,):
        raise ValueError(f"{num_crops} features need {num_crops} cameras, got shape {tuple(cameras.shape)}.")
    return _fill(features, out, raised_by=(overlap, cameras, mu))


def cosine_similarity(features: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Return f.f' of every pair: Eq. 5 without its second term, exactly symmetric. Shapes (n, d) to (n, n)."""
    _check_features(features)
    return _fill(features, out, raised_by=None)


def check_mu(mu: float) -> None:
    """Refuse a weight of the overlap that is negative, NaN or infinite.

    Raises:
        ValueError: If it is.
    """
    if not 0 <= mu < float("inf"):
        raise ValueError(f"mu must be at least 0 and finite, got {mu}.")


def _fill(features: Tensor, out: Tensor | None, *, raised_by: tuple[Tensor, Tensor, float] | None) -> Tensor:
    num_crops = len(features)
    if out is None:
        out = features.new_empty(num_crops, num_crops)
    if out.shape != (num_crops, num_crops) or out.dtype != features.dtype:
        raise ValueError(
            f"out must be {num_crops} x {num_crops} {features.dtype} for {num_crops} features, "
            f"got {tuple(out.shape)} {out.dtype}."
        )
    for start in range(0, num_crops, _BLOCK_ROWS):
        rows = slice(start, min(start + _BLOCK_ROWS, num_crops))
        block = features[rows] @ features[start:].T  # the upper half; the lower is its mirror image
        if raised_by is not None:
            overlap, cameras, mu = raised_by
            across = cameras[rows, None] != cameras[None, start:]
            block.add_(overlap[rows, start:] * across, alpha=mu)
        square = block[:, : len(block)]
        square.copy_(square.triu() + square.triu(1).T)  # a matrix product may round f.g and g.f differently
        out[rows, start:] = block
        out[start:, rows] = block.T
    return out


def _check_features(features: Tensor) -> int:
    if features.ndim != 2:
        raise ValueError(f"features must have shape (crops, dimensions), got {tuple(features.shape)}.")
    return len(features)
