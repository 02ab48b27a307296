"""DataSplits: a data set as its reader found it; and refusals of what is no split, or no whole data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from iics.crops import CropSet
from iics.errors import DataError


@dataclass(frozen=True)
class DataSplits:
    """A data set as its reader found it: the splits that it has, at least train or gallery.

    Attributes:
        name: What to call it in messages.
        train: Crops to train on; None in data that is only measured or searched.
        query: Crops to search with; None unless there is a gallery.
        gallery: Crops to search in.

    Raises:
        DataError: If there is neither train nor gallery, or a query without a gallery.
    """

    name: str
    train: CropSet | None = None
    query: CropSet | None = None
    gallery: CropSet | None = None

    def __post_init__(self) -> None:
        if self.query is not None and self.gallery is None:
            raise DataError(f"{self.name} has a query but no gallery; crops are searched for in a gallery.")
        if self.train is None and self.gallery is None:
            raise DataError(f"{self.name} holds no crops; crops to train on, or a gallery, are needed.")

    @property
    def sets(self) -> dict[str, CropSet]:
        """The splits that there are, by name, in the order train, query, gallery."""
        found = {"train": self.train, "query": self.query, "gallery": self.gallery}
        return {split: crops for split, crops in found.items() if crops is not None}

    def to_train_on(self) -> CropSet:
        """Return the crops to train on.

        Raises:
            DataError: If there are none; the message says what there is.
        """
        if self.train is None:
            found = " and ".join(f"{len(crops)} of {split}" for split, crops in self.sets.items())
            raise DataError(
                f"{self.name} has no crop to train on: it holds {found}. Add crops of split train: rows of a table, or "
                "the folder of training crops."
            )
        return self.train

    def to_look_at(self) -> CropSet:
        """Return the crops that stand for the data where no split is asked for: train or, without it, the gallery."""
        return cast(CropSet, self.gallery if self.train is None else self.train)


def one_split(crops: object, *, what: str) -> CropSet:
    """Return crops if they are those of one split.

    Args:
        crops: As a caller gave them.
        what: What they are for, the beginning of a sentence: "The query".

    Raises:
        DataError: If they are None, all splits of a data set, or something that has to be read first.
    """
    if isinstance(crops, CropSet):
        return crops
    if crops is None:
        raise DataError(
            f"{what} is None: the data has no such split. Cameras without identities have train alone; "
            "DataSplits.sets says which splits there are."
        )
    if isinstance(crops, DataSplits):
        raise DataError(f"{what} is one split of {crops.name}; it has {', '.join(f'.{name}' for name in crops.sets)}.")
    raise DataError(
        f"{what} is a CropSet, got {crops!r:.80}. Readers make one, e.g. iics.load_folder('cameras').train."
    )


def all_splits(data: object, *, what: str) -> DataSplits:
    """Return data if it is a whole data set, as readers return it.

    Raises:
        DataError: If it is one split, or something that has to be read first.
    """
    if isinstance(data, DataSplits):
        return data
    if isinstance(data, CropSet):
        raise DataError(
            f"{what} takes a whole data set, got the crops of one split, {data.name}. Give what the reader returned, "
            "or iics.DataSplits('name', train=crops)."
        )
    raise DataError(
        f"{what} takes a whole data set, got {data!r:.80}. Readers make one, e.g. iics.load_folder('cameras')."
    )
