"""Image-to-track, the protocol of VeRi's authors (Liu et al., IEEE TMM 2018): tracklets are ranked, not crops.

A tracklet lies as far from a query as its nearest crop does. Gallery labels and tracklets -> labels of tracklets, and
their distances. Everything else is as under `market1501`: tracklets of the query's vehicle by the query's camera are
ignored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import FloatArray, IntArray
from iics.errors import EvaluationError
from iics.evaluation.distance_rows import DistanceOf
from iics.evaluation.labels import EvaluationLabels


@dataclass(frozen=True, eq=False)
class GalleryTracks:
    """The tracklets of a gallery; a crop without one is a tracklet of its own.

    Attributes:
        labels: Of the queries and the tracklets, in order of their first crop.
        order: Gallery crops, tracklet by tracklet. Shape (n_gallery,).
        starts: Where in `order` each tracklet begins. Shape (n_tracks,).
    """

    labels: EvaluationLabels
    order: IntArray
    starts: IntArray

    @classmethod
    def of(cls, labels: EvaluationLabels, tracklet_ids: IntArray) -> GalleryTracks:
        """Return the tracklets.

        Args:
            labels: Of queries and gallery crops.
            tracklet_ids: Of the gallery crops, -1 for none. Shape (n_gallery,).

        Raises:
            EvaluationError: If a tracklet shows two identities.
        """
        num_gallery = len(tracklet_ids)
        alone = tracklet_ids.max(initial=-1) + 1 + np.arange(num_gallery)
        own = np.where(tracklet_ids >= 0, tracklet_ids, alone)
        _, first, track = np.unique(own, return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first))[track]  # by first crop, so that ties keep the order of the gallery
        order = np.argsort(rank, kind="stable")
        starts = np.flatnonzero(np.diff(rank[order], prepend=-1))
        of_track = order[starts]
        is_other = labels.gallery_ids != labels.gallery_ids[of_track][rank]
        if is_other.any():
            crop = int(np.flatnonzero(is_other)[0])
            raise EvaluationError(
                f"Tracklet {tracklet_ids[crop]} of the gallery shows identities "
                f"{labels.gallery_ids[of_track[rank[crop]]]} and {labels.gallery_ids[crop]}; a tracklet is one "
                "individual. Mend tracklets or identities."
            )
        of_tracks = EvaluationLabels(
            labels.query_ids,
            labels.gallery_ids[of_track],
            labels.query_cameras,
            labels.gallery_cameras[of_track],
        )
        return cls(of_tracks, order.astype(np.int64), starts.astype(np.int64))

    def nearest(self, distance_of: DistanceOf) -> DistanceOf:
        """Return distances to tracklets, from those to crops."""

        def to_tracks(block: slice) -> FloatArray:
            nearest: FloatArray = np.minimum.reduceat(distance_of(block)[:, self.order], self.starts, axis=1)
            return nearest

        return to_tracks
