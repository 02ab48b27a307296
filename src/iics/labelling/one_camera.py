"""Clusters that one camera saw: left out of training across cameras, or of less weight there.

They are one person of one camera, or many people who look alike in its light: stage 1 has learned from them already.
"""

from __future__ import annotations

import numpy as np

from iics.arrays import DoubleArray, IntArray
from iics.labelling.pseudo_labels import NO_CLUSTER, PseudoLabels


def across_cameras(found: PseudoLabels, camera_ids: IntArray) -> PseudoLabels:
    """Return the clusters that two cameras or more have crops of; crops of all others get -1.

    Args:
        found: The clusters.
        camera_ids: Camera of each crop. Shape (n,).
    """
    kept = np.flatnonzero((_crops_of_cameras(found, camera_ids) > 0).sum(axis=1) > 1)
    new_label = np.full(found.num_clusters + 1, NO_CLUSTER)  # the last place is of crops without a cluster
    new_label[kept] = np.arange(len(kept))
    return PseudoLabels(new_label[found.labels], num_clusters=len(kept))


def camera_weights(found: PseudoLabels, camera_ids: IntArray) -> DoubleArray:
    """Return exp(entropy of its cameras) of each cluster: how many cameras, evenly mixed, it is worth.

    Shape (num_clusters,).
    """
    counts = _crops_of_cameras(found, camera_ids)
    shares = counts / counts.sum(axis=1, keepdims=True)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    weights: DoubleArray = np.exp(-(shares * logs).sum(axis=1))
    return weights


def _crops_of_cameras(found: PseudoLabels, camera_ids: IntArray) -> DoubleArray:
    """Return how many crops of each cluster each camera has. Shape (num_clusters, cameras)."""
    counts = np.zeros((found.num_clusters, int(camera_ids.max()) + 1))
    np.add.at(counts, (found.labels[found.is_labelled], camera_ids[found.is_labelled]), 1.0)
    return counts
