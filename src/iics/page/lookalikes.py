"""Who else looks like an identity: the nearest crops of the gallery, by the identities that they are part of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.gallery.gallery import Gallery
from iics.gallery.schema import FEATURE_FIELD
from iics.models.camera_means import CameraMeans
from iics.page.people_lanes import face
from iics.page.people_questions import Identity, Question, said_apart
from iics.people.book import People

_SHOWN = 5
_ASKED_ABOUT = 4
"""Sightings whose crops are searched for: the most certain one of as many cameras."""
_MATCHES = 60


@dataclass(frozen=True)
class Lookalikes:
    """Searches a gallery.

    Attributes:
        gallery: Open.
        camera_means: Of its model, to compare centred features; None compares plain ones.
    """

    gallery: Gallery
    camera_means: CameraMeans | None

    def of(self, identity: Identity, people: People) -> tuple[Question, ...]:
        """Return whether others are the same person, the most alike first; those said to be other people are left out.

        Raises:
            GalleryError: If the gallery cannot be searched.
        """
        sighting_of = {crop: seen for seen in people.seen for crop in seen.crop_ids}
        apart = said_apart(people)
        found: dict[int, tuple[float, str, str]] = {}
        for own, crop_id, camera in _queries(identity):
            row = self.gallery.rows_by_id([crop_id], with_features=True).get(crop_id)
            if row is None:
                continue
            (matches,) = self.gallery.search(
                np.array([row[FEATURE_FIELD]], dtype=np.float32),
                top=_MATCHES,
                group_by_tracklet=True,
                camera_means=self.camera_means,
                query_camera=None if self.camera_means is None else camera,
            )
            for match in matches:
                seen = sighting_of.get(match.crop_id)
                if seen is None or seen.person == identity.number:
                    continue
                if frozenset((seen.person, identity.number)) in apart:
                    continue
                found[seen.person] = max(found.get(seen.person, (-2.0, "", "")), (match.similarity, own, seen.key))
        best = sorted(found.items(), key=lambda item: -item[1][0])[:_SHOWN]
        return tuple(
            Question(identity.number, own, person, theirs, 0.0, f"similarity {similarity:.3f}")
            for person, (similarity, own, theirs) in best
        )


def _queries(identity: Identity) -> list[tuple[str, str, str]]:
    """Return key, crop and camera of the sightings that are searched for."""
    best = {seen.camera: seen for seen in sorted(identity.sightings, key=lambda seen: seen.certainty)}
    chosen = sorted(best.values(), key=lambda seen: -seen.certainty)[:_ASKED_ABOUT]
    return [(seen.key, face(seen), seen.camera) for seen in chosen]
