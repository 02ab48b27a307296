"""People that are brought up to date: what is new joins or founds, what is known keeps its number."""

import shutil

import numpy as np
import pytest

from iics.errors import GalleryError, PeopleError
from iics.gallery import connection
from iics.gallery.gallery import Gallery
from iics.models.camera_means import CameraMeans
from iics.people import neighbours, travel_times, update
from iics.people.book import present_numbers
from iics.people.correcting import split
from iics.people.store import PeopleStore
from iics.people.update import update_people
from tests.gallery.conftest import DIMENSION, model_of, row
from tests.people.conftest import CROPS, PEOPLE, feature_of, plain_link, write


def test_sightings_of_a_person_get_one_number_in_order_of_time(store, numbers):
    assert numbers(store) == PEOPLE


def test_a_sighting_tells_its_camera_times_and_crops(store):
    seen = store.read().seen[0]
    assert (seen.key, seen.person, seen.camera) == ("t1", 1, "door")
    assert (seen.first, seen.last, seen.crop_ids, seen.certainty) == (100.0, 101.0, ("a1", "a2"), 0.9)


def test_the_feature_of_a_tracklet_is_the_normalised_mean_of_its_crops(store):
    mean = feature_of("a1", 0) + feature_of("a2", 0)
    np.testing.assert_allclose(store.sighting_features(["t1"])[0], mean / np.linalg.norm(mean), atol=1e-6)


def test_a_rerun_without_anything_new_writes_nothing(store, gallery, model, monkeypatch):
    before = store.kept()
    written = []
    monkeypatch.setattr(type(store), "write_vectors", lambda *_: written.append("vectors"))
    monkeypatch.setattr(store._texts.__class__, "write_texts", _without_lock(store, written))
    result = update_people(gallery, model)
    assert (result.num_new, result.num_linked, written) == (0, 0, [])
    assert PeopleStore.open(gallery).kept().sightings == before.sightings


def test_a_rerun_without_anything_new_gives_the_database_nothing_to_do(store, gallery, model, monkeypatch):
    asked = []
    for name in ("upsert", "delete", "flush"):
        monkeypatch.setattr(gallery.opened.client, name, lambda *_, **__: asked.append(1))
    assert update_people(gallery, model).num_linked == 0
    assert asked == []


def test_crops_deleted_or_changed_beside_iics_are_found(store, gallery, model, numbers):
    client, name = gallery.opened.client, gallery.collection
    client.delete(name, ids=["c1"])
    changed = client.get(name, ["b2"], output_fields=["*"])[0] | {"digest": "another", "feature": feature_of("b2", 0)}
    client.upsert(name, [changed])
    result = update_people(gallery, model)
    assert (result.num_new, result.num_changed, result.num_gone) == (0, 1, 1)
    assert "b2" in numbers(store)[1]
    assert "c1" not in PeopleStore.open(gallery).kept().sightings


def test_a_folder_and_a_database_that_is_asked_give_the_same_people(folder, gallery, model, linked_plainly, tmp_path):
    found = []
    shutil.copytree(folder, tmp_path / "asked.db")
    for uri, rows in ((gallery.uri, connection.rows_in_memory), (str(tmp_path / "asked.db"), lambda *_: None)):
        with Gallery.open(uri) as each, pytest.MonkeyPatch.context() as patch:
            patch.setattr(connection, "rows_in_memory", rows)
            write(each, [("a4", 0, "stairs", 300.0, 4), ("d1", 3, "stairs", 310.0, None), ("b9", 1, "door", 111.0, 3)])
            update_people(each, model)
            store = PeopleStore.open(each)
            kept = store.kept()
            vectors = store.sighting_features(sorted(kept.sightings))
            found.append((kept.sightings, kept.doubts, kept.settings, vectors.tolist()))
    assert found[0] == found[1]


def _without_lock(store, written):
    write_texts = store._texts.__class__.write_texts

    def write(table, texts):
        written.extend(key for key in texts if not key.startswith("lock/"))
        write_texts(table, texts)

    return write


def test_new_crops_join_an_identity_or_found_one_and_no_number_changes(store, gallery, model, numbers):
    write(gallery, [("a4", 0, "stairs", 300.0, 4), ("d1", 3, "stairs", 310.0, None)])
    result = update_people(gallery, model)
    assert numbers(store) == {1: ["t1", "t2", "t4"], 2: ["b2", "t3"], 3: ["c1"], 4: ["d1"]}
    assert (result.num_new, result.num_new_people, result.num_merged) == (2, 1, 0)


