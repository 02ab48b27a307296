"""What `iics people` did and found, and how it is told to programs (docs/people.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iics.gallery.stored_values import unicode_name

if TYPE_CHECKING:
    from iics.cli.people_command import PeopleCommand
    from iics.people.agreement import Agreement
    from iics.people.book import People
    from iics.people.correcting import Applied
    from iics.people.keeping import Aged
    from iics.people.update import UpdateResult


@dataclass
class Found:
    """What a run did and found.

    Attributes:
        began: When it began, in seconds since 1970.
        aged: What the limit of days did; None without one.
        updates: What linking did: once, and again after corrections.
        applied: What a file of corrections did.
        people: As they stand in the end.
        agreement: With known identities, if it was asked for.
        warnings: Sentences.
    """

    began: float
    aged: Aged | None = None
    updates: list[UpdateResult] = field(default_factory=list)
    applied: Applied | None = None
    people: People | None = None
    agreement: Agreement | None = None
    warnings: list[str] = field(default_factory=list)


def json_values(command: PeopleCommand, found: Found) -> dict[str, Any]:
    """Return what `iics people --json` prints."""
    assert found.people is not None
    return {
        "gallery": unicode_name(command.gallery),
        **_people(found.people),
        "changes": None if not found.updates else _changes(found.updates, found.people, since=found.began),
        "corrections": {
            "counting": sum(not each.is_undone for each in found.people.corrections),
            "new": 0 if found.applied is None else found.applied.num_new,
            "undone": int(command.undo is not None) + (0 if found.applied is None else found.applied.num_undone),
        },
        "limit": None if found.aged is None else _limit(found.aged),
        "measured": None if found.agreement is None else _measured(found.agreement),
        "written": {
            "table": _path(command.table),
            "report": _path(command.report),
            "corrections": _path(command.corrections),
        },
        "warnings": found.warnings,
    }


def _people(people: People) -> dict[str, int]:
    of = people.by_person()
    return {
        "people": len(of),
        "seen_by_several_cameras": sum(len({one.camera for one in seen}) > 1 for seen in of.values()),
        "sightings": len(people.seen),
        "crops": sum(len(one.crop_ids) for one in people.seen),
        "cameras": len({one.camera for one in people.seen}),
        "doubtful_links": len(people.doubts),
    }


def _changes(updates: Sequence[UpdateResult], people: People, *, since: float) -> dict[str, Any]:
    kinds = [change.kind for change in people.changes if change.when >= since]
    return {
        "new_sightings": sum(each.num_new for each in updates),
        "changed_sightings": sum(each.num_changed for each in updates),
        "gone_sightings": sum(each.num_gone for each in updates),
        "new_people": sum(each.num_new_people for each in updates),
        "merged_people": kinds.count("merged"),
        "split_people": kinds.count("split"),
        "rule": next((each.rule for each in updates if each.rule), None),
    }


def _limit(aged: Aged) -> dict[str, Any]:
    return {
        "days": aged.days,
        "forgotten_crops": aged.forgotten.num_crops,
        "forgotten_people": list(aged.forgotten.persons),
        "crops_without_date": aged.forgotten.num_undated,
        "out_of_files": aged.forgotten.is_gone,
    }


def _measured(found: Agreement) -> dict[str, Any]:
    return {
        "identities": found.num_identities,
        "crops": found.num_crops,
        "people": found.num_people,
        "pairs": {
            "precision": found.pairwise_precision,
            "recall": found.pairwise_recall,
            "f": found.pairwise_f,
        },
        "bcubed": {"precision": found.bcubed_precision, "recall": found.bcubed_recall, "f": found.bcubed_f},
        "idf1": found.idf1,
    }


def _path(path: Path | None) -> str | None:
    return None if path is None else unicode_name(str(path))
