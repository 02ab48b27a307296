"""Folders that layumi's prepare.py makes of a data set: a folder for each split, and in it one for each identity.

train_all is all training crops, train and val are the same crops parted; multi-query holds further pictures of the
queries. Files keep their names, which begin with identity and camera: `0002_c1s1_000451_03.jpg`.
"""

from __future__ import annotations

import re
from pathlib import Path

from iics.crops import DataSplits
from iics.errors import DataError
from iics.readers.layout_place import Layout, LayoutPlace, find_layout
from iics.readers.listed_crops import ListedCrop, check_identities_apart, splits_of

LAYOUT = Layout(
    "Folders of layumi's prepare.py are train_all (or train and val), query and gallery, a folder an identity in each.",
    versions=(("train_all", "query", "gallery"), ("train", "val", "query", "gallery")),
    without_train=(("query", "gallery"), ("gallery",)),
)
EXAMPLE = "0002/0002_c1s1_000451_03.jpg"
_NAME = re.compile(
    r"(?P<folder>-1|[0-9]{1,9})/(?P<identity>-1|[0-9]{1,9})_c(?P<camera>[0-9]{1,9})(s[0-9]+)?_[^/]*\.(jpg|jpeg|png)",
    re.ASCII | re.IGNORECASE,
)


def read_pytorch_folders(data_dir: Path | str, *, name: str = "pytorch-folders") -> DataSplits:
    """Return train, query and gallery of such folders; multi-query is left alone.

    Args:
        data_dir: Where they lie; see `find_layout`.
        name: What to call the data set in messages.

    Raises:
        DataError: If a folder is missing or empty, a name does not parse or is not of its folder's identity, or an
            identity occurs both in train and in query or gallery.
    """
    place = find_layout(data_dir, LAYOUT)
    train_folders = ("train_all",) if "train_all" in place.files else ("train", "val")
    has_train = any(folder in place.files for folder in train_folders)
    train = sorted(crop for folder in train_folders for crop in _crops(place, folder)) if has_train else []
    query = _crops(place, "query") if has_train or "query" in place.files else []
    gallery = _crops(place, "gallery")
    check_identities_apart(place.name, train, query + gallery)
    return splits_of(train, query, gallery, name=name, archive=place.archive)


def _crops(place: LayoutPlace, folder: str) -> list[ListedCrop]:
    if folder not in place.files:
        raise DataError(f"{place.name} has no folder {folder}. {LAYOUT.needed}")
    crops = []
    for name, path in sorted(place.files[folder].items()):
        match = _NAME.fullmatch(name)
        if match is None or int(match["folder"]) != int(match["identity"]):
            raise DataError(
                f"{place.name}/{folder}/{name} is not named like {EXAMPLE}: a folder of the identity, and names that "
                "begin with identity and camera. Rename it or move it away."
            )
        crops.append(ListedCrop(path, int(match["identity"]), int(match["camera"])))
    if not crops:
        raise DataError(f"{place.name}/{folder} holds no crops; at least one is needed, e.g. {EXAMPLE}.")
    return crops
