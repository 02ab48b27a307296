"""Crops as a benchmark's reader listed them, split by split -> DataSplits whose splits number cameras alike."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from iics.crops import DISTRACTOR_IDENTITY, JUNK_IDENTITY, CropSet, DataSplits
from iics.errors import DataError


class ListedCrop(NamedTuple):
    """One crop: its file, who is on it, the number of the camera as the data set counts, and its tracklet if known."""

    path: Path
    identity: int
    camera: int
    tracklet: int = -1


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
        tracklets = np.array([crop.tracklet for crop in crops])
        return CropSet(
            paths=tuple(crop.path for crop in crops),
            camera_ids=np.array([indices[crop.camera] for crop in crops]),
            camera_names=tuple(map(str, cameras)),
            identity_ids=np.array([crop.identity for crop in crops]),
            tracklet_ids=tracklets if tracklets.max() >= 0 else None,
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
