import numpy as np
import pytest

from iics.evaluation.labels import EvaluationLabels
from iics.evaluation.protocol import (
    ANY_CAMERA,
    IGNORED,
    MARKET1501,
    OTHER_CAMERAS,
    PROTOCOLS,
    RIGHT,
    SAME_CAMERA,
    WRONG,
)
from iics.evaluation.right_ranks import closest, num_right_answers

# Own identity, another identity, a distractor and junk, each in the query's camera and in another one.
GALLERY = [(7, 0), (7, 1), (8, 0), (8, 1), (0, 0), (0, 1), (-1, 0), (-1, 1)]


def labels_of(query, gallery, **own):
    """Labels from lists of (identity, camera)."""
    query, gallery = np.array(query).reshape(-1, 2), np.array(gallery).reshape(-1, 2)
    return EvaluationLabels(query[:, 0], gallery[:, 0], query[:, 1], gallery[:, 1], **own)


def verdicts(labels, protocol):
    """What each gallery crop is to each query, read off a list of all crops that count."""
    num_queries, num_gallery = len(labels.query_ids), len(labels.gallery_ids)
    distance = np.zeros((num_queries, num_gallery), np.float32)
    indices, is_right = closest(distance, labels, protocol, k=num_gallery)
    found = np.full((num_queries, num_gallery + 1), IGNORED)
    np.put_along_axis(found, indices, np.where(is_right, RIGHT, WRONG), axis=1)
    return found[:, :-1]  # where the index was -1


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        (MARKET1501, [IGNORED, RIGHT, WRONG, WRONG, WRONG, WRONG, IGNORED, IGNORED]),
        (SAME_CAMERA, [RIGHT, IGNORED, WRONG, IGNORED, WRONG, IGNORED, IGNORED, IGNORED]),
        (ANY_CAMERA, [RIGHT, RIGHT, WRONG, WRONG, WRONG, WRONG, IGNORED, IGNORED]),
        (OTHER_CAMERAS, [IGNORED, RIGHT, IGNORED, WRONG, IGNORED, WRONG, IGNORED, IGNORED]),
    ],
    ids=["market1501", "same-camera", "any-camera", "other cameras"],
)
def test_each_protocol_judges_the_eight_kinds_of_crops(protocol, expected):
    labels = labels_of([(7, 0)], GALLERY)
    assert verdicts(labels, protocol).tolist() == [expected]
    assert num_right_answers(labels, protocol).tolist() == [expected.count(RIGHT)]


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_a_query_does_not_find_itself(protocol):
    labels = labels_of([(7, 0), (7, 0), (8, 1)], GALLERY, own_crops=[0, -1, 3])
    alone = labels_of([(7, 0), (7, 0), (8, 1)], GALLERY)
    judged, otherwise = verdicts(labels, protocol), verdicts(alone, protocol)
    assert (judged[0, 0], judged[2, 3]) == (IGNORED, IGNORED)
    otherwise[[0, 2], [0, 3]] = IGNORED
    np.testing.assert_array_equal(judged, otherwise)


def test_the_protocols_have_names():
    assert PROTOCOLS == {"market1501": MARKET1501, "same-camera": SAME_CAMERA, "any-camera": ANY_CAMERA}
