"""Several models rank by the mean of their distances."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import iics
from iics.errors import EvaluationError
from iics.evaluation import distance_rows
from iics.evaluation.distance_rows import CosineRows
from iics.evaluation.ensemble import EnsembleResult, SideBySide, check_different
from iics.evaluation.protocol import MARKET1501
from iics.evaluation.ranking import rank
from iics.evaluation.reranked_rows import RerankedRows, Reranking
from iics.model_settings import ModelSettings
from iics.models.reid_model import create_model

WIDTHS = (3, 8, 5)


class OfWidth:
    """All that side by side asks of a model."""

    def __init__(self, num_features):
        self.num_features = num_features


@pytest.fixture
def several(random_labels):
    """Features of three models for the same queries and gallery, and the labels of these."""
    labels = random_labels(3)
    generator = np.random.default_rng(3)

    def features(ids, width):
        rows = generator.normal(size=(41, width))[ids] + 0.5 * generator.normal(size=(len(ids), width))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    return [(features(labels.query_ids, width), features(labels.gallery_ids, width)) for width in WIDTHS], labels


@pytest.fixture
def joined(several):
    each, labels = several
    both = SideBySide((len(labels.query_ids), len(labels.gallery_ids)), [OfWidth(width) for width in WIDTHS])
    for features in each:
        both.add(*features)
    return both.as_one()


def mean_distance(each):
    return np.mean([1 - query.astype(np.float64) @ gallery.T for query, gallery in each], axis=0)


def test_two_models_by_hand():
    both = SideBySide((1, 2), [OfWidth(2), OfWidth(2)])
    east, north = [1.0, 0.0], [0.0, 1.0]
    both.add(np.array([east], np.float32), np.array([east, north], np.float32))  # distances 0 and 1
    both.add(np.array([east], np.float32), np.array([[0.6, 0.8], [0.8, 0.6]], np.float32))  # 0.4 and 0.2
    query, gallery = both.as_one()
    np.testing.assert_allclose(1 - query @ gallery.T, [[0.2, 0.6]], atol=1e-6)


def test_the_distance_side_by_side_is_the_mean_distance_in_blocks_of_bounded_memory(several, joined, monkeypatch):
    each, labels = several
    monkeypatch.setattr(distance_rows, "WORK_SPACE_BYTES", 20 * 4 * 230)  # 20 queries at a time
    distance_of = CosineRows(*joined, labels)
    blocks = [distance_of(block).copy() for block in distance_rows.query_blocks(61, 230)]
    assert max(map(len, blocks)) == 20
    np.testing.assert_allclose(1 + np.concatenate(blocks), mean_distance(each), atol=1e-6)


def test_the_ranking_is_that_of_the_plain_mean(several, joined, reference_ranking):
    each, labels = several
    result = rank(CosineRows(*joined, labels), labels, MARKET1501)
    expected = reference_ranking(
        mean_distance(each),
        labels.query_ids,
        labels.gallery_ids,
        labels.query_cameras,
        labels.gallery_cameras,
        len(result.cmc),
    )
    assert result.mean_ap == pytest.approx(expected[0])
    np.testing.assert_allclose(result.cmc, expected[1])


def test_re_ranking_is_of_the_mean_distance_of_all_crops(several, joined, reference):
    each, labels = several
    counted = ~labels.is_junk
    together = [np.concatenate([query, gallery[counted]]) for query, gallery in each]
    expected = reference.k_reciprocal_distance(mean_distance([(rows, rows) for rows in together]), 5, 2, 0.3)
    rows = RerankedRows(*joined, labels, Reranking(k1=5, k2=2))
    found = np.concatenate([rows(block).copy() for block in distance_rows.query_blocks(61, 230)])[:, counted]
    np.testing.assert_allclose(found, expected[:61, 61:], atol=2e-5)


@pytest.fixture(scope="module")
def models(aibn_model):
    """Two backbones, two sizes of crops."""
    torch.manual_seed(1)
    settings = ModelSettings(backbone="test_efficientnet", weights="none", height=96, width=48)
    return [aibn_model, create_model(settings, device=torch.device("cpu"))]


def test_models_of_other_backbones_and_sizes_rank_together_and_each_as_it_does_alone(models, people):
    assert models[0].num_features != models[1].num_features
    seen = []
    result = iics.evaluate(models, people.query, people.gallery, progress=seen.append)
    assert isinstance(result, EnsembleResult)
    assert sum(seen) == 2 * (len(people.query) + len(people.gallery))
    for model, own in zip(models, result.models, strict=True):
        alone = iics.evaluate(model, people.query, people.gallery)
        np.testing.assert_array_equal(own.average_precision, alone.average_precision)
    assert result.spread("mean_ap").values == tuple(own.mean_ap for own in result.models)
    assert result.mean_ap == result.ensemble.mean_ap
    assert result.cmc is result.ensemble.cmc
    labels = [line.split("  ")[0] for line in str(result).splitlines()]
    spread = ["mean", "standard deviation", "minimum", "maximum"]
    assert labels == ["%", "model 1", "model 2", *spread, "mean distance", "queries scored 9, without match 0"]


def test_one_model_in_a_list_ranks_as_alone(models, people):
    result = iics.evaluate(models[:1], people.query, people.gallery, reranking=Reranking(k1=3))
    alone = iics.evaluate(models[0], people.query, people.gallery, reranking=Reranking(k1=3))
    np.testing.assert_array_equal(result.ensemble.average_precision, alone.average_precision)
    assert "standard deviation" not in str(result)


def test_a_model_that_is_there_twice_is_refused(models, people):
    with pytest.raises(EvaluationError, match="model 1 and model 3 are the same model: their weights are equal"):
        iics.evaluate([*models, models[0]], people.query, people.gallery)


def test_no_model_is_refused(people):
    with pytest.raises(EvaluationError, match="No model is given; name at least one"):
        iics.evaluate([], people.query, people.gallery)


def test_equal_weights_for_crops_of_another_size_are_another_model(aibn_model):
    other = replace(aibn_model.header, height=96)
    larger = type(aibn_model)(aibn_model.backbone, other, device=torch.device("cpu"))
    check_different([aibn_model, larger], ["a", "b"])
