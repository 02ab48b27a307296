"""CropSet: which crops there are, who took them and, if known, who is on them.

The one data contract: readers make it, everything else takes it. Pixels are read by `iics.pixels.images`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from iics.arrays import DoubleArray, IntArray
from iics.errors import DataError
from iics.plausible_times import EARLIEST, LATEST, implausibility

BOX_COLUMNS = ("left", "top", "width", "height")
"""What the numbers of a box are called, in tables that are read and written."""
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
        times: When each crop was taken, in seconds since any one moment (1970 where dates are known), NaN if unknown.
            None if no time is known. Shape (n,).
        tracklet_ids: Tracklet of each crop: crops of one number are one person, followed by one camera. Numbers are
            unique over all cameras, -1 is unknown. None if no tracklet is known. Shape (n,).
        boxes: Where the crop lies in its file, in pixels: left, top, width, height; two crops may then share a file.
            None if each file is a crop. Shape (n, 4).

    Raises:
        DataError: If the set is empty, lengths differ, a camera index is out of range, a tracklet spans cameras, a box
            is empty, a time is no plausible moment in seconds, or a path (with its box) occurs twice.
    """

    paths: tuple[Path, ...]
    camera_ids: IntArray
    camera_names: tuple[str, ...]
    identity_ids: IntArray | None = None
    archive: Path | None = None
    name: str = "crops"
    times: DoubleArray | None = None
    tracklet_ids: IntArray | None = None
    boxes: IntArray | None = None

    def __post_init__(self) -> None:
        num_crops = len(self.paths)
        if num_crops == 0:
            raise DataError(f"{self.name} holds no crops; at least one is needed.")
        for field, dtype, shape in (
            ("camera_ids", np.int64, (num_crops,)),
            ("identity_ids", np.int64, (num_crops,)),
            ("times", np.float64, (num_crops,)),
            ("tracklet_ids", np.int64, (num_crops,)),
            ("boxes", np.int64, (num_crops, 4)),
        ):
            self._freeze(field, dtype, shape)
        if self.camera_ids.min() < 0 or self.camera_ids.max() >= len(self.camera_names):
            raise DataError(
                f"{self.name}: camera_ids reach from {self.camera_ids.min()} to {self.camera_ids.max()}, "
                f"but there are {len(self.camera_names)} camera names."
            )
        self._check_places()
        self._check_tracklets()
        self._check_times()

    def _freeze(self, field: str, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
        """Replace a field by a read-only copy of the right type, or refuse its shape."""
        values = getattr(self, field)
        if values is None:
            return
        array = np.array(values, dtype=dtype)
        if array.shape != shape:
            raise DataError(f"{self.name}: {shape[0]} paths but {field} of shape {array.shape}.")
        if dtype is np.int64:
            self._check_whole(field, np.asarray(values), array)
        array.setflags(write=False)
        object.__setattr__(self, field, array)

    def _check_whole(self, field: str, given: npt.NDArray[np.generic], whole: IntArray) -> None:
        """Refuse numbers with a fraction, which would be cut off, and boxes in shares of the picture."""
        if given.dtype.kind != "f":
            return
        is_share = field == "boxes" and bool(whole.max(initial=0) <= 1)
        if (given != whole).any() or is_share:
            way_out = " Boxes are left, top, width, height in pixels; multiply shares by the picture's size."
            first = (given[given != whole] if (given != whole).any() else given.ravel())[0]
            raise DataError(
                f"{self.name}: {field} are whole numbers, got {first:g}.{way_out if field == 'boxes' else ''}"
            )

    def _check_places(self) -> None:
        """Refuse empty boxes, and a place that is listed twice."""
        paths = one_spelling(self.paths)
        places: list[tuple[object, ...]] = [(path,) for path in paths]
        if self.boxes is not None:
            bad = np.flatnonzero((self.boxes[:, :2] < 0).any(axis=1) | (self.boxes[:, 2:] < 1).any(axis=1))
            if len(bad):
                left, top, width, height = self.boxes[bad[0]].tolist()
                raise DataError(
                    f"{self.name}: the box at left {left}, top {top} of {width} x {height} pixels in "
                    f"{self.paths[bad[0]]} is empty or begins outside the picture."
                )
            places = [(path, *box) for path, box in zip(paths, self.boxes.tolist(), strict=True)]
        if len(set(places)) != len(places):
            seen: set[tuple[object, ...]] = set()
            twice = next(at for at, place in enumerate(places) if place in seen or seen.add(place))  # type: ignore[func-returns-value]
            raise DataError(f"{self.name} lists {self._place(twice)} twice; each crop may occur once.")

    def _check_tracklets(self) -> None:
        if self.tracklet_ids is None:
            return
        known = self.tracklet_ids >= 0
        pairs = np.unique(np.stack([self.tracklet_ids[known], self.camera_ids[known]]), axis=1)
        tracklets, num_cameras = np.unique(pairs[0], return_counts=True)
        if (num_cameras > 1).any():
            raise DataError(
                f"{self.name}: tracklet {tracklets[num_cameras > 1][0]} is in two cameras; a tracklet is one person "
                "followed by one camera. Number tracklets apart."
            )

    def _check_times(self) -> None:
        """Refuse a time that is no moment in seconds, such as one in milliseconds."""
        if self.times is None:
            return
        bad = np.flatnonzero(~(np.isnan(self.times) | ((self.times >= EARLIEST) & (self.times < LATEST))))
        if len(bad):
            time = float(self.times[bad[0]])
            raise DataError(f"{self.name}: the time of {self._place(bad[0])}, {time:.15g}, {implausibility(time)}.")

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        """What it is in a line: thousands of paths would fill the screen."""
        known = {"identities": self.identity_ids, "times": self.times, "tracklets": self.tracklet_ids}
        told = [
            *(name for name, values in known.items() if values is not None),
            *(["boxes"] if self.boxes is not None else []),
        ]
        cameras = f"{self.num_cameras} camera{'' if self.num_cameras == 1 else 's'}"
        crops = f"{len(self)} crop{'' if len(self) == 1 else 's'}"
        return f"<CropSet {self.name}: {crops} of {cameras}, {', '.join(told) or 'nothing else known'}>"

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
            times=None if self.times is None else self.times[chosen],
            tracklet_ids=None if self.tracklet_ids is None else self.tracklet_ids[chosen],
            boxes=None if self.boxes is None else self.boxes[chosen],
            name=self.name if name is None else name,
        )

    def without_identities(self) -> CropSet:
        """Return the same crops as an unlabelled set."""
        return replace(self, identity_ids=None)

    def fingerprint(self) -> str:
        """Return a short hash of the crops' order, cameras, boxes, and paths below the folder that they have in common.

        Two sets with the same fingerprint list the same files, wherever they lie. Contents are not read: a picture that
        was changed in place goes unnoticed.
        """
        folders = [path.parent for path in self.paths]
        root = os.path.commonpath(folders)
        digest = hashlib.sha256()
        for path, camera in zip(self.paths, self.camera_ids, strict=True):
            digest.update(os.fsencode(f"{path.relative_to(root).as_posix()}\t{self.camera_names[camera]}\n"))
        if self.boxes is not None:
            digest.update(self.boxes.tobytes())
        return digest.hexdigest()[:16]

    def identity_fingerprint(self) -> str:
        """Return a short hash of the identities in the order of the crops, "" if there are none."""
        return "" if self.identity_ids is None else hashlib.sha256(self.identity_ids.tobytes()).hexdigest()[:16]

    def tracklet_fingerprint(self) -> str:
        """Return a short hash of tracklets and times in the order of the crops, however tracklets are numbered."""
        digest = hashlib.sha256()
        if self.tracklet_ids is not None:
            _, first, place = np.unique(self.tracklet_ids, return_index=True, return_inverse=True)
            digest.update(np.where(self.tracklet_ids < 0, -1, first[place]).tobytes())
        if self.times is not None:
            digest.update(self.times.tobytes())
        return digest.hexdigest()[:16]

    def label(self, index: int) -> str:
        """Return the full place of one crop, for messages: its file, its archive and its box if there are any."""
        place = self._place(index)
        return place if self.archive is None else f"{self.archive}:{place}"

    def _place(self, index: int) -> str:
        path = self.paths[index]
        place = str(path) if self.archive is None else path.as_posix()
        if self.boxes is None:
            return place
        left, top, width, height = self.boxes[index].tolist()
        return f"{place}[{width}x{height}+{left}+{top}]"


def one_spelling(paths: Iterable[Path]) -> list[str]:
    """Return paths as text, alike for one file as far as text tells: without .., and absolute if some of them are."""
    texts = list(map(os.fspath, paths))
    if len({text.startswith(os.sep) for text in texts}) > 1:
        return list(map(os.path.abspath, texts))
    return [os.path.normpath(text) if ".." in text else text for text in texts]
