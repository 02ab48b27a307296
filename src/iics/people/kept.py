"""What is kept of a gallery's people, as values; each is a row of the store. Nothing here asks a database.

A sighting keeps the number that it was first given. That identities were merged is told by changes alone, and resolved
when they are read: so a merge is one row, and taking it back is one row less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from iics.people.book import Change, People, PossibleLink, SeenPerson
from iics.people.corrections import Correction


@dataclass(frozen=True)
class KeptSighting:
    """A sighting as it is kept; see `SeenPerson`.

    Attributes:
        key: Its name.
        person: The number that it was given; merges lead from it to its present one.
        certainty: That it is of that person.
        camera: Its name.
        first: Time of its first crop; None if unknown.
        last: Time of its last crop.
        crop_ids: Of its crops.
        mark: Hash of all that its feature is made from.
    """

    key: str
    person: int
    certainty: float
    camera: str
    first: float | None
    last: float | None
    crop_ids: tuple[str, ...]
    mark: str

    @property
    def feature_id(self) -> str:
        """Id of its feature: another one once it is made from something else."""
        return f"{self.key}/{self.mark}"


@dataclass(frozen=True)
class KeptCentre:
    """How a camera's features are centred for ever; the vector is kept under `feature_id`.

    Attributes:
        camera: Its name.
        feature_id: Where the vector is kept.
        source: Of what it is the mean; see `iics.models.centring`.
    """

    camera: str
    feature_id: str
    source: str


@dataclass(frozen=True, eq=False)
class Kept:
    """All that is kept, at one moment; changed by making another one.

    Attributes:
        sightings: By key.
        changes: By their place in time, from 1.
        corrections: By number.
        doubts: Links that may be right.
        broken: Mark of each tracklet that was found broken, by its key.
        centres: By camera.
        moved: Keys that corrections name and that are no more -> the keys that their crops are now part of.
        travel_times: As in `People`, None if there are none.
        settings: What linking keeps for itself, JSON values by name; among them `highest`, the highest number ever
            given.
    """

    sightings: Mapping[str, KeptSighting] = field(default_factory=dict)
    changes: Mapping[int, Change] = field(default_factory=dict)
    corrections: Mapping[int, Correction] = field(default_factory=dict)
    doubts: tuple[PossibleLink, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict)
    centres: Mapping[str, KeptCentre] = field(default_factory=dict)
    moved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    travel_times: Mapping[tuple[str, str], tuple[float, int]] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def highest(self) -> int:
        """The highest number ever given; 0 if none was."""
        return int(self.settings.get("highest", 0))

    def with_setting(self, name: str, value: Any) -> Kept:
        """Return it with another setting."""
        return replace(self, settings={**self.settings, name: value})

    def with_changes(self, changes: list[Change]) -> Kept:
        """Return it with more changes."""
        start = max(self.changes, default=0) + 1
        return replace(self, changes={**self.changes, **dict(enumerate(changes, start))})

    def present_numbers(self) -> dict[int, int]:
        """Return where numbers lead that were merged, through all merges."""
        into = {change.person: change.into for change in self.changes.values() if change.kind == "merged"}
        found = {}
        for number in into:
            end = number
            while end in into:
                end = into[end]
            found[number] = end
        return found

    def persons(self) -> dict[str, int]:
        """Return the present number of each sighting, by key."""
        present = self.present_numbers()
        return {key: present.get(each.person, each.person) for key, each in self.sightings.items()}

    def present_keys(self, keys: tuple[str, ...]) -> list[str]:
        """Return the sightings that keys of a correction lead to; none for what was deleted."""
        found: dict[str, None] = {}
        waiting, done = list(keys), set()
        while waiting:
            key = waiting.pop(0)
            if key in self.sightings:
                found[key] = None
            elif key not in done:
                done.add(key)
                waiting += self.moved.get(key, ())
        return list(found)

    def people(self) -> People:
        """Return what is told of it."""
        persons = self.persons()
        seen = [
            SeenPerson(each.key, persons[each.key], each.certainty, each.camera, each.first, each.last, each.crop_ids)
            for each in self.sightings.values()
            if each.person
        ]
        seen.sort(key=lambda each: (each.person, each.first is None, each.first or 0.0, each.key))
        doubts = tuple(
            doubt
            for doubt in self.doubts
            if {doubt.first, doubt.second} <= persons.keys() and persons[doubt.first] != persons[doubt.second]
        )
        return People(
            tuple(seen),
            doubts,
            tuple(self.changes[at] for at in sorted(self.changes)),
            tuple(self._by_present_keys(self.corrections[number]) for number in sorted(self.corrections)),
            self.travel_times,
            tuple(self._dropped()),
        )

    def _by_present_keys(self, correction: Correction) -> Correction:
        """Return a correction by the keys that its crops have now; those of deleted crops stay as they were."""
        first, second = (
            tuple(dict.fromkeys(now for key in side for now in self.present_keys((key,)) or (key,)))
            for side in (correction.first, correction.second)
        )
        return replace(correction, first=first, second=second)

    def _dropped(self) -> list[str]:
        told = []
        for number in sorted(self.corrections):
            correction = self.corrections[number]
            for side in (correction.first, correction.second):
                gone = [key for key in side if not self.present_keys((key,))]
                if gone and not correction.is_undone:
                    what = "cannot count" if len(gone) == len(side) else "counts for the others"
                    more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
                    told.append(
                        f"Correction {number} ({correction.kind}) names the sighting {gone[0]}{more}, whose crops are "
                        f"no longer in the gallery: it {what}."
                    )
        return told


def rows_of(kept: Kept) -> dict[str, tuple[str, Any]]:
    """Return the kind and the value of each row, by id."""
    rows: dict[str, tuple[str, Any]] = {f"seen/{key}": ("seen", each) for key, each in kept.sightings.items()}
    rows |= {f"change/{at}": ("change", each) for at, each in kept.changes.items()}
    rows |= {f"correction/{number}": ("correction", each) for number, each in kept.corrections.items()}
    rows |= {each.feature_id: ("centre", each) for each in kept.centres.values()}
    rows["doubts"] = ("doubts", kept.doubts)
    rows["broken"] = ("broken", dict(kept.broken))
    rows["moved"] = ("moved", dict(kept.moved))
    rows["travel"] = ("travel", kept.travel_times)
    rows["settings"] = ("settings", dict(kept.settings))
    return rows


def values_of(kind: str, value: Any) -> Any:
    """Return the value of a row as JSON knows it."""
    if kind in ("seen", "change", "correction", "centre"):
        return vars(value)
    if kind == "doubts":
        return [[doubt.first, doubt.second, doubt.certainty] for doubt in value]
    if kind == "travel":
        return None if value is None else [[*cameras, *times] for cameras, times in value.items()]
    return value


def kept_of(rows: Mapping[str, tuple[str, Any]]) -> Kept:
    """Return what rows tell, their values as JSON knows them."""
    sightings, changes, corrections, centres = {}, {}, {}, {}
    others: dict[str, Any] = {}
    for row_id, (kind, value) in rows.items():
        if kind == "seen":
            sightings[value["key"]] = KeptSighting(**{**value, "crop_ids": tuple(value["crop_ids"])})
        elif kind == "change":
            changes[int(row_id.partition("/")[2])] = Change(**value)
        elif kind == "correction":
            sides = {"first": tuple(value["first"]), "second": tuple(value["second"])}
            corrections[value["number"]] = Correction(**{**value, **sides})
        elif kind == "centre":
            centres[value["camera"]] = KeptCentre(**value)
        else:
            others[kind] = value
    travel = others.get("travel")
    return Kept(
        sightings,
        changes,
        corrections,
        tuple(PossibleLink(*values) for values in others.get("doubts", ())),
        others.get("broken", {}),
        centres,
        {key: tuple(keys) for key, keys in others.get("moved", {}).items()},
        None if travel is None else {(a, b): (seconds, count) for a, b, seconds, count in travel},
        others.get("settings", {}),
    )
