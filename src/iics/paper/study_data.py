"""What the tables are trained and tested on: whole data sets, fewer identities of them, halves of their cameras.

DataSplits -> DataSplits. Identities choose the crops here, which training itself never does: a table is made where they
are known.
"""

from __future__ import annotations

import numpy as np

from iics.arrays import IntArray
from iics.crops import DISTRACTOR_IDENTITY, CropSet
from iics.data_splits import DataSplits
from iics.errors import DataError

_SUBSET_SEED = 0  # the same people in the runs of all seeds


def check_measurable(splits: DataSplits) -> tuple[CropSet, CropSet]:
    """Return query and gallery.

    Raises:
        DataError: If there are none, or a split has no identities.
    """
    if splits.query is None or splits.gallery is None:
        raise DataError(f"{splits.name} has no query and gallery; the tables are mAP and CMC and need both.")
    for crops in (splits.to_train_on(), splits.query, splits.gallery):
        if crops.identity_ids is None:
            raise DataError(f"{crops.name} has no identities; the tables measure against them.")
    return splits.query, splits.gallery


def num_identities(crops: CropSet) -> int:
    """Return how many people are seen, junk and distractors left out."""
    return len(_people(crops))


def with_fewer_identities(splits: DataSplits, *, num_train: int, num_test: int) -> DataSplits:
    """Return at most so many identities of a data set, drawn at random and always the same ones.

    Junk and distractors of a gallery stay where all of its identities do, and are left out otherwise.
    """
    query, gallery = check_measurable(splits)
    train = splits.to_train_on()
    people = _people(train)
    if len(people) > num_train:
        train = _showing(train, _drawn(people, num_train), f"{num_train} identities")
    people = _people(query)
    if len(people) > num_test:
        drawn = _drawn(people, num_test)
        query = _showing(query, drawn, f"{num_test} identities")
        gallery = _showing(gallery, drawn, f"{num_test} identities")
    return DataSplits(splits.name, train, query, gallery)


def camera_halves(splits: DataSplits) -> tuple[DataSplits, DataSplits]:
    """Return two data sets: what the first half of the cameras took, and what the second half took.

    Raises:
        DataError: If there are fewer than four cameras: within each half, people are searched across cameras.
    """
    query, gallery = check_measurable(splits)
    train = splits.to_train_on()
    cameras = np.unique(train.camera_ids)
    if len(cameras) < 4:
        raise DataError(
            "Table 3 within one data set trains on half of the cameras and tests on either half; that takes 4 cameras, "
            f"{train.name} has {len(cameras)}. Name a second data set with --other-data."
        )
    first, second = cameras[: (len(cameras) + 1) // 2], cameras[(len(cameras) + 1) // 2 :]
    return _taken_by(splits, query, gallery, first), _taken_by(splits, query, gallery, second)


def _taken_by(splits: DataSplits, query: CropSet, gallery: CropSet, cameras: IntArray) -> DataSplits:
    train = splits.to_train_on()
    name = f"cameras {', '.join(train.camera_names[camera] for camera in cameras)}"
    parts = []
    for crops in (train, query, gallery):
        is_taken = np.isin(crops.camera_ids, cameras)
        if not is_taken.any():
            raise DataError(f"{crops.name} has no crop of {name}; Table 3 needs some in each half of the cameras.")
        parts.append(crops.subset(is_taken, name=f"{crops.name}, {name}"))
    return DataSplits(name, *parts)


def _people(crops: CropSet) -> IntArray:
    identities = np.zeros(0, dtype=np.int64) if crops.identity_ids is None else crops.identity_ids
    people: IntArray = np.unique(identities[identities > DISTRACTOR_IDENTITY])
    return people


def _drawn(people: IntArray, number: int) -> IntArray:
    return np.random.default_rng(_SUBSET_SEED).choice(people, size=number, replace=False)


def _showing(crops: CropSet, people: IntArray, what: str) -> CropSet:
    identities = np.zeros(0, dtype=np.int64) if crops.identity_ids is None else crops.identity_ids
    return crops.subset(np.isin(identities, people), name=f"{crops.name}, {what}")
