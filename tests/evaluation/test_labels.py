import numpy as np
import pytest

from iics.errors import EvaluationError
from iics.evaluation.labels import EvaluationLabels, explain_no_match
from iics.evaluation.protocol import SAME_CAMERA


def labels_of(query, gallery, **own):
    """Labels from lists of (identity, camera)."""
    query, gallery = np.array(query).reshape(-1, 2), np.array(gallery).reshape(-1, 2)
    return EvaluationLabels(query[:, 0], gallery[:, 0], query[:, 1], gallery[:, 1], **own)


GALLERY = [(7, 0), (7, 1), (8, 0), (8, 1), (0, 0), (0, 1), (-1, 0), (-1, 1)]


def test_some_queries_and_crops_keep_their_labels_and_their_own_crops():
    labels = labels_of([(7, 0), (8, 1), (7, 1)], GALLERY, own_crops=[0, 3, -1])
    some = labels.of(np.array([2, 1, 0]), np.array([3, 1, 5]))
    assert some.query_ids.tolist() == [7, 8, 7]
    assert some.query_cameras.tolist() == [1, 1, 0]
    assert some.gallery_ids.tolist() == [8, 7, 0]
    assert some.gallery_cameras.tolist() == [1, 1, 1]
    assert some.own_crops.tolist() == [-1, 0, -1]  # crop 3 is now the first, crop 0 is not there
    assert labels.of(slice(1, 3)).own_crops.tolist() == [3, -1]


@pytest.mark.parametrize(
    ("own_crops", "message"),
    [
        ([0, 1], "own_crops has 2 entries but there are 1 queries"),
        ([8], "own_crops reaches from 8 to 8, but there are 8 gallery crops"),
        ([-2], "own_crops reaches from -2 to -2"),
        ([0.5], "own_crops must hold whole numbers, got float64"),
    ],
)
def test_own_crops_that_do_not_fit_are_refused(own_crops, message):
    with pytest.raises(EvaluationError, match=message):
        labels_of([(7, 0)], GALLERY, own_crops=own_crops)


def test_queries_that_can_match_nobody_are_counted_and_refused():
    with pytest.raises(EvaluationError, match=r"^3 of 4 queries .*: 2 junk \(identity -1\) and 1 distractors"):
        labels_of([(-1, 0), (0, 0), (5, 0), (-1, 1)], GALLERY)


def test_identities_below_junk_are_refused():
    with pytest.raises(EvaluationError, match="gallery_ids holds -7"):
        labels_of([(7, 0)], [(-7, 0)])


@pytest.mark.parametrize(("query", "gallery", "side"), [([], GALLERY, "query"), ([(7, 0)], [], "gallery")])
def test_an_empty_side_is_refused(query, gallery, side):
    with pytest.raises(EvaluationError, match=f"The {side} is empty"):
        labels_of(query, gallery)


def test_lengths_that_differ_are_named():
    with pytest.raises(EvaluationError, match="gallery_ids has 3 entries but gallery_cameras has 2"):
        EvaluationLabels([1], [1, 2, 3], [0], [0, 1])


def test_labels_that_are_no_whole_numbers_are_refused():
    with pytest.raises(EvaluationError, match="query_cameras must hold whole numbers, got float64"):
        EvaluationLabels([1], [1], [0.5], [1])
    with pytest.raises(
        EvaluationError, match=r"query_ids must have one entry per crop, got an array of shape \(1, 1\)"
    ):
        EvaluationLabels([[1]], [1], [0], [1])


def test_a_gallery_of_strangers_is_explained():
    message = explain_no_match(labels_of([(7, 0), (8, 0)], [(-1, 0), (-1, 1), (0, 1)]))
    assert message.startswith("None of 2 queries has a valid match among 3 gallery crops: 2 of those are junk")
    assert "1 distractors" in message


def test_disjoint_identities_are_explained():
    message = explain_no_match(labels_of([(7, 0), (7, 1)], [(1, 0), (2, 0), (0, 0)]))
    assert "the query shows 1 identities, the gallery 2, and they share none" in message


def test_same_camera_matches_are_explained():
    message = explain_no_match(labels_of([(7, 0), (8, 1)], [(7, 0), (8, 1), (9, 2)]))
    assert "they share 2 identities, but every such gallery crop comes from its query's own camera" in message
    assert "(2 query cameras, 3 gallery cameras)" in message


def test_no_match_in_the_own_camera_is_explained():
    message = explain_no_match(labels_of([(7, 0), (8, 1)], [(7, 1), (8, 0)]), SAME_CAMERA)
    assert "they share 2 identities, but no such gallery crop comes from its query's own camera" in message
    assert "(2 query cameras, 2 gallery cameras), other than the query itself" in message
