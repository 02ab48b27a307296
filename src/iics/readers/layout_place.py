"""Finds a known layout: in a folder, in folders up to two levels below it, or in a zip at any depth.

Layout, path -> LayoutPlace, which lists the files of its folders. Only text lists are opened; nothing is unpacked.
"""

from __future__ import annotations

import os
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from iics.errors import DataError
from iics.home_folder import expanded
from iics.natural_order import natural_order
from iics.readers.folders import files_below
from iics.readers.left_out import LeftOut, is_ignored
from iics.regular_file import MOST_TEXT_BYTES, check_regular, read_regular
from iics.zip_member import ZIP_FAULTS, is_plain, is_tar, open_zip, read_member

LEVELS_SEARCHED = 2
"""How many levels of folders are searched below the one that is given."""


@dataclass(frozen=True)
class Layout:
    """What a data set looks like on disk.

    Attributes:
        needed: What is needed, as a sentence for messages.
        versions: For each version that was published, the folders that hold its crops.
        lists: Text files beside these folders.
        inside: Allowed names of the folder around all this; empty if any name will do.
        without_train: Folders that are enough without training data.
        extras: Text files beside the folders that are read where they are there.
    """

    needed: str
    versions: tuple[tuple[str, ...], ...]
    lists: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    without_train: tuple[tuple[str, ...], ...] = ()
    extras: tuple[str, ...] = ()

    @property
    def folders(self) -> frozenset[str]:
        """The folders of all versions."""
        return frozenset(name for version in self.versions for name in version)

    def is_complete(self, found: set[str]) -> bool:
        """Return whether the folders of a version and all lists are among the names found."""
        return found.issuperset(self.lists) and any(found.issuperset(version) for version in self.versions)

    def is_enough_to_test(self, found: set[str]) -> bool:
        """Return whether the names found are all that is needed but the crops to train on."""
        return any(found.issuperset(folders) for folders in self.without_train)


@dataclass(frozen=True)
class LayoutPlace:
    """What was found.

    Attributes:
        name: The folder, or zip and folder in it, for messages.
        files: For each folder found, the path of each file by its name below that folder.
        texts: Contents of each list and extra found.
        archive: Zip that holds the paths, or None for plain files.
    """

    name: str
    files: dict[str, dict[str, Path]]
    texts: dict[str, str]
    archive: Path | None = None


def find_layout(data_dir: Path | str, layout: Layout) -> LayoutPlace:
    """Return the one place with this layout, or, if none is complete, with a part of it.

    Raises:
        DataError: If there is no such place or several, or it cannot be read in place.
    """
    root = expanded(data_dir)
    if not root.exists():
        raise DataError(f"{root} does not exist. {layout.needed} Give the folder or zip file that holds them.")
    try:
        return _place_in_folder(root, layout) if root.is_dir() else _place_in_zip(root, layout)
    except OSError as error:
        raise DataError(f"Cannot read {root}: {error}. Check its permissions.") from error


def listed(names: Iterable[str]) -> str:
    """Return the first few of the different names, in natural order, and how many more there are."""
    different = natural_order(names)
    return ", ".join(different[:5]) + (f" and {len(different) - 5} more" if len(different) > 5 else "") or "nothing"


def _place_in_folder(root: Path, layout: Layout) -> LayoutPlace:
    places = _places_below(root, layout, levels=LEVELS_SEARCHED)
    chosen = _only_place(str(root), places, layout, found=(child.name for child in root.iterdir()))
    files: dict[str, dict[str, Path]] = {}
    left_out = LeftOut()
    for folder in layout.folders & places[chosen]:
        prefix = len((chosen / folder).as_posix()) + 1
        files[folder] = {path.as_posix()[prefix:]: path for path in files_below(chosen / folder, left_out)}
    left_out.tell(str(chosen))
    extras = {name for name in layout.extras if (chosen / name).is_file()}
    texts = {name: _text(chosen / name) for name in (places[chosen] - files.keys()) | extras}
    return LayoutPlace(str(chosen), files, texts)


