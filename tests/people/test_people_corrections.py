"""Corrections: their effect at once, what forbids them, what undoing takes back, and the file they stand in."""

import csv

import pytest

from iics.errors import PeopleError
from iics.people.book import present_numbers
from iics.people.correcting import apply_corrections, join, set_apart, split, undo
from iics.people.store import PeopleStore
from iics.people.update import update_people
from tests.people.conftest import PEOPLE, write


def test_joined_people_have_the_older_number_and_the_other_leads_to_it(store, numbers):
    correction = join(store, ["b2"], ["c1"], by="Ann")
    assert (correction.number, correction.kind, correction.by) == (1, "same", "Ann")
    assert numbers(store) == {1: ["t1", "t2"], 2: ["b2", "c1", "t3"]}
    assert present_numbers(store.read().changes)(3) == 2


def test_a_join_undone_leaves_the_two_people_there_were(store, gallery, model, numbers):
    join(store, ["b2"], ["c1"])
    write(gallery, [("b4", 1, "stairs", 300.0, None)])
    update_people(gallery, model)
    assert undo(store, 1).is_undone
    assert numbers(store) == {1: ["t1", "t2"], 2: ["b2", "b4", "t3"], 3: ["c1"]}
    update_people(gallery, model)
    assert numbers(store)[3] == ["c1"]


def test_a_join_undone_stays_where_another_correction_says_the_same(store, numbers):
    join(store, ["b2"], ["c1"])
    join(store, ["t3"], ["c1"])
    undo(store, 1)
    assert numbers(store) == {1: ["t1", "t2"], 2: ["b2", "c1", "t3"]}
    undo(store, 2)
    assert numbers(store) == PEOPLE


def test_what_is_split_off_gets_a_new_number(store, numbers):
    assert split(store, ["t2"]) == 4
    assert numbers(store) == {1: ["t1"], 2: ["b2", "t3"], 3: ["c1"], 4: ["t2"]}
    (change,) = store.read().changes
    assert (change.kind, change.person, change.into, change.correction) == ("split", 1, 4, 1)


def test_a_split_undone_merges_back_and_its_number_leads_on(store, numbers):
    split(store, ["t2"])
    undo(store, 1)
    assert numbers(store) == PEOPLE
    assert present_numbers(store.read().changes)(4) == 1


def test_numbers_are_never_given_twice(store, numbers):
    split(store, ["t2"])
    undo(store, 1)
    assert split(store, ["t2"]) == 5


def test_two_of_one_person_set_apart_take_what_is_nearer_with_them(store, numbers):
    join(store, ["t1"], ["t3"])
    undo(store, 1)
    join(store, ["t1"], ["b2"])  # persons 1 and 2
    undo(store, 2)
    join(store, ["t2"], ["b2"])
    set_apart_needs_undo = "contradicts correction 3: "
    with pytest.raises(PeopleError, match=set_apart_needs_undo):
        set_apart(store, ["t2"], ["b2"])
    set_apart(store, ["t1"], ["t3"])
    # t2 and b2 are tied, and a little nearer to one of the two sides.
    people = numbers(store)
    assert sorted(len(keys) for keys in people.values()) == [1, 1, 3]


def test_set_apart_people_stay_apart_though_they_look_alike(store, gallery, model, numbers):
    set_apart(store, ["t1"], ["t2"])
    assert update_people(gallery, model).num_merged == 0
    undo(store, 1)
    assert numbers(store) == PEOPLE


def test_what_was_undone_is_linked_again(store, gallery, model, numbers):
    join(store, ["c1"], ["t2"])
    split(store, ["t1"])
    assert numbers(store) == {1: ["c1", "t2"], 2: ["b2", "t3"], 4: ["t1"]}
    undo(store, 1)
    assert numbers(store) == {1: ["t2"], 2: ["b2", "t3"], 3: ["c1"], 4: ["t1"]}
    undo(store, 2)
    assert update_people(gallery, model).num_linked > 0
    assert numbers(store) == PEOPLE


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda store: join(store, ["t9"], ["t1"]), "have no sighting t9: it was never there, or its crops were del"),
        (lambda store: join(store, ["t1"], []), "needs at least one sighting on each side"),
        (lambda store: join(store, ["t1", "t2"], ["t2"]), "The sighting t2 is on both sides"),
        (lambda store: split(store, ["t1", "c1"]), "needs sightings of one person, and these are of 1, 3"),
        (lambda store: split(store, ["t1", "t2"]), "These are all sightings of person 1"),
        (lambda store: undo(store, 1), "There is no correction 1; nothing was corrected yet"),
    ],
)
def test_what_cannot_be_meant_is_told(store, numbers, ask, sentence):
    with pytest.raises(PeopleError, match=sentence):
        ask(store)
    assert numbers(store) == PEOPLE
    assert store.read().corrections == ()


def test_the_same_after_different_is_refused(store, numbers):
    set_apart(store, ["t1"], ["c1"])
    with pytest.raises(PeopleError, match="That t2 and c1 are one person contradicts correction 1, which says that"):
        join(store, ["t2"], ["c1"])
    assert numbers(store) == PEOPLE


