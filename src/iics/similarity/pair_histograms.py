"""Histograms of the cosines of pairs, by kind of pair (Fig. 3): a sample of crops against all.

Without identities there are two kinds: pairs of the same camera and pairs of two cameras. With identities, each kind
is split into pairs of the same and of two identities. Features in, counts out. The sample does not use a run's
random generators, so it does not change training.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from iics.arrays import DoubleArray, FloatArray, IntArray
from iics.crops import DISTRACTOR_IDENTITY

BINS_PER_UNIT = 100
"""Bin k holds cosines from k / 100 up to, but without, (k + 1) / 100; the last one holds 1 as well."""
MAX_SAMPLED = 512
"""Crops that are compared with all others, if there are more."""

_NUM_BINS = 2 * BINS_PER_UNIT
_BLOCK_FLOATS = 1 << 20
_UNKNOWN, _SAME, _OTHER = 0, 1, 2

KINDS_BY_CAMERA = ("same_camera", "other_camera")
KINDS_BY_IDENTITY = (
    "same_identity_same_camera",
    "same_identity_other_camera",
    "other_identity_same_camera",
    "other_identity_other_camera",
)


@dataclass(frozen=True)
class PairHistogram:
    """How similar the pairs of one kind are.

    Attributes:
        num_pairs: Pairs counted.
        mean: Their mean cosine; None if there are none.
        counts: Non-empty bins in ascending order, each as (bin, number of pairs).
    """

    num_pairs: int
    mean: float | None
    counts: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class PairHistograms:
    """How similar the pairs of each kind are.

    Attributes:
        num_sampled: Crops that were compared with all others; a pair of two sampled crops counts twice.
        pairs: By kind: `KINDS_BY_CAMERA`; with identities also `KINDS_BY_IDENTITY`, from which pairs with junk or a
            distractor are left out.
    """

    num_sampled: int
    pairs: dict[str, PairHistogram]


def pair_histograms(features: Tensor, camera_ids: IntArray, identity_ids: IntArray | None = None) -> PairHistograms:
    """Return histograms of the cosines of a fixed random sample of crops with all crops; O(512 n d).

    Args:
        features: L2-normalised rows. Shape (n, d).
        camera_ids: Camera of each crop. Shape (n,).
        identity_ids: Identity of each crop, -1 junk, 0 a distractor; None if unknown. Shape (n,).
    """
    num_crops = len(features)
    sampled = np.sort(np.random.default_rng(0).permutation(num_crops)[:MAX_SAMPLED])
    counts = np.zeros((2, 3, _NUM_BINS), dtype=np.int64)  # camera, identity, bin
    sums = np.zeros((2, 3))
    for rows, cosines in _cosine_blocks(features, sampled):
        kinds = _kinds(rows, camera_ids, identity_ids)
        is_pair = rows[:, None] != np.arange(num_crops)
        kinds, cosines = kinds[is_pair], cosines[is_pair]
        bins = np.floor(cosines * BINS_PER_UNIT).astype(np.int64).clip(-BINS_PER_UNIT, BINS_PER_UNIT - 1)
        places = kinds * _NUM_BINS + bins + BINS_PER_UNIT
        counts += np.bincount(places, minlength=counts.size).reshape(counts.shape)
        sums += np.bincount(kinds, weights=cosines, minlength=sums.size).reshape(sums.shape)
    pairs = {
        name: _histogram(counts[camera].sum(axis=0), sums[camera].sum()) for camera, name in enumerate(KINDS_BY_CAMERA)
    }
    if identity_ids is not None:
        by_identity = [(identity, camera) for identity in (_SAME, _OTHER) for camera in (0, 1)]
        for name, (identity, camera) in zip(KINDS_BY_IDENTITY, by_identity, strict=True):
            pairs[name] = _histogram(counts[camera, identity], sums[camera, identity])
    return PairHistograms(num_sampled=len(sampled), pairs=pairs)


def bin_edges() -> DoubleArray:
    """Return the ends of all bins, from -1 to 1. Shape (bins + 1,)."""
    return np.arange(-BINS_PER_UNIT, BINS_PER_UNIT + 1) / BINS_PER_UNIT


def counts_of_all_bins(counts: Iterable[Sequence[int]]) -> IntArray:
    """Return the pairs of every bin, also of empty ones, from `PairHistogram.counts`. Shape (bins,)."""
    whole = np.zeros(_NUM_BINS, dtype=np.int64)
    filled = np.array(list(counts), dtype=np.int64).reshape(-1, 2)
    whole[filled[:, 0] + BINS_PER_UNIT] = filled[:, 1]
    return whole


def _cosine_blocks(features: Tensor, sampled: IntArray) -> Iterator[tuple[IntArray, FloatArray]]:
    """Yield some of the sampled crops and their cosines with all, 4 MB at a time or one row."""
    # Blocks of 16 MB took 183 MB with what is made of them, instead of 72 MB, and no less time (12,936 crops).
    size = max(1, _BLOCK_FLOATS // max(1, len(features)))
    for start in range(0, len(sampled), size):
        rows = sampled[start : start + size]
        cosines = features[torch.from_numpy(rows).to(features.device)] @ features.T
        yield rows, cosines.float().cpu().numpy()


def _kinds(rows: IntArray, camera_ids: IntArray, identity_ids: IntArray | None) -> IntArray:
    """Return the kind of each pair as a number: 3 x (is of another camera) + identity. Shape (len(rows), n)."""
    kinds: IntArray = 3 * (camera_ids[rows, None] != camera_ids).astype(np.int64)
    if identity_ids is not None:
        is_person = identity_ids > DISTRACTOR_IDENTITY
        identity = np.where(identity_ids[rows, None] == identity_ids, _SAME, _OTHER)
        kinds += np.where(is_person[rows, None] & is_person, identity, _UNKNOWN)
    return kinds


def _histogram(counts: IntArray, total: float) -> PairHistogram:
    num_pairs = int(counts.sum())
    filled = np.flatnonzero(counts)
    return PairHistogram(
        num_pairs=num_pairs,
        mean=float(total) / num_pairs if num_pairs else None,
        counts=tuple(zip((filled - BINS_PER_UNIT).tolist(), counts[filled].tolist(), strict=True)),
    )
