"""Clusterings by name; one file and one line here add another."""

from __future__ import annotations

from collections.abc import Callable

from iics.clustering.cluster_count import LargestSilhouette
from iics.clustering.cuts import FixedNumber, QuantileCut
from iics.clustering.density import DensityClusters
from iics.clustering.distances import Clustering
from iics.config import ClusterSettings

CLUSTERINGS: dict[str, Callable[[ClusterSettings], Clustering]] = {
    "fixed": lambda given: FixedNumber(given.number),
    "quantile": lambda given: QuantileCut(given.quantile),
    "auto": lambda _given: LargestSilhouette(),
    "density": lambda given: DensityClusters(given.eps, given.min_crops, given.grow),
}
"""By `clusters.rule`."""