def test_a_tracklet_that_goes_on_keeps_its_number(store, gallery, model, numbers):
    write(gallery, [("a9", 0, "door", 102.0, 1)])
    result = update_people(gallery, model)
    assert (result.num_new, result.num_changed) == (0, 1)
    assert numbers(store) == PEOPLE
    assert store.read().seen[0].crop_ids == ("a1", "a2", "a9")


def test_two_identities_that_turn_out_to_be_one_are_merged_into_the_older(store, gallery, model, numbers):
    between = feature_of("a1", 0) + feature_of("c1", 2)
    rows = [{**gallery.rows_by_id(["c1"])["c1"], "crop_id": "x1", "path": "/crops/x1"}]
    gallery.write(rows, (between / np.linalg.norm(between))[None])
    update_people(gallery, model)
    assert numbers(store) == {1: ["c1", "t1", "t2", "x1"], 2: ["b2", "t3"]}
    people = store.read()
    assert present_numbers(people.changes)(3) == 1
    assert [(change.kind, change.person, change.into) for change in people.changes[-1:]] == [("merged", 3, 1)]


def test_a_split_survives_ten_reruns_with_more_of_the_same_person(store, gallery, model, numbers):
    new = split(store, ["t2"])
    for number in range(10):
        write(gallery, [(f"more{number}", 0, "stairs", 400.0 + number, None)])  # nearest to both
        update_people(gallery, model)
        people = numbers(store)
        assert "t2" in people[new]
        assert "t1" in people[1]


def test_a_gallery_of_another_model_is_refused(store, gallery):
    with pytest.raises(GalleryError, match="holds features of model"):
        update_people(gallery, model_of(1))


def test_a_tracklet_of_two_cameras_is_refused_and_nothing_is_lost(store, gallery, model, numbers):
    write(gallery, [("a8", 0, "gate", 103.0, 1)])
    with pytest.raises(PeopleError, match=r"Tracklet 1 of .* has crops of the cameras door and gate"):
        update_people(gallery, model)
    assert numbers(store) == PEOPLE


def test_a_renamed_camera_is_told_and_its_people_stay(store, gallery, model, numbers):
    write(gallery, [(name, person, camera.replace("door", "gate"), *rest) for name, person, camera, *rest in CROPS])
    result = update_people(gallery, model)
    assert result.notes == ("Camera door is called gate now: its sightings stay whose they are.",)
    assert numbers(store) == PEOPLE
    assert {seen.camera for seen in store.read().seen} == {"gate", "hall"}


def test_a_new_tracker_numbers_anew_and_people_stay(store, gallery, model, numbers):
    write(gallery, [(*crop[:4], None if crop[4] is None else crop[4] + 70) for crop in CROPS])
    result = update_people(gallery, model)
    assert (result.num_new, result.num_gone, result.num_new_people) == (3, 3, 0)
    assert numbers(store) == {1: ["t71", "t72"], 2: ["b2", "t73"], 3: ["c1"]}


def test_times_of_two_kinds_are_told(store, gallery, model):
    write(gallery, [("e1", 5, "door", 1.7e9, None)])
    (note,) = update_people(gallery, model).notes
    assert note.startswith("The times of 6 crops count from the start of a recording, of 1 crop they are dates")


def test_a_tracklet_that_lasts_for_days_is_told(store, gallery, model):
    write(gallery, [("a5", 0, "door", 100.0 + 3 * 86400, 1)])
    (note,) = update_people(gallery, model).notes
    assert note.startswith("Tracklet 1 of camera door lasts 72 hours: its times are out of order")


