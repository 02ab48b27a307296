"""What is chosen by name when crops are compared: the similarity, its distance, and the search for neighbours.

One file and one line here add another.
"""

from __future__ import annotations

from collections.abc import Callable

from iics.config import DistanceSettings
from iics.similarity.camera_jaccard import camera_jaccard
from iics.similarity.cosine import CNN
from iics.similarity.crop_similarity import SimilarityKind
from iics.similarity.distance_graph import Distance
from iics.similarity.faiss_search import FAISS
from iics.similarity.inter_camera import INTER_CAMERA
from iics.similarity.jaccard import JaccardDistance
from iics.similarity.neighbour_graph import EXACT, NeighbourSearch
from iics.similarity.overlap_similarity import OVERLAP
from iics.similarity.plain_distance import PlainDistance
from iics.similarity.reranking import RerankedDistance

SIMILARITIES: dict[str, SimilarityKind] = {"inter-camera": INTER_CAMERA, "overlap": OVERLAP, "cnn": CNN}
"""Of stage 2, by `stage2.similarity`."""

DISTANCES: dict[str, Callable[[DistanceSettings], Distance]] = {
    "reranked": lambda given: RerankedDistance(k1=given.k1, k2=given.k2, lambda_value=given.lambda_value),
    "cosine": lambda _given: PlainDistance(),
    "jaccard": lambda given: JaccardDistance(k1=given.k1, k2=given.k2),
    "camera-jaccard": camera_jaccard,
}
"""By `distance.kind`, and `stage2.distance` for stage 2 alone."""

SEARCHES: dict[str, NeighbourSearch] = {"exact": EXACT, "faiss": FAISS}
"""By `distance.neighbour_search`."""
