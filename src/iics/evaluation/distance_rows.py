"""Distances of a block of queries to the gallery: the whole matrix is never in memory.

Every block of cosines has the same number of rows, which follows from the size of the gallery; the last block is
filled up. Why: the rounding of a matrix product depends on its number of rows (threads split small products
differently). A near tie could then be broken one way for a thousand queries and another way for ten of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from iics.arrays import FloatArray
from iics.errors import EvaluationError
from iics.evaluation.labels import EvaluationLabels

DistanceOf = Callable[[slice], FloatArray]
"""From a block of queries to their distances; may be overwritten by the next call. Shape (n_block, n_gallery)."""

MAX_ROWS = 512  # the product is no faster with more
WORK_SPACE_BYTES = 256 * 1024**2


def rows_in_a_block(num_gallery: int) -> int:
    """Return how many queries are compared at once: their distances take at most `WORK_SPACE_BYTES`.

    At least two, unless two need more than that.
    """
    return max(2, min(MAX_ROWS, WORK_SPACE_BYTES // (4 * num_gallery)))


def query_blocks(num_queries: int, num_gallery: int) -> Iterator[slice]:
    """Cut the queries into blocks."""
    rows = rows_in_a_block(num_gallery)
    for start in range(0, num_queries, rows):
        yield slice(start, min(start + rows, num_queries))


class CosineRows:
    """-cosine: the same order as 1 - cosine, without the ties that rounding 1 - cosine would add.

    Args:
        query_features: L2-normalised rows. Shape (n_query, d).
        gallery_features: L2-normalised rows. Shape (n_gallery, d).
        labels: Of the same crops.

    Raises:
        EvaluationError: If features and labels do not belong together, or rows are not normalised.
    """

    def __init__(self, query_features: FloatArray, gallery_features: FloatArray, labels: EvaluationLabels) -> None:
        self.queries = _normalised_rows("query", query_features, len(labels.query_ids))
        self.gallery = _normalised_rows("gallery", gallery_features, len(labels.gallery_ids))
        dimensions = self.queries.shape[1]
        if dimensions != self.gallery.shape[1]:
            raise EvaluationError(
                f"Query features have {dimensions} dimensions, gallery features {self.gallery.shape[1]}; "
                "extract both with the same model."
            )
        rows = rows_in_a_block(len(self.gallery))
        self._searched = torch.from_numpy(np.require(self.gallery, requirements="W"))  # torch takes no read-only memory
        self._negated = np.zeros((rows, dimensions), np.float32)
        self._distance = np.empty((rows, len(self.gallery)), np.float32)

    def __call__(self, block: slice) -> FloatArray:
        """Return the distances of a block, in memory that the next call overwrites. Shape (n_block, n_gallery)."""
        count = block.stop - block.start
        np.negative(self.queries[block], out=self._negated[:count])
        # All rows, also unused ones: rounding depends on their number (see above).
        torch.mm(torch.from_numpy(self._negated), self._searched.T, out=torch.from_numpy(self._distance))
        return self._distance[:count]


def _normalised_rows(side: str, features: FloatArray, num_crops: int) -> FloatArray:
    rows = np.ascontiguousarray(features, dtype=np.float32)
    if rows.ndim != 2 or len(rows) != num_crops:
        raise EvaluationError(f"{side} features have shape {rows.shape}, but there are {num_crops} {side} identities.")
    norms = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    num_bad = len(norms) - int(np.isfinite(norms).sum())
    if num_bad:
        raise EvaluationError(f"{num_bad} of {num_crops} {side} features hold NaN or infinity; check the model.")
    worst = int(np.argmax(np.abs(norms - 1)))
    if abs(norms[worst] - 1) > 0.01:  # half precision stays within 0.001
        raise EvaluationError(
            f"{side} feature {worst} has length {norms[worst]:.4g}; rows must be L2-normalised to length 1."
        )
    return rows
