"""Re-ranked evaluation."""

import numpy as np
import pytest

from iics.errors import EvaluationError
from iics.evaluation import distance_rows, reranked_rows
from iics.evaluation.labels import EvaluationLabels
from iics.evaluation.ranking import rank
from iics.evaluation.reranked_rows import RerankedRows, Reranking
from iics.similarity.camera_jaccard import CameraLists
from iics.similarity.reranking import k_reciprocal_distance

SETTINGS = [Reranking(), Reranking(k1=5, k2=1, lambda_value=0.0), Reranking(k1=3, k2=8, lambda_value=1.0)]


@pytest.fixture
def crops(random_labels):
    """Features in bunches, of queries and gallery, and their labels."""

    def draw(seed):
        labels = random_labels(seed)
        generator = np.random.default_rng(seed)
        centres = generator.normal(size=(41, 12))

        def features(ids):
            rows = centres[ids] + 0.7 * generator.normal(size=(len(ids), 12))
            return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

        return features(labels.query_ids), features(labels.gallery_ids), labels

    return draw


def streamed(queries, gallery, labels, reranking=SETTINGS[0]):
    """All rows, from blocks, without the columns of junk."""
    distance_of = RerankedRows(queries, gallery, labels, reranking)
    blocks = distance_rows.query_blocks(len(queries), len(gallery))
    return np.concatenate([distance_of(block).copy() for block in blocks])[:, ~labels.is_junk]


def dense(queries, gallery, labels):
    together = np.concatenate([queries, gallery[~labels.is_junk]]).astype(np.float64)
    return 1 - together @ together.T


@pytest.mark.parametrize("reranking", SETTINGS, ids=str)
def test_rows_equal_the_plain_matrix_of_all_crops(reranking, crops, reference, monkeypatch):
    queries, gallery, labels = crops(0)
    monkeypatch.setattr(distance_rows, "WORK_SPACE_BYTES", 20 * 4 * 230)  # 20 queries at a time
    k1, k2, lambda_value = reranking.k1, reranking.k2, reranking.lambda_value
    expected = reference.k_reciprocal_distance(dense(queries, gallery, labels), k1, k2, lambda_value)
    np.testing.assert_allclose(streamed(queries, gallery, labels, reranking), expected[:61, 61:], atol=1e-5)


SLOW = [pytest.param(value, marks=pytest.mark.slow) for value in (0.0, 1.0)]


@pytest.mark.parametrize("lambda_value", [0.3, *SLOW])
def test_published_rows_equal_the_plain_matrix_of_all_crops(lambda_value, crops, reference, monkeypatch):
    queries, gallery, labels = crops(0)
    monkeypatch.setattr(distance_rows, "WORK_SPACE_BYTES", 20 * 4 * 230)
    monkeypatch.setattr(reranked_rows, "rows_in_a_block", lambda num_crops: 50)
    reranking = Reranking(k1=6, k2=3, lambda_value=lambda_value, form="published")
    expected = reference.published_distance(dense(queries, gallery, labels), 6, 3, lambda_value)
    np.testing.assert_allclose(streamed(queries, gallery, labels, reranking), expected[:61, 61:], atol=1e-5)


@pytest.mark.parametrize("lambda_value", [0.3, 0.0])
def test_rows_by_camera_equal_the_plain_matrix_of_all_crops(lambda_value, crops, reference, monkeypatch):
    queries, gallery, labels = crops(0)
    monkeypatch.setattr(distance_rows, "WORK_SPACE_BYTES", 20 * 4 * 230)
    constants = {"k1_intra": 2, "k1_inter": 6, "k2_intra": 2, "k2_inter": 3}
    reranking = Reranking(form="camera-jaccard", lambda_value=lambda_value, lists=CameraLists(**constants))
    cosine = dense(queries, gallery, labels)
    cameras = np.concatenate([labels.query_cameras, labels.gallery_cameras[~labels.is_junk]])
    jaccard = reference.camera_jaccard_distance(1 - cosine, cameras, **constants)
    expected = (1 - lambda_value) * jaccard + lambda_value * cosine
    np.testing.assert_allclose(streamed(queries, gallery, labels, reranking), expected[:61, 61:], atol=1e-5)


def test_memory_of_camera_lists_is_predicted():
    by_camera = Reranking(form="camera-jaccard")
    more = reranked_rows.reranking_memory(2000, 16, by_camera) - reranked_rows.reranking_memory(1000, 16, by_camera)
    assert more > by_camera.lists.memory(1000)


def test_a_form_that_is_none_is_refused():
    with pytest.raises(EvaluationError, match=r"form must be paper, published or camera-jaccard, got 'zhong'\."):
        Reranking(form="zhong")


@pytest.mark.parametrize("seed", range(3))
def test_metrics_equal_those_of_the_dense_distance(seed, crops, reference_ranking):
    queries, gallery, labels = crops(seed)
    distance = k_reciprocal_distance(dense(queries, gallery, labels).astype(np.float32))[:61, 61:]
    counted = ~labels.is_junk
    mean_ap, cmc, mean_inp, _ = reference_ranking(
        distance,
        labels.query_ids,
        labels.gallery_ids[counted],
        labels.query_cameras,
        labels.gallery_cameras[counted],
        max_rank=10,
    )
    result = rank(RerankedRows(queries, gallery, labels, Reranking()), labels, max_rank=10)
    assert result.mean_ap == pytest.approx(mean_ap, abs=1e-6)
    assert result.mean_inp == pytest.approx(mean_inp, abs=1e-6)
    np.testing.assert_allclose(result.cmc, cmc, atol=1e-12)
    assert result.mean_ap > rank(distance_rows.CosineRows(queries, gallery, labels), labels).mean_ap


def test_junk_moves_no_distance(crops):
    queries, gallery, labels = crops(1)
    moved = gallery.copy()
    moved[labels.is_junk] = queries[0]
    np.testing.assert_array_equal(streamed(queries, moved, labels), streamed(queries, gallery, labels))


def test_fewer_crops_than_neighbours_will_do():
    labels = EvaluationLabels([1, 2], [1, 2, 1], [0, 0], [1, 1, 1])
    angles = np.deg2rad([0, 50, 10, 60, 20])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert rank(RerankedRows(features[:2], features[2:], labels, Reranking()), labels).rank(1) == 1


def test_settings_out_of_range_are_refused():
    with pytest.raises(EvaluationError, match="k1 and k2 must be at least 1, got k1=0, k2=6"):
        Reranking(k1=0)
    with pytest.raises(EvaluationError, match=r"lambda_value must lie in \[0, 1\], got 1.5"):
        Reranking(lambda_value=1.5)


def test_what_cannot_fit_is_refused_before_the_work(crops, monkeypatch):
    monkeypatch.setattr(reranked_rows, "free_memory", lambda: 10**6)
    monkeypatch.setattr(reranked_rows, "neighbour_graph", None)
    queries, gallery, labels = crops(0)
    num_crops = 61 + int((~labels.is_junk).sum())
    with pytest.raises(EvaluationError, match=rf"Re-ranking {num_crops} crops needs about 0.1 GB .* 0.0 GB are free"):
        RerankedRows(queries, gallery, labels, Reranking())