def test_different_after_the_same_is_refused_through_others_too(store):
    join(store, ["t1"], ["c1"])
    join(store, ["c1"], ["b2"])
    with pytest.raises(PeopleError, match="are different people contradicts corrections 1, 2: t1 and b2 are the same"):
        set_apart(store, ["t1"], ["b2"])


def test_a_correction_is_undone_once(store):
    join(store, ["t1"], ["c1"])
    undo(store, 1)
    with pytest.raises(PeopleError, match="Correction 1 is undone already"):
        undo(store, 1)
    with pytest.raises(PeopleError, match="There is no correction 2; numbers go from 1 to 1"):
        undo(store, 2)


def test_a_correction_of_a_deleted_crop_is_told_and_counts_for_the_others(store, gallery, model):
    set_apart(store, ["t1"], ["c1"])
    join(store, ["t1", "b2"], ["t2"])
    gallery.delete(["c1", "b2"])
    update_people(gallery, model)
    assert store.read().dropped == (
        "Correction 1 (different) names the sighting c1, whose crops are no longer in the gallery: it cannot count.",
        "Correction 2 (same) names the sighting b2, whose crops are no longer in the gallery: it counts for the "
        "others.",
    )


def test_a_correction_follows_its_crops_into_another_tracklet(store, gallery, model, numbers):
    split(store, ["t2"])
    write(gallery, [("a3", 0, "hall", 200.0, 72)])
    update_people(gallery, model)
    assert numbers(store)[4] == ["t72"]
    assert [each.first for each in store.read().corrections] == [("t72",)]
    with pytest.raises(PeopleError, match="contradicts correction 1"):
        join(store, ["t1"], ["t72"])
    assert store.read().dropped == ()


def lines_of(folder):
    with folder.with_name("people.corrections.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_corrections_stand_in_a_file_beside_the_folder(store, folder):
    join(store, ["b2"], ["c1"], by="Ann")
    (line,) = lines_of(folder)
    assert (line["number"], line["kind"], line["first"], line["second"]) == ("1", "same", "b2", "c1")
    assert (line["first_picture"], line["by"], line["undone"]) == ("/crops/b2", "Ann", "")
    undo(store, 1)
    assert lines_of(folder)[0]["undone"] == "yes"


def test_a_file_is_applied_once_however_often_it_is_given(store, numbers, tmp_path):
    path = tmp_path / "given.csv"
    path.write_text("kind,first,second\nsame,b2,c1\ndifferent,t1,t2\n")
    applied = apply_corrections(store, path)
    assert (applied.num_new, applied.num_undone, applied.num_known) == (2, 0, 0)
    assert numbers(store) == {1: ["t2"], 2: ["b2", "c1", "t3"], 4: ["t1"]}
    assert apply_corrections(store, path).num_known == 2


def test_a_line_marked_undone_is_undone(store, numbers, folder, tmp_path):
    join(store, ["b2"], ["c1"])
    path = tmp_path / "given.csv"
    path.write_text(folder.with_name("people.corrections.csv").read_text().replace(",\n", ",yes\n"))
    assert apply_corrections(store, path).num_undone == 1
    assert numbers(store) == PEOPLE
    assert apply_corrections(store, path).num_known == 1


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_file_may_have_the_separators_of_other_tables(store, numbers, tmp_path, separator):
    path = tmp_path / "given.csv"
    path.write_text("kind,first,second\nsame,b2,c1\n".replace(",", separator))
    assert apply_corrections(store, path).num_new == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kind,first\nsame,b2\n", "need the columns kind, first and second, and second is missing"),
        ("kind,first,second\nequal,b2,c1\n", "line 2: this line has the kind 'equal'; it must be same or different"),
        ("kind,first,second\nsame,b2,\n", "line 2: this line needs sightings in first and second"),
        ("number,kind,first,second\nx,same,b2,c1\n", "has the number 'x'; leave it empty"),
        ("kind,first,second\nsame,b2,c1\nsame,t9,c1\n", "line 3: .* no sighting t9.* Nothing was applied"),
        (
            "kind,first,second\nsame,b2,c1\ndifferent,c1,b2\n",
            "line 3: .*contradicts correction 1.* Nothing",
        ),
        ("kind,first,second,undone\nsame,b2,c1,perhaps\n", "has 'perhaps' in undone"),
    ],
)
def test_a_file_with_a_wrong_line_changes_nothing(store, numbers, tmp_path, text, sentence):
    path = tmp_path / "given.csv"
    path.write_text(text)
    with pytest.raises(PeopleError, match=sentence):
        apply_corrections(store, path)
    assert numbers(store) == PEOPLE
    assert PeopleStore.open(store.gallery).read().corrections == ()


def test_a_number_that_means_another_correction_is_refused(store, tmp_path):
    join(store, ["b2"], ["c1"])
    path = tmp_path / "given.csv"
    path.write_text("number,kind,first,second\n1,different,b2,t1\n")
    with pytest.raises(PeopleError, match="Correction 1 is another one: it says that b2 and c1 are same"):
        apply_corrections(store, path)
