"""By which mean each camera's features are centred: taken when the camera first enters the people, and kept for ever.

A mean that moved with every new crop would move all features, and with them who is whom. A camera that is renamed keeps
its mean.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from iics.arrays import FloatArray
from iics.gallery.gallery import Gallery
from iics.models.camera_means import CameraMeans
from iics.models.centring import FEWEST_CROPS, CameraCentres, OwnMean, needed_means
from iics.natural_order import natural_order
from iics.people.gathered import Gathered
from iics.people.kept import Kept, KeptCentre
from iics.people.store import PeopleStore
from iics.shown_name import shown

_MOST_CROPS = 1000
"""Crops that a mean is taken over at most: it is then within a thirtieth of a feature's spread of that of all."""


def renamed_cameras(kept: Kept, gathered: Gathered) -> dict[str, str]:
    """Return the new name of each camera all of whose crops have another one now.

    A name that another camera keeps is none: then crops were moved to that camera.
    """
    moves: dict[str, Counter[str]] = {}
    for key, sighting in kept.sightings.items():
        if key in gathered.found:
            moves.setdefault(sighting.camera, Counter())[gathered.found[key].camera] += 1
    renamed = {old: next(iter(names)) for old, names in moves.items() if len(names) == 1 and old not in names}
    return {old: new for old, new in renamed.items() if new not in moves or new in renamed}


def with_renamed(kept: Kept, gathered: Gathered) -> tuple[Kept, list[str]]:
    """Return people whose cameras are called as in the gallery, and what is to be told of it."""
    renamed = renamed_cameras(kept, gathered)
    if not renamed:
        return kept, []
    centres = {name: centre for name, centre in kept.centres.items() if name not in renamed}
    centres |= {new: replace(kept.centres[old], camera=new) for old, new in renamed.items() if old in kept.centres}
    notes = [
        f"Camera {shown(old)} is called {shown(new)} now: its sightings stay whose they are."
        for old, new in sorted(renamed.items())
    ]
    return replace(kept, centres=centres), notes


def with_centres(store: PeopleStore, kept: Kept, gathered: Gathered, means: CameraMeans | None) -> Kept:
    """Return people with a centre for each camera of pending sightings; vectors of new ones are written.

    Args:
        store: Where they are kept.
        kept: All that is kept.
        gathered: The sightings that there are.
        means: Of the gallery's model.

    Raises:
        WeightsError: If there is a new camera and the model has no means.
    """
    new = natural_order(gathered.found[key].camera for key in gathered.pending)
    new = [name for name in new if name not in kept.centres]
    if not new:
        return kept
    found = CameraCentres.of(needed_means(means), new, _own_means(store.gallery, gathered, new))
    made = {
        name: KeptCentre(name, f"centre/{hashlib.sha256(name.encode() + vector.tobytes()).hexdigest()[:40]}", source)
        for name, vector, source in zip(new, found.centres, found.sources, strict=True)
    }
    store.write_vectors([each.feature_id for each in made.values()], found.centres)
    return replace(kept, centres={**kept.centres, **made})


def _own_means(gallery: Gallery, gathered: Gathered, names: Sequence[str]) -> OwnMean:
    """Return who answers for new cameras by their crops; `Gallery.own_mean` goes through all rows for each camera.

    Ids are hashes, so the first crops by their ids are as good as drawn by lot.
    """
    crops: dict[str, list[str]] = {name: [] for name in names}
    for sighting in gathered.found.values():
        if sighting.camera in crops:
            crops[sighting.camera] += sighting.crop_ids

    def own_mean(name: str) -> tuple[int, FloatArray | None]:
        if len(crops[name]) < FEWEST_CROPS:
            return len(crops[name]), None
        features = np.array(list(gallery.features_by_id(sorted(crops[name])[:_MOST_CROPS]).values()), dtype=np.float32)
        return len(crops[name]), features.mean(axis=0, dtype=np.float64)

    return own_mean


def centre_vectors(store: PeopleStore, kept: Kept, *, is_centred: bool) -> dict[str, FloatArray]:
    """Return the centre of each camera, of shape (d,), by its name; none where features are plain."""
    if not is_centred or not kept.centres:
        return {}
    names = list(kept.centres)
    vectors = store.vectors([kept.centres[name].feature_id for name in names])
    return dict(zip(names, vectors, strict=True))
