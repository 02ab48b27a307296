"""Score overlap (Eq. 9): how far the classifiers of all cameras agree about two crops.

Crops of one person by different cameras share no cluster, but every camera's head spreads them over its clusters in a
similar way. J(m, n) = sum_k min(s_mk, s_nk) / sum_k max(s_mk, s_nk), from concatenated softmax outputs to one matrix.
"""

from __future__ import annotations

import torch
from torch import Tensor

_ROW_SUM_TOLERANCE = 1e-3


def score_overlap(scores: Tensor, *, num_cameras: int, block_rows: int = 512) -> Tensor:
    """Return the overlap of the classifier scores of every pair of crops (Eq. 9).

    Each row sums to C, the number of cameras. With L1 = sum |s_m - s_n|, min and max sum to C - L1/2 and C + L1/2, so
    J = (2C - L1) / (2C + L1) exactly. Takes O(n^2 K) time, and O(n^2 + n K) memory.

    Args:
        scores: Softmax outputs of the C heads, side by side: not negative, rows sum to `num_cameras`. Shape (n, K).
        num_cameras: Number of heads C.
        block_rows: Rows compared at a time; bounds the memory beyond the result to `block_rows` rows of it.

    Returns:
        Overlap in [0, 1], exactly symmetric, 1 on the diagonal. Shape (n, n), float32.

    Raises:
        ValueError: If scores are negative or not finite, or a row does not sum to `num_cameras`.
    """
    _check_scores(scores, num_cameras)
    scores = scores.float()
    num_crops = len(scores)
    overlap = scores.new_empty(num_crops, num_crops)
    for start in range(0, num_crops, block_rows):
        rows = slice(start, min(start + block_rows, num_crops))
        l1 = torch.cdist(scores[rows], scores[start:], p=1)  # the upper half; the lower is its mirror image
        block = ((2 * num_cameras - l1) / (2 * num_cameras + l1)).clamp_(0, 1)
        overlap[rows, start:] = block
        overlap[start:, rows] = block.T
    return overlap


def _check_scores(scores: Tensor, num_cameras: int) -> None:
    if num_cameras < 1:
        raise ValueError(f"num_cameras must be at least 1, got {num_cameras}.")
    if scores.ndim != 2:
        raise ValueError(f"scores must have shape (crops, classes), got {tuple(scores.shape)}.")
    if scores.numel() == 0:
        raise ValueError(f"scores must hold at least one crop and one class, got shape {tuple(scores.shape)}.")
    smallest = scores.amin().item()
    if not smallest >= 0:  # also true for NaN
        raise ValueError(f"scores must be probabilities; the smallest is {smallest}. Pass softmax outputs, not logits.")
    sums = scores.sum(dim=1, dtype=torch.float32)
    deviation = (sums - num_cameras).abs()
    if not deviation.amax().item() <= _ROW_SUM_TOLERANCE * num_cameras:
        worst = int(deviation.argmax())
        raise ValueError(
            f"Row {worst} of scores sums to {sums[worst].item():.4f}, not to num_cameras={num_cameras}. "
            "Concatenate the softmax outputs of all heads, one head per camera."
        )
