"""A labeller: similarity to pseudo-labels, the same in both stages, by one distance and one clustering.

All pairs are compared if their distances fit into memory; otherwise each crop and its neighbours. There are two
steps: `prepare` uses every core; `cluster` uses one, so several cameras can be clustered at once.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np

from iics.arrays import IntArray
from iics.clustering.average_linkage import AllPairs
from iics.clustering.by_name import CLUSTERINGS
from iics.clustering.distances import Clustering, Distances
from iics.clustering.known import Known
from iics.clustering.near_pairs import NearPairs
from iics.config import ClusterSettings, DistanceSettings, Settings
from iics.errors import named
from iics.labelling.pseudo_labels import PseudoLabels
from iics.memory import total_memory
from iics.similarity.by_name import DISTANCES, SEARCHES
from iics.similarity.crop_similarity import CropSimilarity
from iics.similarity.distance_graph import Distance, distance_graph, distance_graph_memory
from iics.similarity.neighbour_graph import NeighbourGraph, NeighbourSearch, graph_memory

logger = logging.getLogger(__name__)

Neighbours = TypeVar("Neighbours", DistanceSettings, ClusterSettings)

_NEIGHBOURS = dict.fromkeys(("k1", "k2", "k1_intra", "k1_inter", "k2_intra", "k2_inter", "k2_first_round"), 1) | {
    "min_crops": 2
}
"""Settings that count neighbours, with the least that each may be."""
_SHARE_OF_MEMORY = 3
_CROPS_WHERE_MEMORY_IS_UNKNOWN = 20_000
_SHARE_UNCERTAIN = 0.1


@dataclass(frozen=True, eq=False)
class Prepared:
    """Distances that wait for their clustering.

    Attributes:
        distances: Clustering overwrites them.
        seen: What the clustering must know of them before.
    """

    distances: Distances
    seen: Any


@dataclass(frozen=True)
class Labeller:
    """How crops get pseudo-labels.

    Attributes:
        distance: What is clustered.
        clustering: Makes clusters from distances; may leave crops without one.
        max_dense_crops: Crops up to which all pairs are compared.
        num_neighbours: Neighbours, itself included, that each crop is compared with if there are more crops.
        search: What finds them.
    """

    distance: Distance
    clustering: Clustering
    max_dense_crops: int
    num_neighbours: int
    search: NeighbourSearch

    def label(
        self,
        similarity: CropSimilarity,
        *,
        camera_ids: IntArray | None = None,
        min_number: int = 2,
        known: Known | None = None,
    ) -> PseudoLabels:
        """Return pseudo-labels of crops, or of tracklets that are compared as crops are.

        Args:
            similarity: Larger is closer. Of n crops.
            camera_ids: Camera of each crop if there are several, for the automatic number and for distances by
                camera. Shape (n,).
            min_number: Smallest automatic number.
            known: What is known of tracklets.

        Raises:
            ValueError: If a similarity is not finite.
        """
        prepared = self.prepare(similarity, camera_ids=camera_ids, known=known)
        return self.cluster(prepared, min_number=min_number)

    def prepare(
        self,
        similarity: CropSimilarity,
        *,
        camera_ids: IntArray | None = None,
        known: Known | None = None,
    ) -> Prepared:
        """Return the distances to cluster; see `label`."""
        distances: Distances
        if self.compares_all_pairs(len(similarity)):
            distances = AllPairs(self.distance.all_pairs(similarity, camera_ids), known)
        else:
            graph = self.search.find(
                similarity,
                num_neighbours=self.num_neighbours,
                camera_ids=camera_ids if self.distance.by_camera else None,
            )
            # An approximate search cannot say which neighbours are certain.
            if self.search.is_exact:
                _warn_of_uncertain_neighbours(graph, self.distance.num_neighbours(len(similarity)))
            between = self.distance.near(similarity, graph)
            distances = NearPairs(distance_graph(between, graph), between, known)
        # Looking uses every core, so it is done here; clustering may then run for several cameras at once.
        return Prepared(distances.to_cluster(), self.clustering.look(distances, camera_ids))

    def cluster(self, prepared: Prepared, *, min_number: int = 2) -> PseudoLabels:
        """Return the pseudo-labels of prepared distances; see `label`. Uses one core and no interpreter lock."""
        labels = self.clustering.cluster(prepared.distances, prepared.seen, min_number=min_number)
        return PseudoLabels(labels, num_clusters=int(np.max(labels)) + 1)

    def compares_all_pairs(self, num_crops: int) -> bool:
        """Return whether so many crops are compared in pairs, not with their neighbours only."""
        return num_crops <= self.max_dense_crops

    def memory(self, num_crops: int, *, num_features: int) -> int:
        """Return the most bytes that labelling takes besides features and scores.

        docs/performance.md has measured values.
        """
        needed = self.distance.memory(num_crops)
        if self.compares_all_pairs(num_crops):
            return needed + AllPairs.memory(num_crops) + self.clustering.memory(AllPairs, num_crops)
        needed += graph_memory(num_crops, self.num_neighbours)
        needed += self.search.memory(num_crops, self.num_neighbours, num_features)
        return needed + max(distance_graph_memory(num_crops), self.clustering.memory(NearPairs, num_crops))


def labeller_of(distance: DistanceSettings, clusters: ClusterSettings, *, crops_a_unit: float = 1.0) -> Labeller:
    """Return the labeller that settings name.

    Args:
        distance: Its distance.
        clusters: Its clustering.
        crops_a_unit: How many crops what is compared has on average: 1 where crops are compared, more for tracklets.
            Numbers of neighbours count crops, and are divided by it.

    Raises:
        SettingsError: If they name something that does not exist.
    """
    if crops_a_unit > 1:
        distance, clusters = _for_tracklets(distance, crops_a_unit), _for_tracklets(clusters, crops_a_unit)
    return Labeller(
        distance=named(DISTANCES, distance.kind, what="distance.kind")(distance),
        clustering=named(CLUSTERINGS, clusters.rule, what="clusters.rule")(clusters),
        max_dense_crops=max_dense_crops(distance),
        num_neighbours=distance.graph_neighbours,
        search=named(SEARCHES, distance.neighbour_search, what="distance.neighbour_search"),
    )


def _for_tracklets(settings: Neighbours, crops_a_unit: float) -> Neighbours:
    """Return settings whose numbers of neighbours, which count crops, count tracklets of so many."""
    changes: dict[str, Any] = {}
    for name in {field.name for field in fields(settings)} & _NEIGHBOURS.keys():
        num_crops = getattr(settings, name)
        changes[name] = min(num_crops, max(_NEIGHBOURS[name], round(num_crops / crops_a_unit)))
    return replace(settings, **changes)


def stage2_distance(settings: Settings, *, round_index: int) -> DistanceSettings:
    """Return the distance of stage 2; features of the first round, from 0, are averaged over other crops."""
    distance = replace(settings.distance, kind=settings.stage2.distance or settings.distance.kind)
    if round_index > 0:
        return distance
    return replace(distance, k2_intra=distance.k2_first_round, k2_inter=distance.k2_first_round)


def max_dense_crops(distance: DistanceSettings) -> int:
    """Return the number of crops up to which all pairs are compared."""
    if distance.max_dense_crops > 0:
        return distance.max_dense_crops
    # All memory, not the free part: how crops are compared must not depend on what else runs.
    memory = total_memory()
    return _CROPS_WHERE_MEMORY_IS_UNKNOWN if memory is None else math.isqrt(memory // _SHARE_OF_MEMORY // 4)


def with_resolved_route(settings: Settings) -> Settings:
    """Return settings that name how many crops are compared in pairs, so that another machine resumes the same way."""
    return replace(settings, distance=replace(settings.distance, max_dense_crops=max_dense_crops(settings.distance)))


def _warn_of_uncertain_neighbours(graph: NeighbourGraph, needed: int) -> None:
    """Say so if a crop that was not found could be among the neighbours that a distance uses (large mu)."""
    num_uncertain = int((graph.num_certain < needed).sum())
    if num_uncertain > _SHARE_UNCERTAIN * len(graph.num_certain):
        logger.warning(
            "Of %d of %d crops, some of the %d neighbours used in re-ranking may not be the nearest, because the score "
            "overlap weighs much. Raise distance.graph_neighbours above %d.",
            num_uncertain,
            len(graph.num_certain),
            needed,
            graph.neighbours.shape[1],
        )
