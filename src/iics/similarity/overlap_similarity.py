"""Score overlap alone (Eq. 9) as a similarity of crops: by pair, by block or all pairs at once."""

from __future__ import annotations

from functools import cached_property

from torch import Tensor

from iics.arrays import FloatArray, IndexArray
from iics.similarity.crop_similarity import ComparedCrops, Crops, SimilarityKind, where_the_matrix_fits
from iics.similarity.dense_overlap import dense_overlap_block, dense_overlap_pairs
from iics.similarity.score_overlap import OverlapFunction, check_scores, score_overlap


class OverlapSimilarity:
    """Score overlap alone (Eq. 9).

    Args:
        scores: Softmax outputs of all heads, side by side. Shape (n, K).
        num_heads: Number of heads C; rows sum to it.
        compute: Function that makes the matrix of all pairs: `score_overlap`, or the same by several processes.

    Raises:
        ValueError: If the scores are no softmax outputs.
    """

    features = None
    bounds = None
    compares_scores = True

    def __init__(self, scores: Tensor, *, num_heads: int, compute: OverlapFunction = score_overlap) -> None:
        check_scores(scores, num_heads)
        self.scores = scores.detach().float()
        self.num_heads = num_heads
        self._compute = compute

    @classmethod
    def of(cls, crops: ComparedCrops) -> OverlapSimilarity:
        """Return the overlap of crops that have scores."""
        if crops.scores is None:
            raise ValueError("The overlap compares classifier scores, and these crops have none.")
        return cls(crops.scores, num_heads=crops.num_heads, compute=crops.overlap)

    def __len__(self) -> int:
        return len(self.scores)

    def matrix(self) -> FloatArray:
        """See `CropSimilarity`."""
        return self.all_pairs().cpu().numpy()

    def all_pairs(self) -> Tensor:
        """Return the matrix on the device of the scores if it fits there, else on the CPU. Shape (n, n)."""
        return self._compute(where_the_matrix_fits(self.scores), num_cameras=self.num_heads)

    def block(self, rows: Crops, columns: Crops) -> FloatArray:
        """See `CropSimilarity`."""
        return dense_overlap_block(self._on_cpu[rows], self._on_cpu[columns])

    def pairs(self, first: IndexArray, second: IndexArray) -> FloatArray:
        """See `CropSimilarity`."""
        return dense_overlap_pairs(self._on_cpu, first, second)

    @cached_property
    def _on_cpu(self) -> FloatArray:
        return self.scores.cpu().contiguous().numpy()


OVERLAP = SimilarityKind(OverlapSimilarity.of, needs_scores=True, has_features=False)
