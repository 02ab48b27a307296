"""Correct and update the people of a server, again and again, as one of several processes.

    python shared_people.py URI COLLECTION NAME TIMES

prints the numbers of the corrections that it made, as JSON. Whoever is refused because another one is at it tries
again.
"""

import json
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from iics.errors import PeopleError
from iics.gallery.gallery import Gallery
from iics.people import update
from iics.people.correcting import join, undo
from iics.people.store import PeopleStore
from tests.gallery.conftest import model_of
from tests.people.conftest import link_plainly, write

link_plainly(pytest.MonkeyPatch())


def until_done(action):
    while True:
        try:
            return action()
        except PeopleError as error:
            if "one at a time" not in str(error):
                raise
            time.sleep(0.1)


def main():
    uri, collection, name, times = *sys.argv[1:4], int(sys.argv[4])
    model, made = model_of(0), []
    with Gallery.open(uri, collection=collection) as gallery:
        store = PeopleStore.open(gallery)
        for number in range(times):
            made.append(until_done(lambda: join(store, ["b2"], ["c1"], by=name)).number)
            until_done(lambda: undo(store, made[-1]))
            write(gallery, [(f"{name}{number}", 0, "stairs", 1000.0 + number, None)])
            until_done(lambda: update.update_people(gallery, model))
    sys.stdout.write(json.dumps(made))


if __name__ == "__main__":
    main()