def _places_below(folder: Path, layout: Layout, *, levels: int) -> dict[Path, set[str]]:
    """Return which names of the layout a folder or one below it holds, down to some levels; none in a complete one."""
    with os.scandir(folder) as entries:
        is_folder = {entry.name: entry.is_dir() for entry in entries if not is_ignored(entry.name)}
    found = {name for name, is_dir in is_folder.items() if name in (layout.folders if is_dir else layout.lists)}
    places: dict[Path, set[str]] = {}
    if found and (not layout.inside or {folder.name, folder.resolve().name}.intersection(layout.inside)):
        places[folder] = found
    if levels > 0 and not (places and layout.is_complete(found)):
        for name in sorted(name for name, is_dir in is_folder.items() if is_dir and name not in places.get(folder, ())):
            places |= _places_below(folder / name, layout, levels=levels - 1)
    return places


def _place_in_zip(path: Path, layout: Layout) -> LayoutPlace:
    try:
        check_regular(path)
        with open_zip(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            places = _places_among(path, members, layout)
            found = {place: names for place, files in places.items() if (names := set(files).difference(layout.extras))}
            tops = (member.filename.split("/")[0] for member in members)
            chosen = _only_place(str(path), found, layout, found=tops)
            name = f"{path}:{chosen.as_posix()}"
            texts = {
                text: _decoded(read_member(archive, files[""].as_posix(), most_bytes=MOST_TEXT_BYTES), f"{name}/{text}")
                for text, files in places[chosen].items()
                if text in (*layout.lists, *layout.extras)
            }
    except OSError:
        raise  # told with the place that was given
    except ZIP_FAULTS as error:
        if is_tar(path):
            raise DataError(
                f"{path} is a tar archive, in which a single image cannot be found without reading all before it. "
                "Unpack it and give the folder."
            ) from error
        raise DataError(
            f"{path} is no zip file, or a damaged one: {error}. Fetch it again or give a folder."
        ) from error
    folders = {folder: files for folder, files in places[chosen].items() if folder in layout.folders}
    return LayoutPlace(name, folders, texts, archive=path)


def _places_among(path: Path, members: list[zipfile.ZipInfo], layout: Layout) -> dict[Path, dict[str, dict[str, Path]]]:
    """Return the files of each folder of the layout (a list is its own file "") by the folder around it."""
    folders, lists = layout.folders, frozenset(layout.lists + layout.extras)
    left_out = LeftOut()
    around: dict[tuple[str, ...], dict[str, dict[str, Path]]] = defaultdict(lambda: defaultdict(dict))
    for member in members:
        *parents, name = parts = member.filename.split("/")
        if any(map(is_ignored, parts)):
            left_out.note_member(parts)
            continue
        depth = next((at for at, part in enumerate(parents) if part in folders), None)
        if depth is None:
            if name not in lists:
                continue
            depth = len(parents)
        if layout.inside and (parts[depth - 1] if depth else path.stem) not in layout.inside:
            continue
        if not is_plain(member.filename):
            raise DataError(f"{path}: no file can be found by the name of its member {member.filename}. Pack it anew.")
        if member.flag_bits & 0x1:
            raise DataError(f"{path} is encrypted ({member.filename}). Unpack it with its password, give the folder.")
        files = around[tuple(parts[:depth])][parts[depth]]
        below = "/".join(parts[depth + 1 :])
        if below in files:
            raise DataError(f"{path} holds {member.filename} twice. Fetch it again or give a folder.")
        files[below] = Path(member.filename)
    left_out.tell(str(path))
    return {Path(*parts): dict(files) for parts, files in around.items()}


def _only_place(root: str, places: dict[Path, set[str]], layout: Layout, *, found: Iterable[str]) -> Path:
    """Return the one place that is complete; where none is, the one that can be tested on; else that has a part."""
    complete = [place for place, names in places.items() if layout.is_complete(names)]
    testable = [place for place, names in places.items() if layout.is_enough_to_test(names)]
    candidates = complete or testable or list(places)
    if not candidates:
        raise DataError(f"{root} does not hold a data set. {layout.needed} Found: {listed(found)}.")
    if len(candidates) > 1:
        raise DataError(f"{root} holds {len(candidates)} data sets ({listed(map(str, candidates))}). Give one of them.")
    return candidates[0]


def _text(path: Path) -> str:
    return _decoded(read_regular(path, most_bytes=MOST_TEXT_BYTES), str(path))


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is no text: {error}. Fetch it again.") from error
