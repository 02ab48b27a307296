"""A run folder read for its report: settings, data and records as they lie there, of this version or an older one.

Nothing is written and nothing is taken for granted: a number that a record lacks is left out of its curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iics.reports.camera_pairs_file import CameraPairMatrices
from iics.reports.plot_curves import Curve
from iics.runs.run_data import RunData
from iics.runs.run_files import check_is_run, read_bytes, read_json, read_records

Record = Mapping[str, Any]
NumberOf = Callable[[Record], float | None]

REMAKE_SHEET = "Delete it, or write it anew with iics evaluate --contact-sheet."

ALL_CAMERAS = "all cameras"
"""What the clusters of stage 2 are of."""


@dataclass(frozen=True, eq=False)
class ReportedRun:
    """What a report is made from.

    Attributes:
        name: Of the run folder.
        settings: Contents of settings.json.
        data: Contents of data.json.
        records: Lines of metrics.jsonl; the first may be of round 0, before training.
        ranked_lists: The picture contact_sheet.png; None if there is none.
        camera_pairs: Accuracy by pair of cameras; None if it was not recorded.
    """

    name: str
    settings: Mapping[str, Any]
    data: Mapping[str, Any]
    records: tuple[Record, ...]
    ranked_lists: bytes | None
    camera_pairs: CameraPairMatrices | None

    @classmethod
    def read(cls, folder: Path) -> ReportedRun:
        """Read a run folder, also of a run at work.

        Raises:
            RunFolderError: If it is none, or something in it cannot be read.
        """
        check_is_run(folder)
        picture = folder / "contact_sheet.png"
        return cls(
            name=folder.absolute().name,
            settings=read_json(folder / "settings.json"),
            data=RunData.read(folder).values,
            records=tuple(read_records(folder)),
            ranked_lists=read_bytes(picture, way_out=REMAKE_SHEET) if picture.exists() else None,
            camera_pairs=CameraPairMatrices.read(folder),
        )

    @property
    def is_supervised(self) -> bool:
        """Whether it trained on identities."""
        return "supervised" in (self.settings.get("method"), self.settings.get("stages"))  # the latter in older runs

    @property
    def trained(self) -> tuple[Record, ...]:
        """The records of rounds that trained."""
        return tuple(record for record in self.records if record.get("round", 0) > 0)

    @property
    def crops_per_camera(self) -> dict[str, int] | None:
        """Crops of each camera that has any; None in runs of older versions, which do not tell."""
        counts = self.data.get("crops_per_camera")
        return None if counts is None else {name: count for name, count in counts.items() if count > 0}

    def curve(self, name: str, number_of: NumberOf, *, scale: float = 1) -> Curve:
        """Return one number by round, from the records that have it."""
        found = [(record["round"], number_of(record)) for record in self.records]
        points = [(number, scale * value) for number, value in found if value is not None]
        return Curve(name, tuple(number for number, _ in points), tuple(value for _, value in points))


def at(record: Record, *path: str) -> Any:
    """Return what lies at a place in a record, None if it or anything on the way is missing."""
    value: Any = record
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def number(record: Record, *path: str) -> float | None:
    """Return the number at a place in a record, None if there is none: a caller may have recorded anything."""
    value = at(record, *path)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if is_number else None


def statistics_of(record: Record) -> dict[str, Mapping[str, Any]]:
    """Return the statistics of the pseudo-labels of a round: "all cameras" of stage 2, then cameras of stage 1."""
    found: dict[str, Mapping[str, Any]] = {}
    overall = at(record, "stage2", "pseudo_labels")
    if overall is not None:
        found[ALL_CAMERAS] = overall
    return found | {f"camera {name}": values for name, values in (at(record, "stage1", "pseudo_labels") or {}).items()}


def num_crops_of(statistics: Mapping[str, Any]) -> int | None:
    """Return how many crops were clustered; None in records that do not tell."""
    pairs = statistics.get("size_counts")
    return None if pairs is None else sum(size * clusters for size, clusters in pairs)


def over_cameras(record: Record, key: str) -> float | None:
    """Return a statistic of stage 1, averaged over cameras by their crops; None if the record lacks it."""
    cameras = (at(record, "stage1", "pseudo_labels") or {}).values()
    found = [(values.get(key), num_crops_of(values) or 1) for values in cameras]
    known = [(value, weight) for value, weight in found if value is not None]
    return sum(value * weight for value, weight in known) / sum(weight for _, weight in known) if known else None
