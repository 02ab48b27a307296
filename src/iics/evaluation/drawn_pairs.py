"""Which pairs of crops people are asked about: features and cameras in, a few pairs with what each stands for out.

Half are best matches: crops are sorted by the similarity of their best match in another camera and cut into slices of
one size; a crop of each slice is drawn. The other half are any pairs of two cameras: sorted by similarity and cut into
slices that grow from the most similar on, where pairs of one person are; some are drawn from each. Within a slice each
has the same chance to be drawn, so an answer stands for the size of its slice over the number drawn from it.

Of one camera, pairs are of two tracklets, and of any two crops where no tracklet is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from iics.arrays import FloatArray, IntArray
from iics.crops import CropSet
from iics.errors import EvaluationError

PairKind = Literal["best match", "any pair"]

MOST_CROPS = 3000
"""Crops that pairs of any similarity are drawn from, if there are more: at most 4.5 million pairs."""
LEAST_PAIRS = 20
MOST_PAIRS = 500
NUM_SLICES = 6
_FIRST_SHARE, _LAST_BEGINS = 0.0005, 0.128  # of the pairs: in the first slice, and before the last
_PAIRS_A_DRAW = 10  # of any kind: fewer pairs than that a draw would be asked about one by one
_ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class DrawnPair:
    """A pair that people are asked about.

    Attributes:
        kind: What it was drawn as.
        slice: Number of its slice among those of its kind, from 0, the most similar one.
        slice_size: Crops with a best match, or pairs, in the slice.
        first: Index of a crop; of a best match the one that searches.
        second: Index of the other crop, of another camera; of one camera, of another tracklet.
        similarity: Cosine of the two.
    """

    kind: PairKind
    slice: int
    slice_size: int
    first: int
    second: int
    similarity: float


def draw_pairs(features: FloatArray, crops: CropSet, *, num_pairs: int, seed: int) -> tuple[DrawnPair, ...]:
    """Return pairs to ask about, in the order of asking; one that is drawn twice stands there twice.

    Args:
        features: L2-normalised. Shape (n, d).
        crops: Of the features.
        num_pairs: How many; half of them are best matches.
        seed: Of the draw.

    Raises:
        EvaluationError: If the crops are too few.
    """
    num_best = num_pairs // 2
    num_any = num_pairs - num_best
    check_enough(crops, num_pairs)
    generator = np.random.default_rng(seed)
    apart = apart_by(crops)
    pairs = _drawn_best_matches(features, apart, num_best, generator)
    pairs += _drawn_any(PairsAcross.of(features, apart), num_any, generator)
    return tuple(pairs[at] for at in generator.permutation(len(pairs)))


def apart_by(crops: CropSet) -> IntArray:
    """Return a number for each crop; pairs to ask about have two of them. Shape (n,).

    They are cameras; of one camera tracklets, and crops without a tracklet have each their own.
    """
    if crops.num_cameras > 1:
        return crops.camera_ids
    tracklets = np.full(len(crops), -1) if crops.tracklet_ids is None else crops.tracklet_ids
    alone = int(tracklets.max(initial=-1)) + 1 + np.arange(len(crops))
    _, numbers = np.unique(np.where(tracklets < 0, alone, tracklets), return_inverse=True)
    return numbers.astype(np.int64)


def check_enough(crops: CropSet, num_pairs: int) -> None:
    """Refuse crops that not so many pairs can be drawn from, before any feature is computed.

    Raises:
        EvaluationError: If they are too few.
    """
    counts = np.bincount(apart_by(crops))
    num_across = (int(counts.sum()) ** 2 - int((counts**2).sum())) // 2
    num_any = num_pairs - num_pairs // 2
    if len(crops) < num_pairs or num_across < _PAIRS_A_DRAW * num_any:
        of_one = "crops" if crops.tracklet_ids is None else "tracklets"
        kind = "cameras" if crops.num_cameras > 1 else of_one
        raise EvaluationError(
            f"{crops.name} has {len(crops)} crops and {num_across} pairs of two {kind}; asking about {num_pairs} "
            f"pairs takes at least {num_pairs} crops and {_PAIRS_A_DRAW * num_any} such pairs. Add crops, or ask about "
            f"fewer pairs (at least {LEAST_PAIRS})."
        )


def best_matches(features: FloatArray, apart: IntArray) -> tuple[IntArray, FloatArray]:
    """Return for each crop the most similar one of another number, and the cosine of the two; O(n^2 d).

    Args:
        features: L2-normalised. Shape (n, d).
        apart: Camera of each crop, or what `apart_by` says; at least two. Shape (n,).
    """
    matches = np.empty(len(features), np.int64)
    cosines = np.empty(len(features), np.float32)
    for start in range(0, len(features), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        block = features[rows] @ features.T
        block[apart[rows, None] == apart] = -np.inf
        matches[rows] = block.argmax(axis=1)
        cosines[rows] = block.max(axis=1)
    return matches, cosines


@dataclass(frozen=True, eq=False)
class PairsAcross:
    """All pairs of two cameras, or of what else tells crops apart, of at most 3,000 crops, the most similar first.

    Attributes:
        similarity: Falling. Shape (m,).
        codes: Which pair each is: first crop * number of crops + second crop. Shape (m,).
        crops: Which crops they are of. Shape (k,).
    """

    similarity: FloatArray
    codes: IntArray
    crops: IntArray

    @classmethod
    def of(cls, features: FloatArray, apart: IntArray) -> PairsAcross:
        """Return the pairs of crops; of more than 3,000 crops some are drawn, always the same ones."""
        chosen = np.arange(len(features))
        if len(chosen) > MOST_CROPS:
            chosen = np.sort(np.random.default_rng(0).choice(chosen, MOST_CROPS, replace=False))
        numbers = apart[chosen]
        is_pair = np.triu(numbers[:, None] != numbers, 1)
        codes = np.flatnonzero(is_pair)
        cosines = (features[chosen] @ features[chosen].T)[is_pair]
        order = np.argsort(-cosines, kind="stable")
        return cls(cosines[order], codes[order], chosen)

    def __len__(self) -> int:
        return len(self.similarity)

    def pair(self, place: int) -> tuple[int, int]:
        """Return the two crops of a pair by its place in the order."""
        first, second = divmod(int(self.codes[place]), len(self.crops))
        return int(self.crops[first]), int(self.crops[second])


def slice_edges(num_pairs: int, num_drawn: int) -> IntArray:
    """Return where slices begin and the last one ends: sizes grow by one factor up to the last, which is the rest.

    Args:
        num_pairs: In all.
        num_drawn: From all slices together.
    """
    first = max(_FIRST_SHARE * num_pairs, -(-num_drawn // NUM_SLICES) + 1)
    # Each at least twice as far as the one before, so that no slice is smaller than the first.
    last = max(_LAST_BEGINS * num_pairs, first * 2 ** (NUM_SLICES - 2))
    inner = np.geomspace(first, last, NUM_SLICES - 1)
    return np.array([0, *np.round(inner).astype(np.int64), num_pairs])


def draws_of_slices(num_drawn: int) -> list[int]:
    """Return how many pairs are drawn from each slice: the same number, what is left over from the middle ones."""
    each, left = divmod(num_drawn, NUM_SLICES)
    first = (NUM_SLICES - left + 1) // 2
    return [each + (first <= at < first + left) for at in range(NUM_SLICES)]


def _drawn_best_matches(
    features: FloatArray, apart: IntArray, num_drawn: int, generator: np.random.Generator
) -> list[DrawnPair]:
    matches, cosines = best_matches(features, apart)
    drawn = []
    for number, members in enumerate(np.array_split(np.argsort(-cosines, kind="stable"), num_drawn)):
        first = int(generator.choice(members))
        drawn.append(DrawnPair("best match", number, len(members), first, int(matches[first]), float(cosines[first])))
    return drawn


def _drawn_any(pairs: PairsAcross, num_drawn: int, generator: np.random.Generator) -> list[DrawnPair]:
    edges = slice_edges(len(pairs), num_drawn).tolist()
    drawn = []
    for number, count in enumerate(draws_of_slices(num_drawn)):
        size = edges[number + 1] - edges[number]
        for place in edges[number] + generator.choice(size, count, replace=False):
            first, second = pairs.pair(place)
            drawn.append(DrawnPair("any pair", number, size, first, second, float(pairs.similarity[place])))
    return drawn
