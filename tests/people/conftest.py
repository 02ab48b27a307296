"""A small gallery with people whose features are nearly at right angles, and linking by a plain threshold."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iics.gallery.gallery import Gallery
from iics.models.reid_model import ReidModel
from iics.people import update
from iics.people.link_rule import LinkRule
from iics.people.linked import Linked
from iics.people.store import PeopleStore
from tests.gallery.conftest import DIMENSION, model_of, quick_creation, row

__all__ = ["quick_creation"]  # a fixture for all of these tests

THRESHOLD = 0.7
# Name, person, camera, time, tracklet.
CROPS = [
    ("a1", 0, "door", 100.0, 1),
    ("a2", 0, "door", 101.0, 1),
    ("a3", 0, "hall", 200.0, 2),
    ("b1", 1, "door", 110.0, 3),
    ("b2", 1, "hall", 210.0, None),
    ("c1", 2, "hall", 220.0, None),
]
PEOPLE = {1: ["t1", "t2"], 2: ["b2", "t3"], 3: ["c1"]}


def feature_of(name: str, person: int) -> np.ndarray:
    """Return a feature that has a cosine of about 0.98 with others of its person, and of 0 with others."""
    noise = np.random.default_rng(list(name.encode())).standard_normal(DIMENSION)
    noise *= 0.1 / np.linalg.norm(noise)
    noise[person] += 1
    return (noise / np.linalg.norm(noise)).astype(np.float32)


def write(gallery: Gallery, crops: Sequence[tuple[str, int, str, float | None, int | None]], **others: Any) -> None:
    """Put crops into a gallery: name, person, camera, time and tracklet of each."""
    rows = [
        row(name, camera=camera, time=time, tracklet=tracklet, identity=person, **others)
        for name, person, camera, time, tracklet in crops
    ]
    gallery.write(rows, np.stack([feature_of(name, person) for name, person, *_ in crops]))


def plain_link(sightings, *, rule, initial, same, apart, travel) -> Linked:
    """Join groups, the most alike pair first, down to a threshold."""
    num = len(sightings)
    labels = np.arange(num)
    for label in set(initial.tolist()) - {-1}:
        labels[initial == label] = np.flatnonzero(initial == label)[0]
    for one, other in same:
        labels[labels == labels[other]] = labels[one]
    similarity = sightings.features @ sightings.features.T
    pairs = [(-similarity[i, j], i, j) for i in range(num) for j in range(i) if similarity[i, j] >= rule.threshold]
    for _, i, j in sorted(pairs):
        joined = np.where(labels == labels[i], labels[j], labels)
        if not len(apart.joined(joined)):
            labels = joined
    _, labels = np.unique(labels, return_inverse=True)
    return Linked(labels, np.full(num, 0.9), ())


@pytest.fixture(scope="session")
def model() -> ReidModel:
    return model_of(0)


@pytest.fixture
def linked_plainly() -> Iterator[None]:
    """Link by `plain_link`: what is tested is what becomes of its answer."""
    with pytest.MonkeyPatch.context() as patch:
        link_plainly(patch)
        yield


def link_plainly(patch: pytest.MonkeyPatch) -> None:
    """Replace linking by `plain_link`."""
    patch.setattr(update, "link", plain_link)
    patch.setattr(update, "find_rule", lambda sample, **_: LinkRule(THRESHOLD, 0.05, "A cosine of 0.7.", sample))


@pytest.fixture(scope="session")
def made(model: ReidModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of six crops and their three people."""
    folder = tmp_path_factory.mktemp("made") / "people.db"
    with Gallery.open_or_create(str(folder), model=model) as gallery, pytest.MonkeyPatch.context() as patch:
        link_plainly(patch)
        write(gallery, CROPS)
        update.update_people(gallery, model)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "people.db"))


@pytest.fixture
def gallery(folder: Path) -> Iterator[Gallery]:
    with Gallery.open(str(folder)) as opened:
        yield opened


@pytest.fixture
def store(gallery: Gallery, linked_plainly: None) -> PeopleStore:
    """The people of the gallery."""
    return PeopleStore.open(gallery)


@pytest.fixture(scope="session")
def numbers() -> Callable[[PeopleStore], dict[int, list[str]]]:
    """Return what returns the keys of each person's sightings, in order."""
    return lambda store: {
        number: sorted(seen.key for seen in person) for number, person in store.read().by_person().items()
    }
