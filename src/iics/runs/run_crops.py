"""crops.csv of a run folder: each picture that a run started with, by the hash of its contents.

A run that goes on must have the same pictures, else its result would not be the unbroken one's. Where they lie, in
which order they are listed and what files are called does not matter: they are found by contents and camera, and put
into the order that the run began with.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from iics.atomic import write_atomically
from iics.crops import CropSet
from iics.csv_text import csv_text
from iics.errors import RunFolderError
from iics.runs.run_files import read_text

CROPS = "crops.csv"
TRAIN = "train"
_COLUMNS = ("split", "path", "camera", "identity", "contents")
_WAY_OUT = "Restore the file from a copy, or start a new run."
_MOST_NAMED = 3


@dataclass(frozen=True)
class RunCrop:
    """A picture of a run.

    Attributes:
        path: Below the folder that all of its split have in common, with its box if it is one.
        camera: Name of its camera.
        identity: Who is on it, for pictures that are measured on; "" for others.
        contents: Hash of its file and its box.
    """

    path: str
    camera: str
    identity: str
    contents: str


@dataclass(frozen=True, eq=False)
class RunCrops:
    """The pictures of a run, by split: "train", and what it is measured on."""

    splits: Mapping[str, tuple[RunCrop, ...]]

    @classmethod
    def of(cls, sets: Mapping[str, tuple[CropSet, Sequence[bytes]]]) -> RunCrops:
        """Return the pictures of crop sets, each given with the hashes of its crops (`file_digests`)."""
        return cls({split: tuple(_described(split, crops, digests)) for split, (crops, digests) in sets.items()})

    def write(self, folder: Path) -> None:
        """Write them into a run folder, atomically."""
        rows = [
            (split, crop.path, crop.camera, crop.identity, crop.contents)
            for split, crops in self.splits.items()
            for crop in crops
        ]
        write_atomically(folder / CROPS, csv_text([_COLUMNS, *rows]))

    @classmethod
    def read(cls, folder: Path, *, num_crops: int) -> RunCrops | None:
        """Return those of a run folder; None for a run of an older version, which has none.

        Raises:
            RunFolderError: If the file is damaged.
        """
        file = folder / CROPS
        if not file.exists():
            return None
        found: dict[str, list[RunCrop]] = defaultdict(list)
        text = read_text(file, way_out=_WAY_OUT)
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        except csv.Error as error:
            raise RunFolderError(f"{file} is no table: {error}. {_WAY_OUT}") from error
        for number, row in enumerate(rows, start=1):
            if number == 1 and tuple(row) == _COLUMNS:
                continue
            if number == 1 or len(row) != len(_COLUMNS) or not re.fullmatch("[0-9a-f]{64}", row[-1]):
                raise RunFolderError(f"{file} is damaged in line {number}: {', '.join(row)!r:.60}. {_WAY_OUT}")
            found[row[0]].append(RunCrop(*row[1:]))
        if len(found[TRAIN]) != num_crops:
            raise RunFolderError(
                f"{file} lists {len(found[TRAIN])} crops to train on, data.json {num_crops}. {_WAY_OUT}"
            )
        return cls({split: tuple(crops) for split, crops in found.items()})

    def order_of(self, split: str, crops: CropSet, digests: Sequence[bytes], *, run: Path) -> list[int]:
        """Return the indices that put crops into the order that a run began with, wherever they lie now.

        Args:
            split: Which pictures of the run they are to be.
            crops: As they lie now.
            digests: Hash of each crop's file and box. Length n.
            run: The run folder, for messages.

        Raises:
            RunFolderError: If a picture of the run is missing, was changed or replaced, or another came.
        """
        needed, given = self.splits[split], tuple(_described(split, crops, digests))
        free: dict[RunCrop, list[int]] = defaultdict(list)
        anywhere: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        for at, crop in enumerate(given):
            free[crop].append(at)
            anywhere[crop.contents, crop.camera, crop.identity].append(at)
        order: list[int] = []
        taken: set[int] = set()
        lost: list[RunCrop] = []
        by_name = [free[crop].pop(0) if free[crop] else None for crop in needed]  # copies of a picture keep their names
        taken.update(index for index in by_name if index is not None)
        for crop, named in zip(needed, by_name, strict=True):
            others = (i for i in anywhere[crop.contents, crop.camera, crop.identity] if i not in taken)
            index = named if named is not None else next(others, None)
            if index is None:
                lost.append(crop)
            else:
                taken.add(index)
                order.append(index)
        new = [crop for at, crop in enumerate(given) if at not in taken]
        if lost or new:
            raise RunFolderError(_difference(split, crops, lost, new, num_crops=len(needed), run=run))
        return order


def contents_fingerprint(digests: Sequence[bytes]) -> str:
    """Return one short hash of the contents of all crops, in their order."""
    return hashlib.sha256(b"".join(digests)).hexdigest()[:16]


def _described(split: str, crops: CropSet, digests: Sequence[bytes]) -> Iterator[RunCrop]:
    root = Path(os.path.commonpath([path.parent for path in crops.paths]))
    identities = None if split == TRAIN or crops.identity_ids is None else crops.identity_ids.tolist()
    boxes = None if crops.boxes is None else crops.boxes.tolist()
    for index, (path, digest) in enumerate(zip(crops.paths, digests, strict=True)):
        box = "" if boxes is None else "[{2}x{3}+{0}+{1}]".format(*boxes[index])
        yield RunCrop(
            os.fsencode(path.relative_to(root).as_posix()).decode(errors="backslashreplace") + box,
            os.fsencode(crops.camera_names[crops.camera_ids[index]]).decode(errors="backslashreplace"),
            "" if identities is None else str(identities[index]),
            digest.hex(),
        )


def _difference(
    split: str, crops: CropSet, lost: list[RunCrop], new: list[RunCrop], *, num_crops: int, run: Path
) -> str:
    """Return what a run finds other than it was."""
    came = {crop.path: crop for crop in new}
    named = []
    for crop in lost[:_MOST_NAMED]:
        other = came.get(crop.path)
        if other is None:
            named.append(f"{crop.path} is missing")
        elif other.contents != crop.contents:
            named.append(f"{crop.path} holds another picture")
        elif other.camera != crop.camera:
            named.append(f"{crop.path} is of camera {other.camera} and was of {crop.camera}")
        else:
            named.append(f"{crop.path} shows person {other.identity} and showed {crop.identity}")
    if not lost:
        named = [f"{crop.path} is new" for crop in new[:_MOST_NAMED]]
    use = "trained on" if split == TRAIN else "measured on"
    return (
        f"{run} cannot go on: the pictures of {crops.name}, which it is {use}, are not the same as when it began. Of "
        f"{num_crops}, {len(lost)} are missing or changed, and {len(new)} others are there: {'; '.join(named)}. Put "
        "them back as they were, name the place where they lie (iics train --resume RUN --data-dir PLACE), or start a "
        "new run."
    )