def test_portions_give_the_numbers_of_all_at_once(made, model, tmp_path, linked_plainly, numbers):
    crops = [(f"p{k}", k % 4, ("door", "hall")[k % 2], 1000.0 + k, None) for k in range(16)]
    found = []
    for name, portions in (("once", 1), ("portions", 4)):
        with Gallery.open(shutil.copytree(made, tmp_path / f"{name}.db").as_posix()) as gallery:
            for portion in range(portions):
                write(gallery, crops[portion * 16 // portions : (portion + 1) * 16 // portions])
                update_people(gallery, model)
            found.append(numbers(PeopleStore.open(gallery)))
    assert found[0] == found[1]
    assert len(found[0]) == 4
    assert len(found[0][4]) == 4


def test_a_broken_tracklet_counts_as_crops_by_themselves_and_stays_so(store, gallery, model, numbers):
    whole = [(f"w{k}", k // 4 % 5, "door", float(k), 10 + k // 4) for k in range(120)]
    broken = [(f"x{k}", 6 if k < 2 else 7, "hall", 500.0 + k, 999) for k in range(4)]
    write(gallery, [*whole, *broken])
    assert update_people(gallery, model).notes == (
        "1 tracklet jumps from one person to another, e.g. 999: each of its crops counts by itself.",
    )
    people = numbers(store).values()
    assert ["x0", "x1"] in people
    assert ["x2", "x3"] in people
    assert update_people(gallery, model).num_new == 0


def test_the_database_and_blocks_find_the_same_nearest(store, monkeypatch):
    kept = store.kept()
    keys = sorted(kept.sightings)
    queries = np.stack([feature_of("q1", 0), feature_of("q2", 1)])
    monkeypatch.setattr(neighbours, "NEAREST", 2)
    by_database = neighbours.nearest_sightings(store, kept, keys, queries)
    monkeypatch.setattr(neighbours, "_FEW", 0)
    monkeypatch.setattr(neighbours, "_KEPT_AT_ONCE", 2)
    assert neighbours.nearest_sightings(store, kept, keys, queries) == by_database == {"t1", "t2", "b2", "t3"}


def test_travel_times_are_learned_from_the_people_that_there_are_and_kept(store, gallery, model, monkeypatch):
    asked = []

    def link(sightings, *, travel, **others):
        asked.append(travel)
        return plain_link(sightings, travel=travel, **others)

    monkeypatch.setattr(update, "link", link)
    monkeypatch.setattr(travel_times, "CONFIDENT", 0.5)
    write(gallery, [("a4", 0, "stairs", 300.0, 4)])
    update_people(gallery, model, travel="learned")
    (times,) = asked
    assert times.by_cameras() == {("door", "hall"): (99.5, 2)}
    assert store.read().travel_times == {("door", "hall"): (99.5, 2), ("hall", "stairs"): (100.0, 1)}
    write(gallery, [("a6", 0, "stairs", 500.0, 6)])
    update_people(gallery, model)
    assert asked[1] is None


def test_a_camera_whose_files_moved_is_told_and_nobody_is_lost(store, gallery, model, numbers):
    write(gallery, [(f"moved-{name}", person, "gate", time, None) for name, person, _, time, _ in CROPS[:2]])
    for prefix in ("", "moved-"):
        rows = gallery.rows_by_id([f"{prefix}a1", f"{prefix}a2"], with_features=True)
        changed = [{**row, "digest": crop[-2:]} for crop, row in rows.items()]
        gallery.write([{k: v for k, v in row.items() if k != "feature"} for row in changed], _features(changed))
    (note,) = update_people(gallery, model).notes
    assert note.startswith(
        "2 crops of the new camera gate are the same pictures as crops of camera door, and count twice"
    )
    assert {"t1", "moved-a1", "moved-a2"} <= set(numbers(store)[1])


def _features(rows):
    return np.array([row["feature"] for row in rows], dtype=np.float32)


@pytest.mark.parametrize("has_means", [False, True])
def test_features_are_centred_where_nobody_said_and_cameras_then_mix(tmp_path, linked_plainly, numbers, has_means):
    model, cameras, people = model_of(0), ("door", "hall"), range(8)
    offsets = np.zeros((2, DIMENSION), np.float32)
    offsets[[0, 1], [-1, 0]] = 0.9  # of the hall all look like person 0
    if has_means:
        model.camera_means = CameraMeans(cameras, (99, 99), offsets, offsets.mean(axis=0))
    names = [f"{camera}{person}" for camera in cameras for person in people]
    features = np.stack([feature_of(name, int(name[-1])) * np.float32(0.4) for name in names])
    features += np.repeat(offsets, len(people), axis=0)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    with Gallery.open_or_create(str(tmp_path / "people.db"), model=model) as gallery:
        gallery.write([row(name, camera=name[:4], tracklet=None) for name in names], features)
        update_people(gallery, model)
        found = numbers(PeopleStore.open(gallery)).values()
    pairs = [[f"door{person}", f"hall{person}"] for person in people]
    cameras_alone = [[f"{camera}{person}" for person in people] for camera in cameras]
    assert sorted(found) == (pairs if has_means else cameras_alone)
