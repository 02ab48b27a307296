"""Forgetting: a person, old crops; no feature of them is left in any file, and their number is not given again."""

import numpy as np
import pytest

from iics.errors import PeopleError
from iics.gallery.gallery import Gallery
from iics.people.book import present_numbers
from iics.people.correcting import join
from iics.people.forgetting import crops_of_person, forget_crops, forget_older_than, forget_person
from iics.people.store import PeopleStore
from iics.people.tables import Table
from iics.people.update import update_people
from tests.gallery.conftest import model_of
from tests.people.conftest import PEOPLE, feature_of, write


def in_files(folder, vector):
    """Return whether any file of a folder holds the beginning of a feature."""
    beginning = np.asarray(vector, dtype=np.float32)[:8].tobytes()
    return any(beginning in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_a_person_is_forgotten_with_all_crops_and_features(store, gallery, folder, numbers):
    gallery.flush()
    store._features.flush()
    (mean,) = store.sighting_features(["t1"])
    assert in_files(folder, mean)
    forgotten = forget_person(gallery, 1)
    assert (forgotten.num_crops, forgotten.persons, forgotten.is_gone) == (3, (1,), True)
    assert numbers(store) == {number: keys for number, keys in PEOPLE.items() if number != 1}
    assert gallery.num_crops == 3
    assert not in_files(folder, mean)
    assert not in_files(folder, feature_of("a1", 0))


def test_a_forgotten_number_is_never_given_again_and_leads_nowhere(store, gallery, model, numbers):
    forget_person(gallery, 3)
    write(gallery, [("c1", 2, "hall", 220.0, None)])  # indexed again from the file that was left
    update_people(gallery, model)
    assert numbers(store) == {1: ["t1", "t2"], 2: ["b2", "t3"], 4: ["c1"]}
    assert present_numbers(store.read().changes)(3) == 0
    assert [(change.kind, change.person, change.into) for change in store.read().changes] == [("forgotten", 3, 0)]


def test_a_merged_number_forgets_the_one_it_leads_to(store, gallery):
    join(store, ["b2"], ["c1"])
    assert sorted(crops_of_person(store, 3)) == ["b1", "b2", "c1"]
    assert forget_person(gallery, 3).persons == (2,)


@pytest.mark.parametrize("number", [0, -1, 4])
def test_a_number_that_was_never_given_is_told(store, gallery, number):
    with pytest.raises(PeopleError, match=f"have no person {number}: numbers go from 1 to 3"):
        forget_person(gallery, number)


def test_a_person_is_forgotten_once(store, gallery):
    forget_person(gallery, 3)
    with pytest.raises(PeopleError, match=r"Person 3 of .* is forgotten; the number is not given again"):
        forget_person(gallery, 3)


def test_a_sighting_that_lost_a_crop_has_the_feature_of_the_others(store, gallery, numbers):
    forget_crops(gallery, ["a2"])
    assert numbers(store) == PEOPLE
    np.testing.assert_allclose(store.sighting_features(["t1"])[0], feature_of("a1", 0), atol=1e-6)


def test_crops_that_are_old_are_forgotten_and_those_without_a_date_told(store, gallery, model):
    now = 1_760_000_000.0
    days = 86400.0
    write(gallery, [("old", 8, "door", now - 31 * days, None), ("new", 9, "door", now - 29 * days, None)])
    update_people(gallery, model)
    forgotten = forget_older_than(gallery, 30, now=now)
    assert (forgotten.num_crops, forgotten.num_undated) == (1, 6)
    keys = {seen.key for seen in store.read().seen}
    assert "old" not in keys
    assert "new" in keys
    assert forget_older_than(gallery, 30, now=now).num_crops == 0


def test_days_must_be_some(gallery):
    with pytest.raises(PeopleError, match="a number of days above 0, got 0"):
        forget_older_than(gallery, 0)


def test_forgetting_that_was_interrupted_after_the_crops_is_finished_by_the_next(store, gallery, folder, numbers):
    (mean,) = store.sighting_features(["c1"])
    gallery.delete(["c1"])
    assert numbers(store) == PEOPLE
    assert forget_person(gallery, 3).persons == (3,)
    assert not in_files(folder, mean)


def test_people_of_crops_that_are_deleted_elsewhere_go_with_the_next_update(store, gallery, folder, model, numbers):
    (mean,) = store.sighting_features(["c1"])
    gallery.delete(["c1"])
    assert update_people(gallery, model).num_gone == 1
    assert 3 not in numbers(store)
    assert not in_files(folder, mean)


def test_a_server_with_a_schedule_of_its_own_is_asked_to_remove_features_and_texts(store, gallery, monkeypatch):
    asked = []

    def erase(table, _):
        asked.append(table.name)
        return False

    monkeypatch.setattr(Table, "erase", erase)
    assert not forget_crops(gallery, ["c1"]).is_gone
    assert asked == ["iics_people_features", "iics_people"]


def test_a_gallery_without_people_forgets_crops_alone(store, gallery):
    with Gallery.open_or_create(gallery.uri, model=model_of(0), collection="other") as other:
        write(other, [("x", 0, "door", 1.0, None)])
        assert forget_crops(other, ["x"]).persons == ()
        assert not PeopleStore.exists(other)
