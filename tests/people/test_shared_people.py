"""People on a server that several processes change at once: nothing of any of them is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from iics.gallery.gallery import Gallery
from iics.people.store import PeopleStore
from iics.people.update import update_people
from tests.gallery.conftest import Server
from tests.people.conftest import CROPS, PEOPLE, write

TIMES = 4


@pytest.fixture
def server(tmp_path):
    found = Server.milvus_lite(tmp_path / "data.db")
    try:
        found.start()
        yield found
    finally:
        found.kill()


@pytest.mark.slow
def test_corrections_and_updates_of_two_processes_at_once_are_all_there(server, model, linked_plainly, numbers):
    with Gallery.open_or_create(server.uri, model=model) as gallery:
        write(gallery, CROPS)
        update_people(gallery, model)
        worker = Path(__file__).with_name("shared_people.py")
        workers = [
            subprocess.Popen([sys.executable, str(worker), server.uri, name, str(TIMES)], stdout=subprocess.PIPE)
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
