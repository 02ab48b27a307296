"""The layout of Market-1501, DukeMTMC-reID, CUHK03-NP, VeRi-776 and LTCC: a folder per split, names that tell.

A folder for each of train, query and gallery, with identity and camera in each name -> CropSets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from iics.crops import DataSplits
from iics.errors import DataError
from iics.readers.layout_place import Layout, LayoutPlace, find_layout, listed
from iics.readers.listed_crops import ListedCrop, check_camera, check_identities_apart, splits_of

FOLDERS = ("bounding_box_train", "query", "bounding_box_test")
_IMAGE = r"(\.(jpg|jpeg|png))+"  # some files of Market-1501 end in ".jpg.jpg"
# Nine digits at most, so that every number fits its array.
_IDENTITY, _CAMERA = r"(?P<identity>-1|[0-9]{1,9})", r"c(?P<camera>[0-9]{1,9})"


@dataclass(frozen=True)
class CropNames:
    """How the files of a data set are named.

    Attributes:
        title: The data set, for messages.
        pattern: What a whole name matches, in any case; with groups `identity` and `camera`.
        example: A name.
        parts: What its parts are.
        num_cameras: Cameras are numbered from 1 to this; None if any number will do.
        folders: Of train, query and gallery.
        first_identity: Number of the first person; where that is 0, all are moved up by 1: here 0 is a distractor.
    """

    title: str
    pattern: str
    example: str
    parts: str
    num_cameras: int | None = None
    folders: tuple[str, str, str] = FOLDERS
    first_identity: int = 1


ANY_MARKET = CropNames(
    "Market-1501",
    rf"{_IDENTITY}_{_CAMERA}s[0-9]+_[0-9]+_[0-9]+{_IMAGE}",
    "0002_c1s1_000451_03.jpg",
    "identity, camera and sequence, frame, box",
)
MARKET1501 = replace(ANY_MARKET, num_cameras=6)
DUKEMTMC = CropNames(
    "DukeMTMC-reID",
    rf"{_IDENTITY}_{_CAMERA}_f[0-9]+{_IMAGE}",
    "0001_c2_f0046182.jpg",
    "identity, camera, frame",
    num_cameras=8,
)
CUHK03 = CropNames(
    "CUHK03-NP",
    rf"{_IDENTITY}_{_CAMERA}_[0-9]+{_IMAGE}",
    "0001_c1_1.png",
    "identity, camera, number",
    num_cameras=2,
)
VERI776 = CropNames(
    "VeRi-776",
    rf"{_IDENTITY}_{_CAMERA}_[0-9]+_[0-9]+{_IMAGE}",
    "0001_c001_00016450_0.jpg",
    "vehicle, camera, time, number",
    num_cameras=20,
    folders=("image_train", "image_query", "image_test"),
)
LTCC = CropNames(
    "LTCC",
    rf"{_IDENTITY}_[0-9]+_{_CAMERA}_[0-9]+{_IMAGE}",
    "094_1_c9_015833.png",
    "identity, clothes, camera, frame",
    num_cameras=12,
    folders=("train", "query", "test"),
    first_identity=0,
)


def read_split_folders(
    data_dir: Path | str, names: CropNames, *, name: str, inside: tuple[str, ...] = ()
) -> DataSplits:
    """Return train, query and gallery of a data set with a folder for each.

    Args:
        data_dir: Where it lies; see `find_layout`.
        names: How its files are named.
        name: What to call the data set in messages.
        inside: Names of which the folder around the three must have one; empty if any will do.

    Returns:
        CropSets with identities, crops in order of their names; without train, or train and query, where only the
        others are there.

    Raises:
        DataError: If the layout or a split is missing or empty, a file name does not parse, a camera does not exist,
            or an identity occurs both in train and in query or gallery.
    """
    around = f" in a folder {inside[0]}" if inside else ""
    subject = names.title if names.num_cameras else f"The {names.title} layout"
    train_folder, query_folder, gallery_folder = names.folders
    needed = f"{subject} needs the folders {train_folder}, {query_folder} and {gallery_folder}{around}."
    test = ((query_folder, gallery_folder), (gallery_folder,))
    layout = Layout(needed, (names.folders,), inside=inside, without_train=test)
    place = find_layout(data_dir, layout)
    is_test = train_folder not in place.files and layout.is_enough_to_test(set(place.files))
    train, query, gallery = (
        [] if is_test and folder not in place.files else _parse(place, folder, names, layout)
        for folder in names.folders
    )
    check_identities_apart(place.name, train, query + gallery)
    return splits_of(train, query, gallery, name=name, archive=place.archive)


def _parse(place: LayoutPlace, folder: str, names: CropNames, layout: Layout) -> list[ListedCrop]:
    if folder not in place.files:
        raise DataError(f"{place.name} has no folder {folder}. {layout.needed} Found: {listed(place.files)}.")
    pattern = re.compile(names.pattern, re.IGNORECASE)
    crops: list[ListedCrop] = []
    for name, path in sorted(place.files[folder].items()):
        if name.lower() == "readme.txt":
            continue
        match = pattern.fullmatch(name)
        if match is None:
            raise DataError(
                f"{place.name}/{folder}/{name} is not named like a {names.title} crop, e.g. {names.example} "
                f"({names.parts}). Rename it or move it away."
            )
        camera = int(match["camera"])
        if names.num_cameras is not None:
            check_camera(camera, num_cameras=names.num_cameras, file=f"{place.name}/{folder}/{name}")
        crops.append(ListedCrop(path, int(match["identity"]) + 1 - names.first_identity, camera))
    if not crops:
        raise DataError(f"{place.name}/{folder} holds no crops; at least one is needed, e.g. {names.example}.")
    return crops
