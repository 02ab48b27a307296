import numpy as np
import pytest

from iics.errors import EvaluationError
from iics.evaluation.protocol import EvaluationLabels, explain_no_match, ignored_pairs, matching_pairs

ALL = slice(0, None)


def labels_of(query, gallery):
    """Labels from lists of (identity, camera)."""
    query, gallery = np.array(query).reshape(-1, 2), np.array(gallery).reshape(-1, 2)
    return EvaluationLabels(query[:, 0], gallery[:, 0], query[:, 1], gallery[:, 1])


GALLERY = [(7, 0), (7, 1), (8, 0), (8, 1), (0, 0), (0, 1), (-1, 0), (-1, 1)]


def test_own_camera_and_junk_are_ignored_and_distractors_are_not():
    ignored = ignored_pairs(labels_of([(7, 0)], GALLERY), ALL)
    assert ignored.tolist() == [[True, False, False, False, False, False, True, True]]


def test_only_the_own_identity_in_another_camera_matches():
    matching = matching_pairs(labels_of([(7, 0), (8, 1)], GALLERY), ALL)
    assert matching.tolist() == [
        [False, True, False, False, False, False, False, False],
        [False, False, True, False, False, False, False, False],
    ]


def test_no_pair_is_matching_and_ignored():
    generator = np.random.default_rng(0)
    query = np.stack([generator.integers(1, 6, 40), generator.integers(0, 3, 40)], axis=1)
    gallery = np.stack([generator.integers(-1, 6, 90), generator.integers(0, 3, 90)], axis=1)
    labels = labels_of(query, gallery)
    assert not (matching_pairs(labels, ALL) & ignored_pairs(labels, ALL)).any()


def test_a_block_holds_the_rows_of_its_queries():
    labels = labels_of([(7, 0), (8, 1), (7, 1)], GALLERY)
    block = slice(1, 3)
    np.testing.assert_array_equal(matching_pairs(labels, block), matching_pairs(labels, ALL)[1:])
    np.testing.assert_array_equal(ignored_pairs(labels, block), ignored_pairs(labels, ALL)[1:])


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
