"""Crops that a benchmark's reader lists by split -> DataSplits with the same camera numbers in all splits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from iics.crops import DISTRACTOR_IDENTITY, JUNK_IDENTITY, CropSet
from iics.data_splits import DataSplits
from iics.errors import DataError
from iics.readers.layout_place import LayoutPlace, listed

FRAMES_A_SECOND = 25.0
"""Of names that count frames: what matters is which frames are the same, and that times overlap."""
FOLDERS = ("bounding_box_train", "query", "bounding_box_test")


@dataclass(frozen=True)
class CropNames:
    """How the files of a data set are named.

    Attributes:
        title: The data set, for messages.
        pattern: What a whole name matches, in any case, from the folder of its split on; with groups `identity` and
            `camera`. With a group `sequence`, an identity's crops of one camera and sequence are a tracklet, and a
            group `frame` counts frames on one clock.
        example: A name.
        parts: What its parts are.
        num_cameras: Cameras are numbered from 1 to this; None if any number will do.
        folders: Of train, query and gallery.
        first_identity: Number of the first person. If it is 0, all become one more, because 0 is a distractor here.
    """

    title: str
    pattern: str
    example: str
    parts: str
    num_cameras: int | None = None
    folders: tuple[str, str, str] = FOLDERS
    first_identity: int = 1


class ListedCrop(NamedTuple):
    """One crop: its file, who is on it, its camera as the data set counts; tracklet and frame if known."""

    path: Path
    identity: int
    camera: int
    tracklet: int = -1
    frame: int = -1


def matched_files(
    place: LayoutPlace, folder: str, names: CropNames, *, needed: str
) -> list[tuple[re.Match[str], Path]]:
    """Return what the name of each file of a folder says, in order of the names, and where the file is.

    Raises:
        DataError: If the folder is missing or empty, or a name does not parse.
    """
    if folder not in place.files:
        raise DataError(f"{place.name} has no folder {folder}. {needed} Found: {listed(place.files)}.")
    pattern = re.compile(names.pattern, re.ASCII | re.IGNORECASE)
    found: list[tuple[re.Match[str], Path]] = []
    for name, path in sorted(place.files[folder].items()):
        if name.lower() == "readme.txt":
            continue
        match = pattern.fullmatch(name)
        if match is None:
            raise DataError(
                f"{place.name}/{folder}/{name} is not named like a {names.title} crop, e.g. {names.example} "
                f"({names.parts}). Rename it or move it away."
            )
        found.append((match, path))
    if not found:
        raise DataError(f"{place.name}/{folder} holds no crops; at least one is needed, e.g. {names.example}.")
    return found


def crops_of(place: LayoutPlace, folder: str, names: CropNames, *, needed: str) -> list[ListedCrop]:
    """Return the crops of a folder by identity and camera in their names.

    Raises:
        DataError: As `matched_files`, and if a camera does not exist.
    """
    crops = []
    numbers: dict[tuple[str, ...], int] = {}
    for match, path in matched_files(place, folder, names, needed=needed):
        camera = int(match["camera"])
        if names.num_cameras is not None:
            check_camera(camera, num_cameras=names.num_cameras, file=f"{place.name}/{folder}/{match.string}")
        identity = int(match["identity"]) + 1 - names.first_identity
        crop = ListedCrop(path, identity, camera)
        if "sequence" in match.re.groupindex:
            followed = match["identity"], match["camera"], match["sequence"]
            # Junk and distractors are many, under one name.
            tracklet = numbers.setdefault(followed, len(numbers)) if identity > DISTRACTOR_IDENTITY else -1
            crop = crop._replace(tracklet=tracklet, frame=int(match["frame"]))
        crops.append(crop)
    return crops


def splits_of(
    train: list[ListedCrop], query: list[ListedCrop], gallery: list[ListedCrop], *, name: str, archive: Path | None
) -> DataSplits:
    """Return the sets; all have the same cameras, the union over the splits in order of their numbers.

    Args:
        train: Crops to train on, in the order they shall have; empty if there are none, as in the other splits.
        query: Likewise.
        gallery: Likewise.
        name: What to call the data set in messages.
        archive: Zip that holds the paths, or None.
    """
    cameras = sorted({crop.camera for crops in (train, query, gallery) for crop in crops})
    indices = {camera: index for index, camera in enumerate(cameras)}

    def crop_set(split: str, crops: list[ListedCrop]) -> CropSet | None:
        if not crops:
            return None
        tracklets, frames = (np.array([getattr(crop, field) for crop in crops]) for field in ("tracklet", "frame"))
        return CropSet(
            paths=tuple(crop.path for crop in crops),
            camera_ids=np.array([indices[crop.camera] for crop in crops]),
            camera_names=tuple(map(str, cameras)),
            identity_ids=np.array([crop.identity for crop in crops]),
            tracklet_ids=tracklets if tracklets.max() >= 0 else None,
            times=frames / FRAMES_A_SECOND if frames.max() >= 0 else None,
            archive=archive,
            name=f"{name} {split}",
        )

    return DataSplits(
        name=name,
        train=crop_set("train", train),
        query=crop_set("query", query),
        gallery=crop_set("gallery", gallery),
    )


def check_identities_apart(place: str, train: list[ListedCrop], test: list[ListedCrop]) -> None:
    """Refuse people who are both in train and in the test.

    Raises:
        DataError: If there are any, junk and distractors not counted.
    """
    shared = {crop.identity for crop in train} & {crop.identity for crop in test}
    shared -= {JUNK_IDENTITY, DISTRACTOR_IDENTITY}
    if shared:
        raise DataError(
            f"{place}: identities both in train and in query or gallery: {len(shared)}, e.g. {min(shared):04d}. "
            "A test on people seen in training says nothing; keep each person on one side."
        )


def check_camera(camera: int, *, num_cameras: int, file: str) -> None:
    """Refuse a camera that the data set does not have.

    Raises:
        DataError: If the number is not in 1..num_cameras.
    """
    if not 1 <= camera <= num_cameras:
        raise DataError(f"{file}: camera {camera}, but there are cameras 1 to {num_cameras}. Fetch the data set again.")
