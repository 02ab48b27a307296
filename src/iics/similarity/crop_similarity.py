"""The interface of a similarity: by pair, by block or all pairs at once; and what each kind needs.

`iics.similarity.by_name` lists the kinds. To add one, write a file with a `SimilarityKind` in it and give it a line
there. Except for rounding, the similarities are the same whether the matrix of all pairs fits into memory or not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from iics.arrays import FloatArray, IndexArray
from iics.memory import free_on
from iics.similarity.score_overlap import OverlapFunction, score_overlap

Crops = IndexArray | slice


@dataclass(frozen=True)
class UpperBounds:
    """Cheap upper bounds of similarities; only rounding can exceed them.

    Attributes:
        block: Rows and columns to their bounds. Shape (rows, columns).
        settle: Turns the bounds of the pairs (first[i], second[i]) into their similarities. Shape (len(first),).
    """

    block: Callable[[slice, slice], FloatArray]
    settle: Callable[[FloatArray, IndexArray, IndexArray], FloatArray]


class CropSimilarity(Protocol):
    """Similarity of every pair of n crops; larger is closer."""

    @property
    def features(self) -> Tensor | None:
        """Features to search neighbours by: near in them is mostly similar. None if there are none. Shape (n, d)."""

    @property
    def bounds(self) -> UpperBounds | None:
        """Upper bounds that make a search faster; None if similarities are cheap anyway."""

    @property
    def compares_scores(self) -> bool:
        """Whether the matrix needs the overlap of all scores, which several processes compute together."""

    def __len__(self) -> int:
        """Return the number of crops."""

    def matrix(self) -> FloatArray:
        """Return all similarities as a new, exactly symmetric array; O(n^2) memory. Shape (n, n)."""

    def block(self, rows: Crops, columns: Crops) -> FloatArray:
        """Return the similarities of some crops and others; a slice copies nothing. Shape (rows, columns)."""

    def pairs(self, first: IndexArray, second: IndexArray) -> FloatArray:
        """Return the similarities of the pairs (first[i], second[i]). Shape (len(first),)."""


@dataclass(frozen=True, eq=False)
class ComparedCrops:
    """What is known of n crops when they are compared.

    Attributes:
        features: L2-normalised rows. Shape (n, d), float32.
        camera_ids: Camera of each crop. Shape (n,).
        mu: Weight of the score overlap.
        scores: Softmax outputs of all heads, concatenated; None if the kind needs none. Shape (n, K).
        num_heads: Number of heads C.
        overlap: Function that computes the overlap of all pairs of scores.
    """

    features: Tensor
    camera_ids: Tensor
    mu: float
    scores: Tensor | None = None
    num_heads: int = 0
    overlap: OverlapFunction = score_overlap


@dataclass(frozen=True)
class SimilarityKind:
    """A way to compare crops, chosen by name.

    Attributes:
        compare: Makes the similarity of crops.
        needs_scores: Whether the scores of stage 1's heads are compared.
        has_features: Whether neighbours can be searched by features.
    """

    compare: Callable[[ComparedCrops], CropSimilarity]
    needs_scores: bool
    has_features: bool

    def memory(self, num_crops: int, num_scores: int) -> int:
        """Return the bytes of the scores that it compares."""
        return 4 * num_crops * num_scores if self.needs_scores else 0


def where_the_matrix_fits(rows: Tensor) -> Tensor:
    """Return rows where they are if their device has room for all pairs, on the CPU otherwise."""
    return rows if 5 * len(rows) ** 2 < free_on(rows.device) else rows.cpu()  # 4 bytes a pair, and blocks
