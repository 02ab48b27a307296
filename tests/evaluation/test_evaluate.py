"""Crops with identities to labels: what is compared, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.errors import EvaluationError
from iics.evaluation.evaluate import evaluate
from iics.evaluation.protocol import SAME_CAMERA
from iics.evaluation.ranked_features import rank_crops
from iics.evaluation.reranked_rows import Reranking
from iics.evaluation.scored_crops import check_scorable, evaluation_labels, matching_protocol


def crops_at(*paths, identities, cameras, **more):
    return CropSet(
        tuple(map(Path, paths)), np.array(cameras), ("door", "hall"), np.array(identities), name="gallery", **more
    )


QUERY = replace(crops_at("a.png", "b.png", identities=[1, 2], cameras=[0, 1]), name="query")


def test_a_query_is_found_in_the_gallery_by_its_file():
    gallery = crops_at("c.png", "b.png", "d.png", identities=[1, 2, 2], cameras=[0, 1, 1])
    assert evaluation_labels(QUERY, gallery).own_crops.tolist() == [-1, 1]


def test_two_boxes_of_a_picture_and_two_archives_are_different_crops():
    boxes = np.array([[0, 0, 4, 8], [4, 0, 4, 8]])
    query = crops_at("a.png", identities=[1], cameras=[0], boxes=boxes[:1])
    gallery = crops_at("a.png", "a.png", identities=[2, 1], cameras=[0, 0], boxes=boxes[::-1])
    assert evaluation_labels(query, gallery).own_crops.tolist() == [1]
    zipped = crops_at("a.png", "b.png", identities=[1, 2], cameras=[0, 1], archive=Path("all.zip"))
    assert evaluation_labels(QUERY, zipped).own_crops.tolist() == [-1, -1]


def test_same_camera_does_not_count_the_query_itself():
    gallery = crops_at("a.png", "b.png", "c.png", "d.png", identities=[1, 2, 1, 3], cameras=[0, 1, 0, 0])
    angles = np.deg2rad([0, 90, 40, 20])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    result = rank_crops(features[:2], features, QUERY, gallery, protocol="same-camera")
    np.testing.assert_array_equal(result.average_precision, [0.5, np.nan])  # behind person 3; b.png is only itself
    check_scorable(QUERY, gallery, SAME_CAMERA)


def test_one_camera_is_searched_within_itself_with_a_warning(caplog):
    query = crops_at("a.png", "b.png", identities=[1, 2], cameras=[0, 0])
    gallery = crops_at("c.png", "d.png", "e.png", identities=[1, 2, 3], cameras=[0, 0, 0])
    angles = np.deg2rad([0, 90, 10, 95, 4])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    check_scorable(query, gallery)
    assert "are of one camera: people are searched for within it (protocol same-camera)" in caplog.text
    found = rank_crops(features[:2], features[2:], query, gallery)
    assert found.average_precision.tolist() == [0.5, 1.0]  # behind person 3


def test_crops_without_identities_are_named():
    with pytest.raises(EvaluationError, match="query has no identities; mAP and CMC need them"):
        evaluation_labels(QUERY.without_identities(), QUERY)


def test_cameras_that_are_numbered_differently_are_refused():
    other = replace(QUERY, camera_names=("hall", "door"))
    with pytest.raises(EvaluationError, match="number their cameras differently: door, hall and hall, door"):
        evaluation_labels(QUERY, other)


def test_an_unknown_protocol_is_refused_before_anything_is_computed():
    with pytest.raises(EvaluationError, match="no protocol 'market' that ranks one gallery; choose market1501 or same"):
        evaluate(None, QUERY, QUERY, protocol="market")
    assert matching_protocol("same-camera") == SAME_CAMERA


@pytest.mark.parametrize(("query", "gallery", "missing"), [(None, QUERY, "query"), (QUERY, None, "gallery")])
def test_a_split_that_the_data_does_not_have_is_named(query, gallery, missing):
    with pytest.raises(EvaluationError, match=rf"^The data has no {missing} \(None\); mAP and CMC need query and"):
        evaluate(None, query, gallery)


class Angles:
    """A model that sees each crop under the angle that its file is named after."""

    num_features, camera_means = 2, None

    def embed(self, crops, progress=None):
        angles = np.deg2rad([float(path.stem) for path in crops.paths])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_individuals_that_are_held_out_give_the_result_open_set_figures():
    query = crops_at("0.png", "40.png", "80.png", identities=[1, 2, 3], cameras=[0, 0, 0])
    gallery = crops_at("1.png", "41.png", "81.png", identities=[1, 2, 3], cameras=[1, 1, 1])
    whole = evaluate(Angles(), query, gallery)
    assert whole.open_set is None
    held_out = evaluate(Angles(), query, gallery, unknown=0.3)
    assert held_out.num_unmatched == 1
    assert held_out.open_set.area == 0
    assert str(held_out).startswith(str(whole).splitlines()[0])
    assert "Open set (1 queries of 1 individuals without a right answer in the gallery, 2 of 2 with one)" in str(
        held_out
    )
    assert held_out.mean_ap == 1


def test_open_set_figures_of_a_reranked_search_are_refused():
    with pytest.raises(EvaluationError, match=r"^unknown=0.3 measures a threshold of the cosine, and reranking was"):
        evaluate(Angles(), QUERY, QUERY, unknown=0.3, reranking=Reranking())
