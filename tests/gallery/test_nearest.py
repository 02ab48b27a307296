"""What searches find, in a folder and on a server."""

from __future__ import annotations

import os

import numpy as np
import pytest

from iics.errors import GalleryError
from iics.gallery.filters import GalleryFilters
from iics.gallery.nearest import RERANKED_CANDIDATES
from iics.natural_order import natural_order
from iics.similarity.reranking import k_reciprocal_distance, published_distance

HOSTILE = ['a"] or camera in ["b', "x' or '1' == '1", 'back\\slash"', "é ü 名前 😀", "50%_off", " ", "{camera}"]


@pytest.fixture
def circle(gallery, angles, stored_row):
    """Ten crops at 0, 10, ... 90 degrees, of cameras a and b in turn, an hour apart, three to a tracklet,
    the last alone."""
    rows = [
        stored_row(str(k), camera="ab"[k % 2], time=3600.0 * k if k < 9 else None, tracklet=k // 3 if k < 9 else None)
        for k in range(10)
    ]
    gallery.write(rows, angles([10.0 * k for k in range(10)]))
    return gallery


def found(gallery, angles, degrees, **how):
    (matches,) = gallery.search(angles([degrees]), **how)
    return [match.path.name for match in matches]


def test_a_gallery_of_the_process_before_a_fork_is_refused_and_left_open(circle, angles, monkeypatch):
    with monkeypatch.context() as forked:
        forked.setattr(os, "getpid", lambda: -1)
        with pytest.raises(GalleryError, match=r"was opened before this process was forked.* Open it in each worker"):
            circle.search(angles([0.0]))
        circle.close()
    assert found(circle, angles, 0, top=1) == ["0"]


def test_matches_come_in_order_of_their_cosine(circle, angles):
    (matches,) = circle.search(angles([0.0]), top=3)
    assert [match.rank for match in matches] == [1, 2, 3]
    np.testing.assert_allclose([m.similarity for m in matches], np.cos(np.deg2rad([0, 10, 20])), atol=1e-6)
    assert [(m.camera, m.time, m.tracklet_id) for m in matches] == [("a", 0, 0), ("b", 3600, 0), ("a", 7200, 0)]


def test_filters_leave_out_and_nothing_takes_the_place_of_what_is_missing(circle, angles):
    assert found(circle, angles, 0, filters=GalleryFilters(cameras=("b",)), top=3) == ["1", "3", "5"]
    assert found(circle, angles, 0, filters=GalleryFilters(not_cameras=("b",)), top=3) == ["0", "2", "4"]
    assert found(circle, angles, 0, filters=GalleryFilters(since=7200.0, until=14400.0)) == ["2", "3"]
    assert found(circle, angles, 0, filters=GalleryFilters(until=1e9)) == [str(k) for k in range(9)]
    assert found(circle, angles, 0, filters=GalleryFilters(cameras=("b",), until=3600.0)) == []


def test_a_camera_without_a_crop_here_is_refused_in_every_question(circle, angles):
    for filters in (GalleryFilters(cameras=("B",)), GalleryFilters(not_cameras=("B",))):
        for ask in (circle.count, circle.crops, lambda filters: circle.search(angles([0.0]), filters=filters)):
            with pytest.raises(GalleryError, match=r"has no camera 'B'\. Its cameras, nearest first: b, a"):
                ask(filters)


def test_features_that_are_no_numbers_neither_enter_nor_search(circle, angles, stored_row):
    broken = np.full((1, circle.dimension), np.nan, dtype=np.float32)
    with pytest.raises(GalleryError, match=r"^1 of 1 features are no numbers"):
        circle.write([stored_row("nan")], broken)
    with pytest.raises(GalleryError, match=r"^1 of 2 features are no numbers"):
        circle.search(np.concatenate([angles([0.0]), broken]))
    assert circle.num_crops == 10


def test_many_queries_are_answered_each_for_itself(circle, angles):
    answers = circle.search(angles([10.0 * (k % 10) for k in range(70)]), top=1)
    assert [matches[0].path.name for matches in answers] == [str(k % 10) for k in range(70)]


def test_grouping_finds_as_many_tracklets_as_were_asked_for(circle, angles):
    assert found(circle, angles, 0, top=4, group_by_tracklet=True) == ["0", "3", "6", "9"]
    assert found(circle, angles, 0, top=9, group_by_tracklet=True) == ["0", "3", "6", "9"]


def test_reranked_order_is_that_of_the_k_reciprocal_distance(gallery, model, stored_row):
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((5, gallery.dimension))
    features = centres[np.arange(60) % 5] + 1.5 * generator.standard_normal((60, gallery.dimension))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    gallery.write([stored_row(str(k)) for k in range(59)], features[1:])
    assert len(features) < RERANKED_CANDIDATES
    nearest = np.argsort(-features[1:] @ features[0], kind="stable")
    ordered = np.concatenate([[0], nearest + 1])
    distance = k_reciprocal_distance(1 - features[ordered] @ features[ordered].T)
    expected = nearest[np.argsort(distance[0, 1:], kind="stable")][:10]
    (matches,) = gallery.search(features[:1], rerank=True)
    assert [int(match.path.name) for match in matches] == expected.tolist()
    assert expected.tolist() != nearest[:10].tolist()


def test_numbers_of_matches_out_of_range_and_foreign_features_are_refused(circle, angles):
    for top in (0, 16385):
        with pytest.raises(GalleryError, match=f"top must lie between 1 and 16384, got {top}"):
            circle.search(angles([0.0]), top=top)
    with pytest.raises(GalleryError, match=r"Queries need features of shape \(m, 256\), got \(1, 7\)"):
        circle.search(np.zeros((1, 7), np.float32))


def test_names_are_never_read_as_filters(gallery, angles, stored_row):
    rows = [stored_row(f"/c/{name}", camera=name, crop_id=str(k)) for k, name in enumerate(HOSTILE)]
    gallery.write([*rows, stored_row("b", camera="b")], angles([float(k) for k in range(len(HOSTILE) + 1)]))
    for name in HOSTILE:
        assert found(gallery, angles, 0, filters=GalleryFilters(cameras=(name,))) == [name]
        assert len(found(gallery, angles, 0, filters=GalleryFilters(not_cameras=(name,)))) == len(HOSTILE)
        assert gallery.count(GalleryFilters(path=f"/c/{name}")) == 1
    assert gallery.camera_names() == natural_order([*HOSTILE, "b"])


def test_a_folder_means_the_files_below_it_and_no_neighbour(gallery, angles, stored_row):
    names = ["/c/a", "/c/a/1.jpg", "/c/a/b/2.jpg", "/c/a.jpg", "/c/ab/3.jpg", "/c/a-b/4.jpg", "/c/A/5.jpg"]
    gallery.write([stored_row(name) for name in names], angles([0.0] * len(names)))
    meant = [str(match.path) for match in gallery.crops(GalleryFilters(path="/c/a/"))]
    assert meant == ["/c/a", "/c/a/1.jpg", "/c/a/b/2.jpg"]


def test_matches_by_camera_are_in_the_order_of_the_camera_aware_distance(gallery, stored_row, reference):
    features = np.random.default_rng(3).normal(size=(60, gallery.dimension)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    cameras = [k % 3 for k in range(59)]
    gallery.write([stored_row(str(k), camera="abc"[cameras[k]]) for k in range(59)], features[1:])
    (matches,) = gallery.search(features[:1], top=59, rerank=True, rerank_form="camera-jaccard")
    cosine = 1 - features @ features.T
    distance = 0.7 * reference.camera_jaccard_distance(1 - cosine, [-1, *cameras]) + 0.3 * cosine
    assert [int(match.path.name) for match in matches] == np.argsort(distance[0, 1:], kind="stable").tolist()


def test_both_forms_of_reranking_are_those_of_their_distances(gallery, stored_row):
    generator = np.random.default_rng(1)
    features = generator.standard_normal((60, gallery.dimension)) + 3 * np.eye(6, gallery.dimension)[np.arange(60) % 6]
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    gallery.write([stored_row(str(k)) for k in range(59)], features[1:])
    for form, distance_of in (("paper", k_reciprocal_distance), ("published", published_distance)):
        (matches,) = gallery.search(features[:1], top=59, rerank=True, rerank_form=form)
        near = np.argsort(1 - features[0] @ features[1:].T, kind="stable")
        together = features[[0, *(1 + near)]]
        order = near[np.argsort(distance_of(1 - together @ together.T)[0, 1:], kind="stable")]
        assert [match.path.name for match in matches] == [str(k) for k in order]
