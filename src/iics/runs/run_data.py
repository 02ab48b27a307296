"""data.json of a run folder: what the run was trained on, and which run it is. Written once, read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iics.atomic import write_atomically
from iics.errors import RunFolderError
from iics.runs.run_files import LARGEST, read_json

DATA = "data.json"
MOMENTS = ("every-round", "end", "never")
"""When a run is measured, as `iics train --evaluate` has it."""

_WAY_OUT = "Restore the file from a copy, or start a new run."
_TEXTS = ("name", "fingerprint", "identities", "tracklets", "started", "run", "settings", "deciding_settings")


@dataclass(frozen=True, eq=False)
class RunData:
    """What data.json holds.

    Attributes:
        file: Where it was read.
        values: All of it: texts, the number of crops, and crops by camera. Older versions wrote less.
    """

    file: Path
    values: Mapping[str, Any]

    def __post_init__(self) -> None:
        for name, value in self.values.items():
            if name == "crops_per_camera":
                self._check(_are_counts(value), name, "cameras with their number of crops", value)
            elif name == "num_crops":
                self._check(_is_count(value) and value > 0, name, "the number of crops", value)
            else:
                self._check(isinstance(value, str), name, "text", value)
        when = self.values.get("evaluate", MOMENTS[0])
        self._check(when in MOMENTS, "evaluate", f"one of {', '.join(MOMENTS)}", when)

    @classmethod
    def read(cls, folder: Path) -> RunData:
        """Read the file in a run folder.

        Raises:
            RunFolderError: If it cannot be read, or a field in it is of the wrong kind.
        """
        return cls(folder / DATA, read_json(folder / DATA, way_out=_WAY_OUT))

    def write(self) -> None:
        """Write the file, atomically."""
        write_atomically(self.file, json.dumps(dict(self.values), indent=2) + "\n")

    def needed(self, name: str) -> Any:
        """Return a field that every version writes.

        Raises:
            RunFolderError: If it is missing.
        """
        if name not in self.values:
            raise RunFolderError(f"{self.file} is damaged: it has no {name}. {_WAY_OUT}")
        return self.values[name]

    @property
    def run(self) -> str:
        """Which run this is, by a random name; "" in older versions."""
        return str(self.values.get("run", ""))

    @property
    def source(self) -> dict[str, str]:
        """Where the crops come from, as whoever started the run said."""
        return {name: value for name, value in self.values.items() if isinstance(value, str) and name not in _TEXTS}

    def _check(self, is_right: bool, name: str, needs: str, value: Any) -> None:
        if not is_right:
            raise RunFolderError(f"{self.file} is damaged: {name} must be {needs}, got {value!r:.60}. {_WAY_OUT}")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST


def _are_counts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_count, value.values()))
