"""How well a gallery's people agree with the identities that its crops have, where some are known."""

from __future__ import annotations

import numpy as np

from iics.gallery.filters import GalleryFilters
from iics.gallery.gallery import Gallery
from iics.people.agreement import Agreement, agreement
from iics.people.book import People

_UNKNOWN = -1


def measured_people(gallery: Gallery, people: People) -> Agreement:
    """Return how well people agree with known identities, crop by crop.

    Args:
        gallery: Whose people they are; its identities are read here and nowhere else.
        people: As they stand.

    Raises:
        PeopleError: If no crop has a known identity.
        GalleryError: If the database fails.
    """
    persons = {crop_id: one.person for one in people.seen for crop_id in one.crop_ids}
    pairs = [
        (persons[row["crop_id"]], _UNKNOWN if row["identity"] is None else row["identity"])
        for row in gallery.rows(GalleryFilters(), fields=["identity"])
        if row["crop_id"] in persons
    ]
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return agreement(found[:, 0], found[:, 1])
