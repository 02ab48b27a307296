"""Crops into a gallery, in a folder and on a server: once, again, changed, broken."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from iics.crops import CropSet
from iics.errors import GalleryError
from iics.evaluation.ranked_features import rank_crops
from iics.gallery import indexing, stored_crops
from iics.gallery.filters import GalleryFilters
from iics.gallery.indexing import IndexResult, index_crops
from iics.readers.benchmarks import load_sample
from iics.readers.folders import load_folder


@pytest.fixture
def cameras(folder_people, tmp_path):
    """18 crops of three cameras, to be changed at will."""
    root = tmp_path / "cameras"
    for camera in folder_people.iterdir():
        for file in sorted(camera.iterdir())[:6]:
            (root / camera.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, root / camera.name)
    return root


@pytest.fixture
def embedded(model, monkeypatch):
    """Numbers of crops that the model was given."""
    counts = []
    embed = model.embed
    monkeypatch.setattr(model, "embed", lambda images, **how: counts.append(len(images)) or embed(images, **how))
    return counts


def test_known_crops_are_not_embedded_again_however_they_are_named(gallery, model, cameras, embedded, monkeypatch):
    assert index_crops(gallery, model, load_folder(cameras).train) == IndexResult(num_new=18)
    monkeypatch.chdir(cameras.parent)
    assert index_crops(gallery, model, load_folder("cameras").train) == IndexResult(num_known=18)
    assert index_crops(gallery, model, load_folder("cameras/../cameras").train) == IndexResult(num_known=18)
    assert embedded == [18]
    assert gallery.num_crops == 18


def test_a_picture_that_was_replaced_is_embedded_again(gallery, model, cameras, embedded):
    crops = load_folder(cameras).train
    index_crops(gallery, model, crops)
    shutil.copy(crops.paths[-1], crops.paths[0])
    assert index_crops(gallery, model, crops) == IndexResult(num_changed=1, num_known=17)
    assert embedded == [18, 1]
    (matches,) = gallery.search(model.embed(crops.subset([17])), top=2)
    assert {match.path for match in matches} == {crops.paths[0], crops.paths[-1]}
    assert matches[1].similarity == pytest.approx(1, abs=1e-6)


def test_what_is_known_of_a_crop_is_renewed_without_embedding_it(gallery, model, cameras, embedded):
    crops = load_folder(cameras).train
    index_crops(gallery, model, crops)
    times = np.where(np.arange(18) < 4, 1e9, np.nan)
    known = replace(crops, times=times, tracklet_ids=crops.camera_ids, identity_ids=np.arange(18))
    assert index_crops(gallery, model, known) == IndexResult(num_updated=18)
    assert embedded == [18]
    assert gallery.count(GalleryFilters(since=0)) == 4
    (matches,) = gallery.search(model.embed(crops.subset([2])), top=18)
    assert (matches[0].path, matches[0].identity_id, matches[0].time) == (crops.paths[2], 2, 1e9)
    assert matches[0].similarity == pytest.approx(1, abs=1e-6)
    assert len({match.tracklet_id for match in matches}) == 3


def test_what_is_known_of_a_crop_outlives_data_that_does_not_know_it(gallery, model, cameras):
    crops = load_folder(cameras).train
    known = replace(crops, times=np.full(18, 1e9), tracklet_ids=crops.camera_ids, identity_ids=np.arange(18))
    index_crops(gallery, model, known)
    before = gallery.crops(GalleryFilters())
    assert index_crops(gallery, model, crops) == IndexResult(num_known=18)
    later = replace(crops, times=np.full(18, 2e9))
    assert index_crops(gallery, model, later) == IndexResult(num_updated=18)
    after = gallery.crops(GalleryFilters())
    assert after == [replace(match, time=2e9) for match in before]
    assert all(match.tracklet_id is not None and match.identity_id is not None for match in after)


def test_crops_that_cannot_be_read_are_named_and_the_others_indexed(gallery, model, cameras, monkeypatch):
    crops = load_folder(cameras).train
    crops.paths[3].write_bytes(crops.paths[3].read_bytes()[:200])
    crops.paths[9].unlink()
    monkeypatch.setattr(indexing, "CROPS_PER_WRITE", 5)
    result = index_crops(gallery, model, crops)
    assert result.num_new == gallery.num_crops == 16
    assert sorted(result.failures) == sorted(
        [f"{crops.paths[3]} (truncated)", f"{crops.paths[9]} (cannot be read: {result_reason(crops.paths[9])})"]
    )


def result_reason(path):
    return f"[Errno 2] No such file or directory: '{path}'"


def test_names_that_no_filter_could_hold_are_refused_by_name(gallery, model, cameras):
    crops = load_folder(cameras).train
    named = replace(crops, camera_names=("door", "ha\nll", "x" * 1025))
    result = index_crops(gallery, model, named)
    assert result.num_new == 6
    assert sum("the camera 'ha\\nll' of" in failure for failure in result.failures) == 6
    assert sum("takes 1025 bytes, a gallery holds 1024" in failure for failure in result.failures) == 6


def test_boxes_of_one_file_are_crops_of_their_own(gallery, model, cameras):
    crops = load_folder(cameras).train
    boxes = np.array([[0, 0, 16, 32], [16, 32, 16, 32]])
    two = CropSet((crops.paths[0],) * 2, np.zeros(2), ("door",), boxes=boxes)
    assert index_crops(gallery, model, two) == IndexResult(num_new=2)
    (matches,) = gallery.search(model.embed(two)[1:], top=2)
    assert [match.box for match in matches] == [(16, 32, 16, 32), (0, 0, 16, 32)]
    assert index_crops(gallery, model, two) == IndexResult(num_known=2)


def test_features_of_another_model_are_refused(place, model, other_model, cameras):
    crops = load_folder(cameras).train
    with place.create(model) as gallery, pytest.raises(GalleryError) as refusal:
        index_crops(gallery, other_model, crops)
    assert gallery.model_fingerprint in str(refusal.value)
    with pytest.raises(GalleryError, match="cannot be compared with them"):
        place.create(other_model)
    with place.open() as gallery:
        assert gallery.num_crops == 0


def test_a_gallery_that_was_left_is_as_it_was(place, model, cameras):
    crops = load_folder(cameras).train
    with place.create(model) as gallery:
        index_crops(gallery, model, crops)
        before = gallery.search(model.embed(crops), top=3)
        assert gallery.camera_names() == ["door", "hall", "stairs"]
    with place.open() as gallery:
        assert gallery.search(model.embed(crops), top=3) == before
        assert index_crops(gallery, model, crops) == IndexResult(num_known=18)


def test_what_is_forgotten_is_found_no_more_and_leaves_the_files(place, model, cameras):
    crops = load_folder(cameras).train
    with place.create(model) as gallery:
        index_crops(gallery, model, crops)
        gone = gallery.crops(GalleryFilters(cameras=("hall",)))
        assert len(gone) == 6
        assert gallery.delete([match.crop_id for match in gone]) == place.erases_at_once
        assert gallery.num_crops == 12
        assert gallery.camera_names() == ["door", "stairs"]
        (matches,) = gallery.search(model.embed(crops.subset([8])), top=18)
        assert {match.camera for match in matches} == {"door", "stairs"}
        assert index_crops(gallery, model, crops) == IndexResult(num_new=6, num_known=12)


def test_every_query_finds_first_what_evaluation_finds_first(gallery, model):
    sample = load_sample()
    people = np.unique(sample.query.identity_ids)[:4]
    query = sample.query.subset(np.isin(sample.query.identity_ids, people))
    crops = sample.gallery.subset(np.isin(sample.gallery.identity_ids, people))
    index_crops(gallery, model, crops)
    features = model.embed(query)
    expected = rank_crops(features, model.embed(crops), query, crops)
    is_right = []
    for index, matches in enumerate(gallery.search(features, top=len(crops))):
        identity, camera = query.identity_ids[index], query.camera_names[query.camera_ids[index]]
        counted = (match for match in matches if match.identity_id != identity or match.camera != camera)
        is_right.append(next(counted).identity_id == identity)
    assert len(is_right) == expected.num_queries == expected.num_scored
    assert np.mean(is_right) == pytest.approx(expected.rank(1))
    assert 0.1 < np.mean(is_right) < 0.9


def test_rows_are_each_told_once_however_many_ranges_of_ids_they_are_read_in(gallery, angles, stored_row, monkeypatch):
    monkeypatch.setattr(stored_crops, "_ROWS_OF_A_RANGE", 2)
    names = ["", "0f", "7f", "8", "ff", "zz", "c1"]
    gallery.write([stored_row(f"/{name}", crop_id=name or "-") for name in names], angles([0.0] * len(names)))
    assert sorted(row["crop_id"] for row in gallery.rows(GalleryFilters())) == sorted(name or "-" for name in names)
    assert [row["crop_id"] for row in gallery.rows(GalleryFilters(path="/zz"))] == ["zz"]
