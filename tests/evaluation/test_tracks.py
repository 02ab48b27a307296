"""Image-to-track: tracklets are ranked by their nearest crop."""

import numpy as np
import pytest

from iics.errors import EvaluationError
from iics.evaluation.labels import EvaluationLabels
from iics.evaluation.ranking import rank
from iics.evaluation.tracks import GalleryTracks

# Vehicle 1 by camera 0 searches: its own track (ignored), vehicle 2 twice, its track by camera 1, a crop alone.
LABELS = EvaluationLabels([1], [1, 2, 2, 1, 2, 1, 1], [0], [0, 1, 1, 1, 2, 1, 2])
TRACKLETS = np.array([4, 9, 9, 2, 3, 2, -1])
DISTANCE = np.array([[0.0, 0.5, 0.1, 0.9, 0.3, 0.2, 0.4]], np.float32)


def test_a_track_lies_as_far_as_its_nearest_crop_in_order_of_first_crops():
    tracks = GalleryTracks.of(LABELS, TRACKLETS)
    assert tracks.labels.gallery_ids.tolist() == [1, 2, 1, 2, 1]
    assert tracks.labels.gallery_cameras.tolist() == [0, 1, 1, 2, 2]
    nearest = tracks.nearest(lambda block: DISTANCE[block])(slice(0, 1))
    np.testing.assert_allclose(nearest, [[0.0, 0.1, 0.2, 0.3, 0.4]])


def test_tracks_are_ranked_under_the_usual_protocol():
    tracks = GalleryTracks.of(LABELS, TRACKLETS)
    result = rank(tracks.nearest(lambda block: DISTANCE[block]), tracks.labels)
    assert result.mean_ap == pytest.approx((1 / 2 + 2 / 4) / 2)  # wrong 0.1, right 0.2, wrong 0.3, right 0.4
    crops = rank(lambda block: DISTANCE[block], LABELS)
    assert crops.mean_ap == pytest.approx((1 / 2 + 2 / 4 + 3 / 6) / 3)


def test_a_track_of_two_identities_is_refused():
    with pytest.raises(EvaluationError, match=r"Tracklet 9 of the gallery shows identities 2 and 5"):
        GalleryTracks.of(EvaluationLabels([1], [1, 2, 5], [0], [0, 1, 1]), np.array([4, 9, 9]))
