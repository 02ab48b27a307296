"""A picture that is a query here and a gallery crop there finds itself; that is said, wherever it lies."""

import logging
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from iics.crops import CropSet
from iics.evaluation.copied_queries import copied_pairs, warn_of_copies
from iics.evaluation.evaluate import evaluate
from iics.evaluation.protocol import MARKET1501
from iics.evaluation.scored_crops import evaluation_labels
from iics.models.camera_means import CameraMeans


def unit(rows, seed=0):
    features = np.random.default_rng(seed).standard_normal((rows, 64)).astype(np.float32)
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def test_copies_are_found_but_for_last_bits():
    query, gallery = unit(7), unit(500, seed=1)
    gallery[[3, 400]] = query[5] * (1 + 1e-6)
    gallery[8] = query[2]
    assert copied_pairs(query, gallery).tolist() == [[2, 8], [5, 3], [5, 400]]


def test_many_copies_are_found_in_parts(monkeypatch):
    monkeypatch.setattr("iics.evaluation.copied_queries._CANDIDATES_AT_ONCE", 8)
    same = np.repeat(unit(1), 6, axis=0)
    assert len(copied_pairs(same, same)) == 36


def test_frames_of_one_walk_are_no_copies():
    query = unit(20)
    near = query + 0.001 * unit(20, seed=1)
    assert len(copied_pairs(query, near / np.linalg.norm(near, axis=1, keepdims=True))) == 0


@pytest.mark.parametrize(
    ("camera", "identity", "is_told"), [(1, 1, True), (1, 2, True), (0, 2, True), (0, 1, False), (1, -1, False)]
)
def test_only_copies_that_count_are_told(caplog, camera, identity, is_told):
    query = CropSet((Path("q.png"),), [0], ("a", "b"), np.array([1]), name="query")
    gallery = CropSet((Path("g.png"), Path("h.png")), [camera, 1], ("a", "b"), np.array([identity, 1]), name="gallery")
    features = unit(2)
    warn_of_copies(features[:1], features, query, gallery, evaluation_labels(query, gallery), MARKET1501)
    assert bool(caplog.records) == is_told
    assert not is_told or "1 of 1 queries have their very picture in the gallery" in caplog.text


@pytest.mark.parametrize("centre", ["off", "on"])
def test_a_copy_is_told_also_where_means_of_their_cameras_part_the_two(caplog, centre):
    query = CropSet((Path("q.png"), Path("r.png")), [0, 0], ("a", "b"), np.array([1, 2]), name="query")
    gallery = CropSet((Path("g.png"), Path("h.png")), [1, 1], ("a", "b"), np.array([1, 2]), name="gallery")
    means = CameraMeans(("a", "b"), (99, 99), unit(2, seed=5) / 2, unit(1, seed=6)[0] / 2)

    def model_of(seed):
        rows = {id(query): unit(2, seed=seed), id(gallery): unit(2, seed=seed)[[0, 0]]}
        return SimpleNamespace(embed=lambda crops, progress=None: rows[id(crops)], camera_means=means, num_features=64)

    evaluate(model_of(1), query, gallery, centre=centre)
    assert caplog.text.count("have their very picture in the gallery") == 1


def test_a_copy_under_another_name_is_told_when_a_model_is_evaluated(aibn_model, people, tmp_path, caplog):
    query, gallery = people.query, people.gallery
    at = int(np.flatnonzero(gallery.identity_ids == query.identity_ids[0])[-1])
    copy = tmp_path / "copy.png"
    shutil.copy(query.paths[0], copy)
    paths = tuple(copy if index == at else path for index, path in enumerate(gallery.paths))
    copied = CropSet(paths, gallery.camera_ids, gallery.camera_names, gallery.identity_ids, name="gallery")
    with caplog.at_level(logging.WARNING):
        evaluate(aibn_model, query, copied)
    assert f"{query.label(0)} and {copy}: such a query finds itself." in caplog.text
