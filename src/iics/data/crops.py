"""CropSet: which crops there are, who took them and, if known, who is on them.

The one data contract: readers make it, everything else takes it. Pixels are read by `iics.data.images`.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from iics.errors import DataError

IntArray = npt.NDArray[np.int64]

JUNK_IDENTITY = -1
"""A box that is no person or a bad detection: ignored in evaluation, no identity to measure pseudo-labels against."""
DISTRACTOR_IDENTITY = 0
"""A person who is nobody's match: stays in the gallery, never a query."""


@dataclass(frozen=True, eq=False)
class CropSet:
    """Person crops with the camera that took each, and identities where they are known.

    Attributes:
        paths: File of each crop; inside `archive` if that is set. Length n, no duplicates.
        camera_ids: Index of each crop's camera into `camera_names`. Shape (n,).
        camera_names: Names of the cameras, in natural order whatever the order of the files. A camera may have no
            crop here (a split of a larger data set keeps all names).
        identity_ids: Identity of each crop, or None if there are none. -1 is junk, 0 a distractor. Shape (n,).
        archive: Zip file that holds the paths, or None for plain files.
        name: What to call this set in messages, e.g. "market1501 train".

    Raises:
        DataError: If the set is empty, lengths differ, a camera index is out of range or a path occurs twice.
    """

    paths: tuple[Path, ...]
    camera_ids: IntArray
    camera_names: tuple[str, ...]
    identity_ids: IntArray | None = None
    archive: Path | None = None
    name: str = "crops"

    def __post_init__(self) -> None:
        num_crops = len(self.paths)
        if num_crops == 0:
            raise DataError(f"{self.name} holds no crops; at least one is needed.")
        object.__setattr__(self, "camera_ids", _frozen_ids(self.camera_ids))
        if self.camera_ids.shape != (num_crops,):
            raise DataError(f"{self.name}: {num_crops} paths but camera_ids of shape {self.camera_ids.shape}.")
        if self.camera_ids.min() < 0 or self.camera_ids.max() >= len(self.camera_names):
            raise DataError(
                f"{self.name}: camera_ids reach from {self.camera_ids.min()} to {self.camera_ids.max()}, "
                f"but there are {len(self.camera_names)} camera names."
            )
        if self.identity_ids is not None:
            object.__setattr__(self, "identity_ids", _frozen_ids(self.identity_ids))
            if self.identity_ids.shape != (num_crops,):
                raise DataError(f"{self.name}: {num_crops} paths but identity_ids of shape {self.identity_ids.shape}.")
        if len(set(self.paths)) != num_crops:
            seen: set[Path] = set()
            twice = next(path for path in self.paths if path in seen or seen.add(path))  # type: ignore[func-returns-value]
            raise DataError(f"{self.name} lists {twice} twice; each crop may occur once.")

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def num_cameras(self) -> int:
        """Number of cameras that have at least one crop here."""
        return len(np.unique(self.camera_ids))

    def subset(self, indices: npt.ArrayLike, *, name: str | None = None) -> CropSet:
        """Return the crops at `indices`, in that order; camera names and numbers stay."""
        chosen = np.asarray(indices)
        if chosen.dtype == np.bool_:
            chosen = np.flatnonzero(chosen)
        return replace(
            self,
            paths=tuple(self.paths[i] for i in chosen),
            camera_ids=self.camera_ids[chosen],
            identity_ids=None if self.identity_ids is None else self.identity_ids[chosen],
            name=self.name if name is None else name,
        )

    def without_identities(self) -> CropSet:
        """Return the same crops as an unlabelled set."""
        return replace(self, identity_ids=None)

    def fingerprint(self) -> str:
        """Return a short hash of the crops' order, cameras, and paths below the folder that they have in common.

        Two sets with the same fingerprint list the same files, wherever they lie. Contents are not read: a picture that
        was changed in place goes unnoticed.
        """
        folders = [path.parent for path in self.paths]
        root = os.path.commonpath(folders)
        digest = hashlib.sha256()
        for path, camera in zip(self.paths, self.camera_ids, strict=True):
            digest.update(os.fsencode(f"{path.relative_to(root).as_posix()}\t{self.camera_names[camera]}\n"))
        return digest.hexdigest()[:16]

    def identity_fingerprint(self) -> str:
        """Return a short hash of the identities in the order of the crops, "" if there are none."""
        return "" if self.identity_ids is None else hashlib.sha256(self.identity_ids.tobytes()).hexdigest()[:16]

    def label(self, index: int) -> str:
        """Return the full place of one crop, for messages: its file, inside its archive if there is one."""
        path = self.paths[index]
        return str(path) if self.archive is None else f"{self.archive}:{path.as_posix()}"


@dataclass(frozen=True)
class DataSplits:
    """A data set as its reader found it: crops to train on and, where the layout has them, query and gallery."""

    name: str
    train: CropSet
    query: CropSet | None = None
    gallery: CropSet | None = None

    def __post_init__(self) -> None:
        if (self.query is None) != (self.gallery is None):
            raise DataError(f"{self.name} has a query or a gallery but not both; evaluation needs the two.")


def read_crop_bytes(crops: CropSet, index: int, *, archive: zipfile.ZipFile | None = None) -> bytes:
    """Return the encoded file of one crop.

    Args:
        crops: The set.
        index: Which crop.
        archive: The open zip of `crops.archive`; opened for this one read if it is None.

    Raises:
        DataError: If the file cannot be read.
    """
    try:
        if crops.archive is None:
            return crops.paths[index].read_bytes()
        if archive is not None:
            return archive.read(crops.paths[index].as_posix())
        with zipfile.ZipFile(crops.archive) as opened:
            return opened.read(crops.paths[index].as_posix())
    except (OSError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        # RuntimeError is how zipfile reports a member that is encrypted or packed by an unknown method.
        raise DataError(f"Cannot read {crops.label(index)}: {error}.") from error


def natural_order(names: Iterable[str]) -> list[str]:
    """Return the different names, sorted with their numbers as numbers: cam2 before cam10."""
    return sorted(set(names), key=_natural_key)


def _natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    # re.split with one group alternates text and number; the name itself settles "2" against "02".
    pieces = re.split(r"([0-9]+)", name)
    return [(int(piece), "") if at % 2 else (-1, piece) for at, piece in enumerate(pieces)], name


def _frozen_ids(ids: npt.ArrayLike) -> IntArray:
    array = np.array(ids, dtype=np.int64)
    array.setflags(write=False)
    return array
