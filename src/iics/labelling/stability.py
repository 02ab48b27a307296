"""Stability of pseudo-labels: agreement of each stage's clusters with those of the round before.

Needs no identities. Clusters that always change are bad targets; clusters that never change teach nothing new.
"""

from __future__ import annotations

import numpy as np

from iics.arrays import IntArray
from iics.labelling.pseudo_labels import PartitionAgreement, compare_partitions


def stage_stability(before: IntArray | None, after: IntArray, camera_ids: IntArray | None) -> PartitionAgreement | None:
    """Return the agreement of a stage's clusters with those of the round before; None if it cannot be compared.

    Args:
        before: Clusters of the round before; -1 for crops of none. None in the first round. Shape (n,).
        after: Clusters of this round, likewise. Shape (n,).
        camera_ids: Camera of each crop if each camera is clustered by itself (stage 1): the mean over cameras, by
            their crops. None compares all crops at once (stage 2). Shape (n,).
    """
    if before is None:
        return None
    takes_part = (before >= 0) & (after >= 0)
    if not takes_part.any():
        return None
    if camera_ids is None:
        groups = [np.flatnonzero(takes_part)]
    else:
        groups = [np.flatnonzero(takes_part & (camera_ids == camera)) for camera in np.unique(camera_ids[takes_part])]
    found = [compare_partitions(before[group], after[group]) for group in groups]
    sizes = [len(group) for group in groups]
    return PartitionAgreement(
        float(np.average([agreement.adjusted_rand_index for agreement in found], weights=sizes)),
        float(np.average([agreement.normalized_mutual_information for agreement in found], weights=sizes)),
    )
