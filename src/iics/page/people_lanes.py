"""Which sightings of an identity are shown, by camera along time, and where they lie on its time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from iics.gallery.moments import time_text
from iics.page.people_questions import Identity
from iics.page.timeline import ticks
from iics.people.book import SeenPerson

SIGHTINGS_IN_A_LANE = 12
"""Of a camera, where many identities are shown."""
SIGHTINGS_OF_ONE = 400
"""Where one identity is shown alone."""
_FACES = 4
_MARGIN = 0.02


def has_time(seen: SeenPerson) -> bool:
    """Return whether it is known when a sighting was."""
    return seen.first is not None and seen.last is not None


def face(seen: SeenPerson) -> str:
    """Return the crop that stands for a sighting: the one in the middle of its time."""
    return seen.crop_ids[len(seen.crop_ids) // 2]


def faces(sightings: Sequence[SeenPerson], first: str) -> list[SeenPerson]:
    """Return the sighting called `first`, then the most certain ones, of other cameras before others."""
    best = sorted(sightings, key=lambda seen: (seen.key != first, -seen.certainty, seen.key))
    cameras: set[str] = set()
    new: list[SeenPerson] = []
    rest: list[SeenPerson] = []
    for seen in best:
        (rest if seen.camera in cameras else new).append(seen)
        cameras.add(seen.camera)
    return [*new, *rest][:_FACES]


def lanes_of(identity: Identity, *, is_alone: bool) -> list[tuple[str, list[SeenPerson], int]]:
    """Return for each camera its sightings that are shown, along time, and how many are not; first seen first."""
    of_camera: dict[str, list[SeenPerson]] = {}
    for seen in identity.sightings:
        of_camera.setdefault(seen.camera, []).append(seen)
    most = max(1, SIGHTINGS_OF_ONE // len(of_camera)) if is_alone else SIGHTINGS_IN_A_LANE
    doubtful = {question.own for question in identity.questions}
    found = []
    for camera, sightings in of_camera.items():
        # Those in doubt are always among the shown ones; the others are spread over the time.
        order = sorted(range(len(sightings)), key=lambda at: (sightings[at].key not in doubtful, _spread(at)))
        kept = sorted(order[:most])
        found.append((camera, [sightings[at] for at in kept], len(sightings) - len(kept)))
    return found


def _spread(at: int) -> int:
    """Return a number by which places sort coarse to fine: the bits of `at` in reverse order."""
    return int(f"{at:032b}"[::-1], 2)


def facts_of(identity: Identity) -> str:
    """Return how often, by how many cameras and when an identity was seen."""
    sightings, cameras = len(identity.sightings), len(identity.cameras)
    crops = sum(len(seen.crop_ids) for seen in identity.sightings)
    timed = [seen for seen in identity.sightings if has_time(seen)]
    parts = [
        f"{sightings:,} sighting{'' if sightings == 1 else 's'} ({crops:,} crop{'' if crops == 1 else 's'})",
        f"{cameras} camera{'' if cameras == 1 else 's'}",
    ]
    if timed:
        first, last = _extent(timed)
        texts = time_text(first), time_text(last)
        date, _, clock = texts[1].rpartition(" ")
        same_day = date and texts[0].startswith(date)
        parts.append(texts[0] if texts[0] == texts[1] else f"{texts[0]} to {clock if same_day else texts[1]}")
    return ", ".join(parts)


@dataclass(frozen=True)
class Axis:
    """The time of an identity, with a margin at either end."""

    left: float
    width: float

    @classmethod
    def of(cls, sightings: Sequence[SeenPerson]) -> Axis | None:
        """Return the axis; None if fewer than two sightings have a time."""
        timed = [seen for seen in sightings if has_time(seen)]
        if len(timed) < 2:
            return None
        first, last = _extent(timed)
        margin = max((last - first) * _MARGIN, 0.5)
        return cls(first - margin, last - first + 2 * margin)

    def bar(self, seen: SeenPerson) -> tuple[float, float]:
        """Return the left end and the width of a sighting with a time, in percent."""
        begin, end = seen.first or 0.0, seen.last or 0.0
        return self._percent(begin), max(round(100 * (end - begin) / self.width, 2), 1.0)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Return places in percent and labels."""
        return tuple((self._percent(moment), label) for moment, label in ticks(self.left, self.left + self.width))

    def _percent(self, moment: float) -> float:
        return round(100 * (moment - self.left) / self.width, 2)


def _extent(timed: Sequence[SeenPerson]) -> tuple[float, float]:
    first = min(seen.first for seen in timed if seen.first is not None)
    last = max(seen.last for seen in timed if seen.last is not None)
    return first, last


def bars(axis: Axis | None, sightings: Sequence[SeenPerson]) -> tuple[tuple[float, float], ...]:
    """Return the bars of those sightings that have a time; none without an axis."""
    return () if axis is None else tuple(axis.bar(seen) for seen in sightings if has_time(seen))
