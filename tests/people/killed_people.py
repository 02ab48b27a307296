"""Kill a change of people in a folder at the n-th change of a file, for every STEP-th n; then bring people up to date.

    python killed_people.py FOLDER STEP update|split|forget

prints a line for each n, as JSON: how it ended, and the people that the next command then left. Each step forks this
process, as `tests/gallery/killed_forgetting.py` does.
"""

import json
import shutil
import sys
from pathlib import Path

import pymilvus  # noqa: F401
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from iics.gallery.gallery import Gallery
from iics.people import update
from iics.people.correcting import split
from iics.people.forgetting import forget_crops, forget_person
from iics.people.store import PeopleStore
from tests.gallery.conftest import model_of
from tests.gallery.killed_forgetting import in_a_child, kill_at
from tests.people.conftest import link_plainly

MODEL = model_of(0)
link_plainly(pytest.MonkeyPatch())


def updated(gallery):
    update.update_people(gallery, MODEL)


ACTIONS = {
    "update": updated,
    "split": lambda gallery: split(PeopleStore.open(gallery), ["t2"]),
    "forget": lambda gallery: forget_person(gallery, 1),
}


def killed(folder, number, action):
    kill_at(number, folder)
    with Gallery.open(str(folder)) as gallery:
        action(gallery)


def go_on(folder, is_forgetting):
    """Give the next command, and write what there is then beside the folder."""
    with Gallery.open(str(folder)) as gallery:
        if is_forgetting:
            forget_crops(gallery, [crop for crop in ("a1", "a2", "a3") if crop in gallery.rows_by_id([crop])])
        updated(gallery)
        store = PeopleStore.open(gallery)
        people = {person: [seen.key for seen in each] for person, each in store.read().by_person().items()}
        used = {each.feature_id for each in store.kept().sightings.values()}
        left = {"people": people, "unused": sorted(set(store._features.ids()) - used)}
        folder.with_suffix(".json").write_text(json.dumps(left))


def main():
    whole, step, name = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    for number in range(1, 10_000, step):
        folder = whole.parent / f"killed_{number}.db"
        shutil.copytree(whole, folder)
        code = in_a_child(lambda f=folder, n=number: killed(f, n, ACTIONS[name]))
        after = in_a_child(lambda f=folder: go_on(f, name == "forget"))
        left = json.loads(folder.with_suffix(".json").read_text()) if after == 0 else {}
        sys.stdout.write(json.dumps({"folder": str(folder), "killed": code, "next": after, **left}) + "\n")
        sys.stdout.flush()
        if code == 0:
            return


if __name__ == "__main__":
    main()
