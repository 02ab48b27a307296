"""Individuals held out: a seeded share of the query's individuals leaves the gallery, as if it had never been seen.

Closed data, where each query has an answer, becomes open data this way. Query and gallery -> a smaller gallery.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import IntArray
from iics.crops import DISTRACTOR_IDENTITY, CropSet
from iics.errors import EvaluationError


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A gallery without some individuals.

    Attributes:
        gallery: What is left.
        identities: Who left, in order. Shape (k,).
        num_shared: Individuals that query and gallery shared before.
        num_crops: Crops that left with them.
        seed: Of the draw.
    """

    gallery: CropSet
    identities: IntArray
    num_shared: int
    num_crops: int
    seed: int

    def __str__(self) -> str:
        return (
            f"Held out: {len(self.identities):,} of {self.num_shared:,} individuals (seed {self.seed}), whose "
            f"{self.num_crops:,} crops left the gallery; {len(self.gallery):,} stay. mAP and CMC are of the other "
            "queries in this smaller gallery: easier, and not comparable with those of the whole."
        )


def hold_out(query: CropSet, gallery: CropSet, *, share: float, seed: int = 0) -> HeldOut:
    """Return the gallery without a share of the individuals that query and gallery share.

    The draw depends on the identities and the seed alone, so models are compared on the same individuals.

    Args:
        query: Crops with identities.
        gallery: Crops with identities.
        share: Of the shared individuals, above 0 and below 1; rounded to at least one, and at least one stays.
        seed: Of the draw, at least 0.

    Raises:
        EvaluationError: If the share is out of range, identities are missing, or fewer than two individuals are shared.
    """
    if not 0 < share < 1:
        raise EvaluationError(f"The share of individuals held out must lie above 0 and below 1, got {share}.")
    if query.identity_ids is None or gallery.identity_ids is None:
        missing = query if query.identity_ids is None else gallery
        raise EvaluationError(
            f"{missing.name} has no identities; individuals can only be held out where they are known."
        )
    shared = np.intersect1d(query.identity_ids, gallery.identity_ids)
    shared = shared[shared > DISTRACTOR_IDENTITY]
    if len(shared) < 2:
        raise EvaluationError(
            f"Query and gallery share {len(shared)} individuals; at least 2 are needed, one to hold out, one to find."
        )
    count = min(max(round(share * len(shared)), 1), len(shared) - 1)
    chosen = np.sort(np.random.default_rng(seed).permutation(shared)[:count])
    stays = ~np.isin(gallery.identity_ids, chosen)
    return HeldOut(gallery.subset(stays), chosen, len(shared), int((~stays).sum()), seed)
