"""People on a server, milvus-lite's and Milvus's: their life; of what several processes do at once, nothing is lost."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from iics.people.correcting import join, split, undo
from iics.people.forgetting import forget_older_than, forget_person
from iics.people.store import PeopleStore
from iics.people.update import update_people
from tests.gallery.conftest import Place, milvus, server
from tests.people.conftest import CROPS, PEOPLE, write

__all__ = ["milvus", "server"]  # fixtures

pytestmark = pytest.mark.slow
TIMES = 4
DAY = 86_400.0
NOW = 1_800_000_000.0
_numbers = itertools.count()


@pytest.fixture(params=["server", "milvus"])
def place(request):
    return Place(request.getfixturevalue(request.param).uri, f"people_{next(_numbers)}")


@pytest.fixture
def gallery(place, model, linked_plainly):
    """A gallery on a server, with its three people."""
    with place.create(model) as opened:
        write(opened, CROPS)
        update_people(opened, model)
        yield opened


def test_corrections_and_updates_of_two_processes_at_once_are_all_there(place, gallery, model, numbers):
    worker = Path(__file__).with_name("shared_people.py")
    workers = [
        subprocess.Popen(
            [sys.executable, str(worker), place.uri, place.collection, name, str(TIMES)], stdout=subprocess.PIPE
        )
        for name in ("ann", "bob")
    ]
    made = [json.loads(each.communicate(timeout=300)[0]) for each in workers]
    store = PeopleStore.open(gallery)
    assert sorted(made[0] + made[1]) == list(range(1, 2 * TIMES + 1))
    assert [each.number for each in store.read().corrections] == list(range(1, 2 * TIMES + 1))
    update_people(gallery, model)
    new = [f"{name}{number}" for name in ("ann", "bob") for number in range(TIMES)]
    assert numbers(store) == {**PEOPLE, 1: sorted([*PEOPLE[1], *new])}
    assert store._texts.texts_of_kind("lock") == {}


def test_people_are_found_corrected_kept_and_forgotten_there(place, gallery, model, numbers):
    store = PeopleStore.open(gallery)
    assert numbers(store) == PEOPLE
    joined = join(store, ["b2"], ["c1"])
    assert numbers(store) == {1: ["t1", "t2"], 2: ["b2", "c1", "t3"]}
    undo(store, joined.number)
    assert split(store, ["t1"]) == 4
    with place.open() as again:  # as another machine sees it
        assert numbers(PeopleStore.open(again)) == {1: ["t2"], 2: ["b2", "t3"], 3: ["c1"], 4: ["t1"]}
        write(again, [("b3", 1, "stairs", 300.0, None), ("d1", 3, "stairs", NOW - 3 * DAY, None)])
        update_people(again, model)
    assert numbers(store) == {1: ["t2"], 2: ["b2", "b3", "t3"], 3: ["c1"], 4: ["t1"], 5: ["d1"]}
    assert forget_person(gallery, 2).num_crops == 3
    forgotten = forget_older_than(gallery, days=2, now=NOW)
    assert (forgotten.num_crops, forgotten.persons, forgotten.num_undated) == (1, (5,), 4)
    assert numbers(store) == {1: ["t2"], 3: ["c1"], 4: ["t1"]}
    assert gallery.num_crops == 4
