"""What a caller of `iics.train` gave, made whole or refused with what was needed."""

from __future__ import annotations

from pathlib import Path

from iics.config import Settings
from iics.crops import CropSet
from iics.data_splits import DataSplits, one_split
from iics.errors import DataError, SettingsError


def given_crops(crops: object) -> CropSet:
    """Return crops that may be what a reader gave for a split that is not there.

    Raises:
        DataError: If they are no crops.
    """
    if crops is None:
        raise DataError(
            "There are no crops to train on (None): the data has no split train. DataSplits.to_train_on() says what it "
            "has instead."
        )
    return one_split(crops, what="What is trained on")


def given_settings(settings: object) -> Settings:
    """Return settings if they are some.

    Raises:
        SettingsError: If they are none, or something else.
    """
    if isinstance(settings, Settings):
        return settings
    got = "none were given" if settings is None else f"got {settings!r:.80}"
    raise SettingsError(
        f"Training needs settings, and {got}: settings=iics.presets.SAMPLE, iics.Settings(...), or those that fit your "
        "crops, iics.fit_settings(crops).settings."
    )


def given_folder(out: Path | str | None) -> Path:
    """Return the run folder to make.

    Raises:
        SettingsError: If there is none.
    """
    if out is None:
        raise SettingsError("Training needs a folder to keep its run in, and none was given: out='runs/first'.")
    return Path(out)


def as_data(crops: CropSet, query: CropSet | None, gallery: CropSet | None) -> DataSplits:
    """Return crops and what is measured on as one data set.

    Raises:
        DataError: If one of query and gallery is missing, or has no identities.
    """
    for name, other, split in (("query", "gallery", gallery), ("gallery", "query", query)):
        if split is None and (query is not None or gallery is not None):
            raise DataError(f"There is a {name} and no {other}; one is searched in the other. Give both or none.")
    for name, split in (("query", query), ("gallery", gallery)):
        if split is not None and one_split(split, what=f"The {name}").identity_ids is None:
            raise DataError(f"The {name}, {split.name}, has no identities to measure against. Leave out both.")
    return DataSplits(crops.name, train=crops, query=query, gallery=gallery)
