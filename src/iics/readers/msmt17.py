"""MSMT17 on disk: two folders of crops and four lists -> train (list_train + list_val), query and gallery.

A line of a list is `0000/0000_000_01_0303morning_0015_0.jpg 0`: identity folder; identity, number, camera, day and part
of day, two more numbers, at times `_ex`; the label. V1 keeps its crops in train and test, V2, whose faces are blurred,
in mask_train_v2 and mask_test_v2.

Identities start at 0 in train and again in test. Here, 0 is a distractor, and people of train and test must have
different numbers: train has 1 to 1,041, query and gallery have 1,042 to 4,101.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from iics.data_splits import DataSplits
from iics.errors import DataError
from iics.readers.layout_place import Layout, LayoutPlace, find_layout, listed
from iics.readers.listed_crops import ListedCrop, check_camera, splits_of

VERSIONS = {"V1": ("train", "test"), "V2": ("mask_train_v2", "mask_test_v2")}
TRAIN_LISTS, QUERY_LIST, GALLERY_LIST = ("list_train.txt", "list_val.txt"), "list_query.txt", "list_gallery.txt"
LAYOUT = Layout(
    "MSMT17 needs the folders train and test (V1) or mask_train_v2 and mask_test_v2 (V2), and beside them the files "
    "list_train.txt, list_val.txt, list_query.txt and list_gallery.txt.",
    versions=tuple(VERSIONS.values()),
    lists=(*TRAIN_LISTS, QUERY_LIST, GALLERY_LIST),
)
EXAMPLE_LINE = "0000/0000_000_01_0303morning_0015_0.jpg 0"
NUM_CAMERAS = 15
_LINE = re.compile(
    r"(?P<file>(?P<folder>[0-9]{1,9})/(?P<identity>[0-9]{1,9})_[0-9]+_(?P<camera>[0-9]{1,9})_\w+\.(jpg|jpeg|png))"
    r"\s+(?P<label>[0-9]{1,9})",
    re.ASCII | re.IGNORECASE,
)


class _Entry(NamedTuple):
    """A line of a list; the file is named from the folder of crops."""

    file: str
    label: int
    camera: int


def read_msmt17(data_dir: Path | str) -> DataSplits:
    """Return train, query and gallery of MSMT17, V1 or V2.

    Returns:
        Three CropSets with identities, crops in order of their paths whatever the order of the lists.

    Raises:
        DataError: If a folder or list is missing, both versions are there or parts of both, a line does not parse or
            contradicts itself, a file is listed twice, or the lists and the files on disk are not the same.
    """
    place = find_layout(data_dir, LAYOUT)
    train_folder, test_folder = _folders(place)
    lists = {text: _entries(place, text) for text in LAYOUT.lists}
    _check_against_files(place, train_folder, {text: lists[text] for text in TRAIN_LISTS})
    _check_against_files(place, test_folder, {text: lists[text] for text in (QUERY_LIST, GALLERY_LIST)})
    train = [entry for text in TRAIN_LISTS for entry in lists[text]]
    first_tested = 1 + max(entry.label for entry in train) + 1
    return splits_of(
        _crops(place, train_folder, train, first_identity=1),
        _crops(place, test_folder, lists[QUERY_LIST], first_identity=first_tested),
        _crops(place, test_folder, lists[GALLERY_LIST], first_identity=first_tested),
        name="msmt17",
        archive=place.archive,
    )


def _folders(place: LayoutPlace) -> tuple[str, str]:
    """Return the folders of train and test of the one version that is there."""
    found = {version: [name for name in names if name in place.files] for version, names in VERSIONS.items()}
    if all(found.values()):
        raise DataError(
            f"{place.name} mixes two versions of MSMT17: {' and '.join(found['V1'])} (V1) beside "
            f"{' and '.join(found['V2'])} (V2). Keep each version, with its lists, in a folder of its own."
        )
    for version, (train, test) in VERSIONS.items():
        if found[version] == [train, test]:
            return train, test
    raise DataError(f"{place.name} lacks a folder. {LAYOUT.needed} Found: {listed([*place.files, *place.texts])}.")


def _entries(place: LayoutPlace, text: str) -> list[_Entry]:
    if text not in place.texts:
        raise DataError(f"{place.name} has no file {text}. {LAYOUT.needed}")
    entries: list[_Entry] = []
    for number, line in enumerate(place.texts[text].splitlines(), start=1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise DataError(
                f"{place.name}/{text}, line {number}: {line.strip()!r} is not like {EXAMPLE_LINE!r}. "
                "Fetch the list again."
            )
        label, camera = int(match["label"]), int(match["camera"])
        if not label == int(match["folder"]) == int(match["identity"]):
            raise DataError(
                f"{place.name}/{text}, line {number}: the label {label} contradicts {match['file']}, of folder "
                f"{match['folder']} and identity {match['identity']}. Fetch the list again."
            )
        check_camera(camera, num_cameras=NUM_CAMERAS, file=f"{place.name}/{text}, line {number}")
        entries.append(_Entry(match["file"], label, camera))
    if not entries:
        raise DataError(f"{place.name}/{text} lists no crops; at least one is needed, e.g. {EXAMPLE_LINE!r}.")
    return entries


def _check_against_files(place: LayoutPlace, folder: str, lists: dict[str, list[_Entry]]) -> None:
    """Refuse lists that do not name each file of their folder once."""
    list_of: dict[str, str] = {}
    for text, entries in lists.items():
        for file, *_ in entries:
            if file in list_of:
                before = list_of[file]
                where = f"twice in {text}" if before == text else f"in {before} and in {text}"
                raise DataError(f"{place.name}: {file} is {where}; each crop may occur once. Fetch the lists again.")
            list_of[file] = text
    faults = []
    absent = sorted(list_of.keys() - place.files[folder].keys())
    if absent:
        faults.append(f"{list_of[absent[0]]} names {absent[0]}, which is not in {folder} ({len(absent)} such files)")
    extra = sorted(place.files[folder].keys() - list_of.keys())
    if extra:
        faults.append(f"{folder}/{extra[0]} is in neither {' nor '.join(lists)} ({len(extra)} such files)")
    if faults:
        raise DataError(
            f"{place.name}: {'; '.join(faults)}. Take lists and images from one archive of one version, unpacked anew."
        )


def _crops(place: LayoutPlace, folder: str, entries: list[_Entry], *, first_identity: int) -> list[ListedCrop]:
    files = place.files[folder]
    return [ListedCrop(files[file], label + first_identity, camera) for file, label, camera in sorted(entries)]
