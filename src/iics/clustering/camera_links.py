"""Number of clusters over several cameras, chosen without labels: the cut of one dendrogram with the most camera links.

A cluster seen by m cameras has m - 1 links: so many handovers from camera to camera would explain it. Joining two
clusters that share no camera makes a link; joining two that share one changes nothing; joining two that share several
loses links. Parts of one person found by different cameras share few cameras; different people, each found by several,
share several. So links grow while parts of people are joined, and shrink once people are. Only the merges and the
cameras are compared, no distance: it takes O(n) time, and is the same on all pairs and on a graph with the same merges.
"""

from __future__ import annotations

import numpy as np

from iics.arrays import IndexArray, IntArray
from iics.clustering.cluster_count import Comparison, LargestSilhouette
from iics.clustering.cuts import cut_number, guessed_number
from iics.clustering.distances import Distances, Memory
from iics.clustering.merges import Linkage
from iics.kernels import kernel


class MostCameraLinks:
    """The number of clusters with the most camera links; within one camera as `LargestSilhouette`; see `Clustering`."""

    def __init__(self) -> None:
        self._within = LargestSilhouette()

    def look(self, distances: Distances, camera_ids: IntArray | None) -> IntArray | list[Comparison]:
        """Return the cameras; within one camera what the silhouette needs."""
        return self._within.look(distances, None) if camera_ids is None else camera_ids

    def cluster(self, distances: Distances, seen: IntArray | list[Comparison], *, min_number: int) -> IntArray:
        """See `Clustering`."""
        if isinstance(seen, list):
            return self._within.cluster(distances, seen, min_number=min_number)
        linkage = distances.linkage()
        least = distances.num_parts(linkage)
        chosen = number_with_most_links(camera_links(linkage, seen), min_number=max(min_number, least))
        return cut_number(linkage, max(chosen, least))

    def expected_number(self, num_crops: int) -> int:
        """See `Clustering`."""
        return guessed_number(num_crops)

    def memory(self, distances: Memory, num_crops: int) -> int:
        """Return what the silhouette within one camera takes; links take far less."""
        return self._within.memory(distances, num_crops)


def camera_links(linkage: Linkage, camera_ids: IntArray) -> IntArray:
    """Return the links of every cut: the sum over its clusters of their cameras less one.

    Takes n C bytes of memory for C cameras.

    Args:
        linkage: Merges in order of height, as `linkage_in_place` returns them.
        camera_ids: Camera of each crop. Shape (n,).

    Returns:
        Links with 1, 2, ..., n clusters. Shape (n,).

    Raises:
        ValueError: If the linkage joins another number of crops.
    """
    if len(linkage) + 1 != len(camera_ids):
        raise ValueError(f"linkage joins {len(linkage) + 1} crops, but there are cameras of {len(camera_ids)}.")
    _, cameras = np.unique(camera_ids, return_inverse=True)
    made = _links_made(linkage[:, :2].astype(np.int64), cameras, int(cameras.max()) + 1)
    return np.concatenate([[0], np.cumsum(made)])[::-1]


def number_with_most_links(links: IntArray, *, min_number: int = 2) -> int:
    """Return the number of clusters with the most links, the smallest such on a tie; 1 if no cut has a link.

    Args:
        links: Result of `camera_links`. Shape (n,).
        min_number: Smallest number, unless it is above n / 2, which is the largest.

    Raises:
        ValueError: If `min_number` is below 2.
    """
    if min_number < 2:
        raise ValueError(f"min_number must be at least 2, got {min_number}.")
    largest = max(2, len(links) // 2)
    allowed = links[min(min_number, largest) - 1 : largest]
    return min(min_number, largest) + int(np.argmax(allowed)) if allowed.any() else 1


@kernel()
def _links_made(merges: IndexArray, cameras: IndexArray, num_cameras: int) -> IndexArray:
    """Return the links that each merge makes, negative if it loses some. Shape (n - 1,)."""
    num_crops = len(cameras)
    has = np.zeros((num_crops, num_cameras), np.bool_)  # the cameras of the cluster that a crop stands for
    for crop in range(num_crops):
        has[crop, cameras[crop]] = True
    stands_for = np.arange(2 * num_crops - 1)
    made = np.empty(num_crops - 1, np.int64)
    for merge in range(num_crops - 1):
        kept, gone = stands_for[merges[merge, 0]], stands_for[merges[merge, 1]]
        shared = 0
        for camera in range(num_cameras):
            shared += has[kept, camera] and has[gone, camera]
            has[kept, camera] |= has[gone, camera]
        stands_for[num_crops + merge] = kept
        made[merge] = 1 - shared
    return made
