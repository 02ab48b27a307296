"""How people are kept: what is written together is seen together, after a kill too; one at a time changes them."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from iics.errors import GalleryError, PeopleError
from iics.gallery.gallery import Gallery
from iics.people import lock, tables
from iics.people.correcting import join, split
from iics.people.kept import KeptSighting
from iics.people.store import PeopleStore
from iics.people.update import update_people
from tests.gallery.conftest import model_of
from tests.people.conftest import PEOPLE, feature_of, write


def test_a_gallery_without_people_says_how_to_find_them(gallery):
    with Gallery.open_or_create(gallery.uri, model=model_of(0), collection="other") as other:
        assert not PeopleStore.exists(other)
        with pytest.raises(PeopleError, match=r"has no people yet; `iics people .*` finds them"):
            PeopleStore.open(other)


def test_people_of_another_model_are_refused(store, gallery):
    gallery.opened.client.drop_collection(gallery.collection)
    with (
        Gallery.open_or_create(gallery.uri, model=model_of(1)) as other,
        pytest.raises(
            PeopleError, match=r"were found by features of model .*, and the gallery now holds those of model"
        ),
    ):
        PeopleStore.open(other)


def test_the_collections_of_people_are_no_galleries(store, gallery):
    with pytest.raises(GalleryError, match="belongs to a gallery and is none itself"):
        Gallery.open(gallery.uri, collection="iics_people")


def test_long_texts_are_kept_whole_and_leave_nothing_when_replaced(store):
    long = KeptSighting("t1", 1, 0.9, "door", 100.0, 101.0, tuple(f"{k:064x}" for k in range(3000)), "m")
    with store.changing("corrected") as changing:
        old = changing.kept.sightings["t1"]
        changing.commit(replace(changing.kept, sightings={**changing.kept.sightings, "t1": long}))
        assert PeopleStore.open(store.gallery).kept().sightings["t1"] == long
        assert len(store._texts.ids_of_kind("piece")) > 2
        changing.commit(replace(changing.kept, sightings={**changing.kept.sightings, "t1": old}))
    assert store._texts.ids_of_kind("piece") == []
    assert PeopleStore.open(store.gallery).kept().sightings["t1"] == old


def test_an_unknown_sighting_has_no_feature(store):
    with pytest.raises(PeopleError, match="have no sighting t9"):
        store.sighting_features(["t9"])
    assert store.sighting_features([]).shape == (0, 256)


class Killed(BaseException):
    """The process is gone."""


def killed_at(number, client, patch):
    """Let a client die at its n-th write, before it, and stay dead; return how many writes there were."""
    seen = [0]

    def dying(ask):
        def call(*arguments, **options):
            seen[0] += 1
            if seen[0] >= number:
                raise Killed
            return ask(*arguments, **options)

        return call

    for name in ("upsert", "delete"):
        patch.setattr(client, name, dying(getattr(client, name)))
    return seen


def _killed(gallery, number, action):
    """Do something to people until the n-th write; return whether it was killed."""
    with pytest.MonkeyPatch.context() as patch:
        killed_at(number, gallery.opened.client, patch)
        try:
            action(gallery)
        except Killed:
            return True
    return False


def test_a_split_killed_at_any_write_is_whole_or_not_there(gallery, linked_plainly, numbers):
    found = []
    for number in range(1, 100):
        assert _killed(gallery, number, lambda gallery: split(PeopleStore.open(gallery), ["t2"]))
        store = PeopleStore.open(gallery)
        found.append(numbers(store))
        if store.read().corrections:
            break
        assert found[-1] == PEOPLE
    assert len(found) >= 2
    assert found[-1] == {1: ["t1"], 2: ["b2", "t3"], 3: ["c1"], 4: ["t2"]}
    assert "plan" in store._texts.texts_of(["plan"])
    join(store, ["c1"], ["b2"])  # whoever comes next carries it out
    assert numbers(store) == {1: ["t1"], 2: ["b2", "c1", "t3"], 4: ["t2"]}
    assert store._texts.texts_of(["plan"]) == {}


def test_an_update_killed_at_any_write_ends_as_one_that_was_not(gallery, model, linked_plainly, numbers):
    write(gallery, [("a4", 0, "stairs", 300.0, 4), ("d1", 3, "stairs", 310.0, None), ("b9", 1, "door", 111.0, 3)])
    after = {1: ["t1", "t2", "t4"], 2: ["b2", "t3"], 3: ["c1"], 4: ["d1"]}
    for number in range(1, 100):
        was_killed = _killed(gallery, number, lambda gallery: update_people(gallery, model))
        assert numbers(PeopleStore.open(gallery)) in (PEOPLE, after)
        if not was_killed:
            break
    assert number > 4
    store = PeopleStore.open(gallery)
    assert numbers(store) == after
    assert update_people(gallery, model).num_new == 0
    assert sorted(store._features.ids()) == sorted(each.feature_id for each in store.kept().sightings.values())


@pytest.mark.parametrize("is_a_setting", [False, True], ids=["a row", "a setting, as once"])
def test_features_that_a_kill_left_are_deleted_by_whoever_comes_next(store, is_a_setting):
    used = sorted(store._features.ids())
    with store.changing("linked") as changing:
        if is_a_setting:
            changing.commit(changing.kept.with_setting("unswept", "delete"))
        else:
            store._texts.write_texts({"unswept": ("unswept", "delete")})
        store.write_vectors(["left"], feature_of("left", 0)[None])
    with store.changing("linked") as changing:
        assert sorted(store._features.ids()) == used
        assert "unswept" not in changing.kept.settings
        assert store._texts.texts_of(["unswept"]) == {}


def test_pymilvus_takes_a_text_for_one_element(store):
    text = "é" * 20_000
    assert list(tables._Text(text)) == [text]
    store._texts.write_texts({"x": ("piece", text)})
    assert store._texts.texts_of(["x"]) == {"x": text}


def test_only_one_at_a_time_changes_people(store):
    with store.changing("linked"), pytest.raises(PeopleError, match="are being changed by another part of this"):
        store.changing("corrected", patience=0.1).__enter__()
    join(store, ["b2"], ["c1"])


def test_threads_take_turns(store, numbers):
    errors = []

    def correct(keys):
        try:
            join(store, *keys)
        except PeopleError as error:
            errors.append(error)

    threads = [threading.Thread(target=correct, args=(keys,)) for keys in ((["b2"], ["c1"]), (["t1"], ["t3"]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert numbers(store) == {1: ["b2", "c1", "t1", "t2", "t3"]}
    assert [each.number for each in store.read().corrections] == [1, 2]


def test_a_reader_sees_a_plan_that_holds_and_is_not_carried_out(folder, linked_plainly, numbers):
    with Gallery.open(str(folder)) as gallery, pytest.MonkeyPatch.context() as patch:
        store = PeopleStore.open(gallery)
        patch.setattr(PeopleStore, "_carry_out", lambda *_: None)
        split(store, ["t2"])
        assert "plan" in store._texts.texts_of(["plan"])
        assert numbers(PeopleStore.open(gallery)) == {1: ["t1"], 2: ["b2", "t3"], 3: ["c1"], 4: ["t2"]}


@pytest.fixture
def shared(store):
    """The table of the store's texts, as if it were a server's."""
    return store._texts


def _row_of(token, **values):
    own = {"state": "held", "what": "linked", "host": socket.gethostname(), "process": os.getpid()}
    return {token: ("lock", json.dumps({**own, "renewed": time.time(), **values}))}


def test_whoever_lost_the_lock_is_told_before_it_writes(shared):
    with _locked(shared) as check:
        check()
        shared.delete(list(shared.texts_of_kind("lock")))
        with pytest.raises(PeopleError, match="Another process took over while people were being corrected here"):
            check()


def test_a_lock_of_another_machine_is_respected_until_it_expires(shared, caplog):
    shared.write_texts(_row_of("lock/x", host="elsewhere"))
    with pytest.raises(PeopleError, match=r"by process .* of elsewhere"), _locked(shared, patience=0):
        pass
    shared.write_texts(_row_of("lock/x", host="elsewhere", renewed=0))
    with _locked(shared):
        assert set(shared.texts_of_kind("lock")) - {"lock/x"}
        assert "of elsewhere was killed, or came to a stop, while these people were being linked" in caplog.text


def test_a_lock_of_a_process_that_is_gone_is_taken_over_at_once(shared):
    shared.write_texts(_row_of("lock/x", process=2**22 + 1))
    with _locked(shared):
        assert len(shared.texts_of_kind("lock")) == 1


def test_of_two_that_want_the_lock_the_smaller_token_goes_on(shared):
    shared.write_texts(_row_of("lock/zz", host="elsewhere", state="wanted"))
    with _locked(shared, patience=0):
        pass
    shared.write_texts(_row_of("lock/0", host="elsewhere", state="wanted"))
    with pytest.raises(PeopleError, match="one at a time"), _locked(shared, patience=0):
        pass


def test_a_lock_that_is_renewed_while_it_is_given_back_is_gone(shared, monkeypatch):
    is_renewing, is_deleted = threading.Event(), threading.Event()

    def texts_of(ids):
        found = type(shared).texts_of(shared, ids)
        is_renewing.set()
        is_deleted.wait(0.5)
        return found

    def delete(ids):
        type(shared).delete(shared, ids)
        is_deleted.set()

    monkeypatch.setattr(lock, "SECONDS_TO_RENEW", 0.01)
    monkeypatch.setattr(shared, "texts_of", texts_of)
    with _locked(shared):
        assert is_renewing.wait(10)
        monkeypatch.setattr(shared, "delete", delete)
    assert shared.texts_of_kind("lock") == {}


def _locked(table, patience=5.0):
    return lock.locked(table, "the gallery", "corrected", is_shared=True, patience=patience)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("action", "people"),
    [
        ("update", [{"1": ["t1", "t2", "t4"], "2": ["t3", "b2"], "3": ["c1"], "4": ["d1"]}]),
        (
            "split",
            [
                {"1": ["t1", "t2", "t4"], "2": ["t3", "b2"], "3": ["c1"], "4": ["d1"]},
                {"1": ["t1", "t4"], "2": ["t3", "b2"], "3": ["c1"], "4": ["t2"], "5": ["d1"]},
            ],
        ),
        ("forget", [{"2": ["t3", "b2"], "3": ["c1"], "4": ["t4"], "5": ["d1"]}]),
    ],
)
def test_a_process_killed_at_any_change_of_a_file_loses_nothing(folder, action, people):
    with Gallery.open(str(folder)) as gallery:
        write(gallery, [("a4", 0, "stairs", 300.0, 4), ("d1", 3, "stairs", 310.0, None)])
    harness = Path(__file__).with_name("killed_people.py")
    step = "25" if action == "forget" else "5"  # it writes three collections anew
    command = [sys.executable, str(harness), str(folder), step, action]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=1500)
    steps = [json.loads(line) for line in answer.stdout.splitlines()]
    assert steps[-1]["killed"] == 0, answer.stderr
    assert len(steps) > 5
    for step in steps:
        assert step["next"] == 0, step
        assert step["people"] in people, step
        assert step["unused"] == [], step
