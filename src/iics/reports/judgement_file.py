"""judgement.json of a run folder: what a run's own crops say of its model without labels, before and after training.

Beside it lie clusters.jpg and matches.jpg, pictures of the run's crops, and mistakes.jpg, where identities are known.
All are written when training ends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from iics.atomic import write_atomically
from iics.errors import RunFolderError
from iics.evaluation.across_cameras import AcrossCameras
from iics.runs.run_files import read_json

JUDGEMENT = "judgement.json"
CLUSTER_SHEET, MISTAKE_SHEET, MATCH_SHEET = "clusters.jpg", "mistakes.jpg", "matches.jpg"
NUMBERS = {
    "score": ("match score", 2, 1),
    "agreement": ("matches that a crop's neighbour shares, %", 1, 100),
    "near_other_cameras": ("other cameras among the 20 nearest, % of chance", 1, 100),
    "distinctness": ("how far matches stand out, standard deviations", 2, 1),
}
"""What is told of matches across cameras, by name in `AcrossCameras`: title, digits, factor; larger is better."""

_WAY_OUT = "Restore it from a copy, or delete it: iics train --resume writes it anew while the crops can be read."


@dataclass(frozen=True)
class Judgement:
    """What is known of a run's model without labels.

    Attributes:
        round_number: After which round.
        before: Matches across cameras by the model that training started from; None if it could not be had.
        after: By the trained model, on the same crops.
    """

    round_number: int
    before: AcrossCameras | None
    after: AcrossCameras

    def write(self, folder: Path) -> None:
        """Write judgement.json into a run folder, atomically."""
        values = {
            "round": self.round_number,
            "before": None if self.before is None else asdict(self.before),
            "after": asdict(self.after),
        }
        write_atomically(folder / JUDGEMENT, json.dumps(values, indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Judgement | None:
        """Return what lies in a run folder; None if nothing does.

        Raises:
            RunFolderError: If it is damaged.
        """
        file = folder / JUDGEMENT
        if not file.exists():
            return None
        values = read_json(file, way_out=_WAY_OUT)
        number, before = values.get("round"), values.get("before")
        if isinstance(number, bool) or not isinstance(number, int):
            raise RunFolderError(f"{file} is damaged: round must be a whole number, got {number!r:.40}. {_WAY_OUT}")
        return cls(
            number,
            None if before is None else _across_cameras(file, "before", before),
            _across_cameras(file, "after", values.get("after")),
        )


def _across_cameras(file: Path, moment: str, values: Any) -> AcrossCameras:
    names = AcrossCameras.__dataclass_fields__
    is_whole = isinstance(values, Mapping) and set(values) == set(names)
    if not is_whole or any(isinstance(value, bool) or not isinstance(value, int | float) for value in values.values()):
        raise RunFolderError(f"{file} is damaged: {moment} must hold {', '.join(names)}, as numbers. {_WAY_OUT}")
    return AcrossCameras(**values)
