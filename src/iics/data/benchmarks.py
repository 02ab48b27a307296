"""Data sets in the Market-1501 layout, as a folder or a zip file -> CropSets of train, query and gallery.

A crop is named `PPPP_cCsS_FFFFFF_BB.jpg`: identity (-1 is junk, 0000 a distractor), camera, sequence, frame, box.
"""

from __future__ import annotations

import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from iics.data.crops import DISTRACTOR_IDENTITY, JUNK_IDENTITY, CropSet, DataSplits, natural_order
from iics.data.folders import files_below, is_ignored
from iics.errors import DataError

SPLIT_FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
EXAMPLE_NAME = "0002_c1s1_000451_03.jpg"
# Some files of the original end in ".jpg.jpg". Nine digits at most, so that every number fits its array.
CROP_NAME = re.compile(
    r"(?P<identity>-1|[0-9]{1,9})_c(?P<camera>[0-9]{1,9})s[0-9]+_[0-9]+_[0-9]+(\.(jpg|jpeg|png))+", re.IGNORECASE
)


@dataclass(frozen=True)
class _Layout:
    """What a folder or zip holds: for each split folder found, the path of each file by its name below that folder."""

    place: str
    files: dict[str, dict[str, Path]]
    archive: Path | None = None


@dataclass(frozen=True)
class _Crop:
    path: Path
    identity: int
    camera: str


def load_market1501(data_dir: Path | str, *, name: str = "market1501") -> DataSplits:
    """Return train, query and gallery of a data set in the Market-1501 layout.

    Args:
        data_dir: Folder with `bounding_box_train`, `query` and `bounding_box_test`, a folder with exactly one such
            folder in it, or a zip file with the three at any one place inside. A zip is read where it lies.
        name: What to call the data set in messages.

    Returns:
        Three CropSets with identities. All have the same camera names: the union over the splits, in natural order.

    Raises:
        DataError: If the layout or a split is missing or empty, a file name does not parse, or an identity occurs
            both in train and in query or gallery.
    """
    root = Path(data_dir).expanduser()
    if not root.exists():
        raise DataError(f"{root} does not exist. {_needed()} Give the folder or zip file that holds them.")
    try:
        layout = _layout_in_folder(root) if root.is_dir() else _layout_in_zip(root)
    except OSError as error:
        raise DataError(f"Cannot read {root}: {error}. Check its permissions.") from error
    crops = {split: _parse(layout, folder) for split, folder in SPLIT_FOLDERS.items()}
    _check_identities_apart(layout.place, crops)
    camera_names = tuple(natural_order(crop.camera for split in crops.values() for crop in split))
    numbers = {camera: number for number, camera in enumerate(camera_names)}
    sets = {
        split: CropSet(
            paths=tuple(crop.path for crop in listed),
            camera_ids=np.array([numbers[crop.camera] for crop in listed]),
            camera_names=camera_names,
            identity_ids=np.array([crop.identity for crop in listed]),
            archive=layout.archive,
            name=f"{name} {split}",
        )
        for split, listed in crops.items()
    }
    return DataSplits(name=name, train=sets["train"], query=sets["query"], gallery=sets["gallery"])


def _layout_in_folder(root: Path) -> _Layout:
    folders = sorted(child for child in root.iterdir() if child.is_dir() and not is_ignored(child.name))
    if any(folder.name in SPLIT_FOLDERS.values() for folder in folders):
        chosen = root
    else:
        inside = {child: {name for name in SPLIT_FOLDERS.values() if (child / name).is_dir()} for child in folders}
        chosen = _only_place(str(root), inside, found=(child.name for child in root.iterdir()))
    files = {
        folder: {path.relative_to(chosen / folder).as_posix(): path for path in files_below(chosen / folder)}
        for folder in SPLIT_FOLDERS.values()
        if (chosen / folder).is_dir()
    }
    return _Layout(str(chosen), files)


def _layout_in_zip(path: Path) -> _Layout:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [PurePosixPath(member.filename) for member in archive.infolist() if not member.is_dir()]
    except zipfile.BadZipFile as error:
        raise DataError(
            f"{path} is no zip file, or a damaged one: {error}. Fetch it again or give a folder."
        ) from error
    members = [member for member in members if not any(is_ignored(part) for part in member.parts)]
    places: dict[Path, dict[str, dict[str, Path]]] = defaultdict(lambda: defaultdict(dict))
    for member in sorted(members, key=PurePosixPath.as_posix):
        depth = next((at for at, part in enumerate(member.parts[:-1]) if part in SPLIT_FOLDERS.values()), None)
        if depth is not None:
            files = places[Path(*member.parts[:depth])][member.parts[depth]]
            files["/".join(member.parts[depth + 1 :])] = Path(member)
    folders = {place: set(files) for place, files in places.items()}
    chosen = _only_place(str(path), folders, found=(member.parts[0] for member in members))
    return _Layout(f"{path}:{chosen.as_posix()}", dict(places[chosen]), archive=path)


def _only_place(root: str, places: dict[Path, set[str]], *, found: Iterable[str]) -> Path:
    """Return the one place that has all three split folders or, where none has, the one that has some of them."""
    needed = set(SPLIT_FOLDERS.values())
    candidates = [place for place, folders in places.items() if needed <= folders]
    candidates = candidates or [place for place, folders in places.items() if needed & folders]
    if not candidates:
        raise DataError(f"{root} does not hold a data set. {_needed()} Found: {_listed(found)}.")
    if len(candidates) > 1:
        raise DataError(
            f"{root} holds {len(candidates)} data sets ({_listed(map(str, candidates))}). Give one of them."
        )
    return candidates[0]


def _parse(layout: _Layout, folder: str) -> list[_Crop]:
    if folder not in layout.files:
        raise DataError(f"{layout.place} has no folder {folder}. {_needed()} Found: {_listed(layout.files)}.")
    crops: list[_Crop] = []
    for name, path in sorted(layout.files[folder].items()):
        if name.lower() == "readme.txt":
            continue
        match = CROP_NAME.fullmatch(name)
        if match is None:
            raise DataError(
                f"{layout.place}/{folder}/{name} is not named like a Market-1501 crop, e.g. {EXAMPLE_NAME} "
                f"(identity, camera and sequence, frame, box). Rename it or move it away."
            )
        crops.append(_Crop(path, int(match["identity"]), str(int(match["camera"]))))
    if not crops:
        raise DataError(f"{layout.place}/{folder} holds no crops; at least one is needed, e.g. {EXAMPLE_NAME}.")
    return crops


def _check_identities_apart(place: str, crops: dict[str, list[_Crop]]) -> None:
    train, query, gallery = ({crop.identity for crop in crops[split]} for split in ("train", "query", "gallery"))
    shared = sorted((train & (query | gallery)) - {JUNK_IDENTITY, DISTRACTOR_IDENTITY})
    if shared:
        raise DataError(
            f"{place}: identities both in train and in query or gallery: {len(shared)}, e.g. {shared[0]:04d}. "
            "A test on people seen in training says nothing; keep each person on one side."
        )


def _needed() -> str:
    return "The Market-1501 layout needs the folders bounding_box_train, query and bounding_box_test."


def _listed(names: Iterable[str]) -> str:
    different = natural_order(names)
    return ", ".join(different[:5]) + (f" and {len(different) - 5} more" if len(different) > 5 else "") or "nothing"
