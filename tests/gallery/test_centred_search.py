"""Centred search in a gallery, against plain numpy: f' = (f - m_c) / |f - m_c|, in a folder and on a server."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from iics.gallery import camera_samples
from iics.gallery.centred_gallery import centring_notes, gallery_choice, query_notes
from iics.gallery.centred_nearest import reach
from iics.gallery.filters import GalleryFilters
from iics.models.camera_means import CameraMeans
from iics.models.centre_choice import CentreChoice

DIMENSION, NUM_CROPS = 256, 240
CAMERAS = {"hall": 100, "yard": 80, "new": 40, "few": 20}
TRAINED = ("hall", "yard")


def l2(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def people(seed):
    """Features of people with a strong, different push of each camera; names, ids. Shape (240, 256)."""
    generator = np.random.default_rng(seed)
    cameras = np.repeat(list(CAMERAS), list(CAMERAS.values()))
    pushes = {name: generator.standard_normal(DIMENSION) for name in CAMERAS}
    faces = generator.standard_normal((60, DIMENSION))[np.arange(NUM_CROPS) % 60]
    noise = generator.standard_normal((NUM_CROPS, DIMENSION))
    # Crops differ in how much of their camera is in them, so that |f - m| differs, too.
    shares = generator.uniform(0.3, 2.0, (NUM_CROPS, 1))
    features = l2(faces + 0.8 * noise + shares * np.array([pushes[name] for name in cameras]))
    return features.astype(np.float32), cameras


def known_means(features, cameras):
    return CameraMeans(
        TRAINED,
        (100, 80),
        np.stack([features[cameras == name].mean(axis=0) * 0.9 for name in TRAINED]),
        features[np.isin(cameras, TRAINED)].mean(axis=0),
    )


def reference(means, features, cameras):
    """Return the mean of each camera as the issue words it, plainly."""
    centres = {}
    for name in np.unique(cameras):
        own = features[cameras == name]
        trained = name in means.names
        centres[name] = means.means[means.names.index(name)] if trained else means.of_all
        if not trained and len(own) >= 25:
            centres[name] = own.mean(axis=0)
    return centres


def expected(query, centre, features, cameras, centres):
    """Return the crops in the order of their centred cosine, and these."""
    moved = l2(features - np.array([centres[name] for name in cameras]))
    similarity = moved @ l2(query - centre)
    order = np.argsort(-similarity, kind="stable")
    return [str(index) for index in order], similarity[order]


@pytest.fixture
def filled(gallery, stored_row):
    """A gallery of four cameras, two of which training saw; its features and cameras."""
    features, cameras = people(0)
    rows = [stored_row(str(k), camera=str(cameras[k]), time=float(k)) for k in range(NUM_CROPS)]
    gallery.write(rows, features)
    return gallery, features, cameras


def ids(matches):
    return [match.crop_id for match in matches]


@pytest.mark.parametrize("query_camera", ["hall", "new", "few", None, "nowhere"])
def test_matches_are_those_of_plain_numpy_for_cameras_known_unseen_and_too_small(filled, query_camera):
    gallery, features, cameras = filled
    means = known_means(features, cameras)
    centres = reference(means, features, cameras)
    queries = people(1)[0][:3]
    answers = gallery.search(queries, top=12, camera_means=means, query_camera=query_camera)
    for query, matches in zip(queries, answers, strict=True):
        order, similarity = expected(query, centres.get(query_camera, means.of_all), features, cameras, centres)
        assert ids(matches) == order[:12]
        np.testing.assert_allclose([match.similarity for match in matches], similarity[:12], atol=1e-5)
    plain = gallery.search(queries, top=12)
    assert [ids(matches) for matches in plain] != [ids(matches) for matches in answers]


def test_all_crops_come_in_order_where_more_are_wanted_than_there_are(filled):
    gallery, features, cameras = filled
    means = known_means(features, cameras)
    (matches,) = gallery.search(people(1)[0][:1], top=1000, camera_means=means, query_camera="hall")
    centres = reference(means, features, cameras)
    assert ids(matches) == expected(people(1)[0][0], centres["hall"], features, cameras, centres)[0]


def test_filters_hold_in_a_centred_search(filled):
    gallery, features, cameras = filled
    means = known_means(features, cameras)
    order, _ = expected(people(1)[0][0], means.of_all, features, cameras, reference(means, features, cameras))
    for filters, counts in (
        (GalleryFilters(cameras=("yard", "few")), lambda k: cameras[k] in ("yard", "few")),
        (GalleryFilters(not_cameras=("hall",), since=120.0), lambda k: cameras[k] != "hall" and k >= 120),
    ):
        (matches,) = gallery.search(people(1)[0][:1], top=9, filters=filters, camera_means=means)
        assert ids(matches) == [name for name in order if counts(int(name))][:9]


def test_the_mean_of_an_unseen_camera_follows_what_is_indexed_replaced_and_forgotten(filled, stored_row):
    gallery, features, cameras = filled
    means = known_means(features, cameras)
    query = people(1)[0][:1]

    def check(features, cameras, names):
        (matches,) = gallery.search(query, top=10, camera_means=means, query_camera="new")
        centres = reference(means, features, cameras)
        order, _ = expected(query[0], centres["new"], features, cameras, centres)
        assert ids(matches) == [names[int(at)] for at in order[:10]]

    names = [str(k) for k in range(NUM_CROPS)]
    check(features, cameras, names)
    few = np.flatnonzero(cameras == "few")
    added = people(2)[0][few]  # 20 and 20 of the camera are enough for a mean of their own
    gallery.write([stored_row(f"more {k}", camera="few") for k in range(20)], added)
    more = np.concatenate([features, added]), np.concatenate([cameras, np.repeat("few", 20)])
    check(*more, [*names, *(f"more {k}" for k in range(20))])
    gallery.write([stored_row(f"more {k}", camera="few") for k in range(20)], -added)  # as many as before
    check(np.concatenate([features, -added]), more[1], [*names, *(f"more {k}" for k in range(20))])
    gone = np.flatnonzero(cameras == "new")[:10]
    gallery.delete([f"more {k}" for k in range(20)] + [str(k) for k in gone])
    left = np.setdiff1d(np.arange(NUM_CROPS), gone)
    check(features[left], cameras[left], [str(k) for k in left])
    gallery.delete([str(k) for k in np.flatnonzero(cameras == "new")[10:16]])  # 24 are too few
    left = np.setdiff1d(np.arange(NUM_CROPS), np.flatnonzero(cameras == "new")[:16])
    check(features[left], cameras[left], [str(k) for k in left])


def test_a_gallery_of_one_camera_is_centred_by_it(gallery, stored_row):
    features = people(0)[0][:100]
    gallery.write([stored_row(str(k), camera="lone") for k in range(100)], features)
    means = known_means(*people(0))
    (matches,) = gallery.search(people(1)[0][:1], top=5, camera_means=means, query_camera="lone")
    own = features.mean(axis=0)
    assert ids(matches) == expected(people(1)[0][0], own, features, np.repeat("lone", 100), {"lone": own})[0][:5]


def test_an_empty_gallery_finds_nothing_and_decides_nothing(gallery):
    means = known_means(*people(0))
    assert gallery.search(people(1)[0][:2], camera_means=means) == [[], []]
    assert gallery_choice(gallery, means, "auto").reason == "Features are not centred: the gallery is empty."
    assert gallery_choice(gallery, means, "on").notes == ()


def test_who_opens_the_gallery_again_finds_the_same(filled, place):
    gallery, features, cameras = filled
    means = known_means(features, cameras)
    before = gallery.search(people(1)[0][:2], top=5, camera_means=means)
    with place.open() as again:
        assert again.search(people(1)[0][:2], top=5, camera_means=means) == before


def test_reranking_takes_centred_features(filled):
    from iics.similarity.reranking import k_reciprocal_distance

    gallery, features, cameras = filled
    means = known_means(features, cameras)
    centres = reference(means, features, cameras)
    chosen = np.flatnonzero(np.isin(cameras, ["hall", "new"]))
    query = people(1)[0][:1]
    (matches,) = gallery.search(
        query, top=8, rerank=True, filters=GalleryFilters(cameras=("hall", "new")), camera_means=means
    )
    moved = l2(features[chosen] - np.array([centres[name] for name in cameras[chosen]]))
    rows = np.concatenate([l2(query - means.of_all), moved]).astype(np.float32)
    order = np.argsort(k_reciprocal_distance(1 - rows @ rows.T)[0, 1:], kind="stable")
    assert ids(matches) == [str(chosen[at]) for at in order[:8]]


def test_every_crop_of_a_score_reaches_the_bound():
    generator = np.random.default_rng(0)
    features, _ = people(0)
    centre = features[:100].mean(axis=0)
    products = features[:100] @ centre
    lengths = np.linalg.norm(features[:100] - centre, axis=1)
    for _ in range(50):
        query = l2(generator.standard_normal(DIMENSION))
        scores = (features[:100] - centre) @ query / lengths
        for least in (*np.quantile(scores, [0.0, 0.3, 0.9, 1.0]), -np.inf):
            direction, bound = reach(query, centre, (products.min(), products.max()), least)
            assert (features[:100][scores >= least] @ direction >= bound - 1e-5).all()


def test_a_large_camera_is_judged_by_a_part_of_it_drawn_by_id(gallery, stored_row, monkeypatch):
    monkeypatch.setattr(camera_samples, "MOST_OWN_CROPS", 64)
    features = people(0)[0]
    names = [f"{k * 16**8 // NUM_CROPS:08x}" for k in range(NUM_CROPS)]
    gallery.write([stored_row(name, camera="big") for name in names], features)
    count, mean = gallery.own_mean("big")
    assert count == NUM_CROPS
    below = [k for k in range(NUM_CROPS) if names[k] < f"{64 * 16**8 // NUM_CROPS:08x}"]
    assert 60 <= len(below) <= 68
    np.testing.assert_allclose(mean, features[below].mean(axis=0), atol=1e-6)


def test_unseen_cameras_and_an_unknown_query_are_told_by_name(filled):
    gallery, features, cameras = filled
    means = known_means(features, cameras)
    assert centring_notes(gallery, means) == (
        "Training saw fewer than 25 crops of camera new: centred by the mean of the crops that are here.",
        "Training saw fewer than 25 crops of camera few (20 here), too few for a mean: centred by the mean of all "
        "training cameras.",
    )
    for camera, words in (
        (None, "The query's camera is not known"),
        ("porch", "Training saw fewer than 25 crops of camera porch (0 here), too few for a mean"),
    ):
        (note,) = query_notes(gallery, means, camera, is_centred=True)
        assert note.startswith(words)
    for camera in ("hall", "few"):
        assert query_notes(gallery, means, camera, is_centred=True) == ()
    (note,) = query_notes(gallery, means, "hall", is_centred=False)
    assert note == "The query's camera counts for nothing: features are not centred."


def test_a_gallery_keeps_how_it_is_searched_and_says_so_to_whoever_opens_it(filled, place):
    gallery, features, cameras = filled
    means = known_means(features, cameras)
    assert gallery_choice(gallery, means, None) == CentreChoice("off", False)
    decided = gallery_choice(gallery, means, "auto")
    assert decided.partners is not None
    assert decided.mixed_centred > decided.mixed
    assert decided.partners_centred > decided.partners
    assert decided.is_centred, "the pushes of the cameras are strong here"
    gallery.keep_centre_choice(decided)
    with place.open() as again:
        assert gallery_choice(again, means, None) == decided
        assert gallery_choice(again, means, "auto") == decided
        assert decided.notes == centring_notes(again, means)
        assert gallery_choice(again, means, "off") == CentreChoice("off", False)
        again.delete([str(k) for k in np.flatnonzero(cameras == "few")])
        assert gallery_choice(again, means, None) == replace(decided, notes=centring_notes(again, means))
        assert len(centring_notes(again, means)) == 1
