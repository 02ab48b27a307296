"""Layouts with a folder for each split, and names that tell identity and camera -> CropSets.

Those of Market-1501, DukeMTMC-reID, CUHK03-NP, VeRi-776 and LTCC, and the folders that layumi's prepare.py makes of
a data set. The latter have a folder for each identity in each split. train_all holds all training crops, train and
val the same crops in two parts; multi-query holds more pictures of the queries. Files keep their names.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from iics.data_splits import DataSplits
from iics.readers.layout_place import Layout, LayoutPlace, find_layout
from iics.readers.listed_crops import CropNames, ListedCrop, check_identities_apart, crops_of, splits_of

_IMAGE = r"(\.(jpg|jpeg|png))+"  # some files of Market-1501 end in ".jpg.jpg"
# Nine digits at most, so that every number fits its array.
_IDENTITY, _CAMERA = r"(?P<identity>-1|[0-9]{1,9})", r"c(?P<camera>[0-9]{1,9})"

ANY_MARKET = CropNames(
    "Market-1501",
    rf"{_IDENTITY}_{_CAMERA}s[0-9]+_[0-9]+_[0-9]+{_IMAGE}",
    "0002_c1s1_000451_03.jpg",
    "identity, camera and sequence, frame, box",
)
MARKET1501 = replace(ANY_MARKET, num_cameras=6)
SAMPLE = replace(
    MARKET1501,
    pattern=rf"{_IDENTITY}_{_CAMERA}s(?P<sequence>[0-9]+)_(?P<frame>[0-9]{{1,9}})_[0-9]+{_IMAGE}",
    parts="identity, camera and sequence (a tracklet of that identity), frame on one clock, box",
)
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
    place, (train, query, gallery) = find_split_folders(data_dir, names, inside=inside)
    return splits_of(train, query, gallery, name=name, archive=place.archive)


def find_split_folders(
    data_dir: Path | str, names: CropNames, *, inside: tuple[str, ...] = (), extras: tuple[str, ...] = ()
) -> tuple[LayoutPlace, tuple[list[ListedCrop], list[ListedCrop], list[ListedCrop]]]:
    """Return where such a data set lies, and the crops of train, query and gallery; none for a split that is not there.

    Args:
        data_dir: As for `read_split_folders`, and so are names and inside.
        names: See there.
        inside: See there.
        extras: Text files that are read where they are there.

    Raises:
        DataError: As `read_split_folders`.
    """
    around = f" in a folder {inside[0]}" if inside else ""
    subject = names.title if names.num_cameras else f"The {names.title} layout"
    train_folder, query_folder, gallery_folder = names.folders
    needed = f"{subject} needs the folders {train_folder}, {query_folder} and {gallery_folder}{around}."
    test = ((query_folder, gallery_folder), (gallery_folder,))
    layout = Layout(needed, (names.folders,), inside=inside, without_train=test, extras=extras)
    place = find_layout(data_dir, layout)
    is_test = train_folder not in place.files and layout.is_enough_to_test(set(place.files))
    train, query, gallery = (
        [] if is_test and folder not in place.files else crops_of(place, folder, names, needed=needed)
        for folder in names.folders
    )
    check_identities_apart(place.name, train, query + gallery)
    return place, (train, query, gallery)


PREPARED_LAYOUT = Layout(
    "Folders of layumi's prepare.py are train_all (or train and val), query and gallery, a folder an identity in each.",
    versions=(("train_all", "query", "gallery"), ("train", "val", "query", "gallery")),
    without_train=(("query", "gallery"), ("gallery",)),
)
PREPARED = CropNames(
    "prepare.py",
    r"(?!0+-)0*(?P<identity>-1|[0-9]{1,9})/(?!0+-)0*(?P=identity)_c(?P<camera>[0-9]{1,9})(s[0-9]+)?_[^/]*\.(jpg|jpeg|png)",
    "0002/0002_c1s1_000451_03.jpg",
    "folder of the identity; identity, camera and more",
)


def read_pytorch_folders(data_dir: Path | str) -> DataSplits:
    """Return train, query and gallery of such folders; multi-query is left alone.

    Args:
        data_dir: Where they lie; see `find_layout`.

    Raises:
        DataError: If a folder is missing or empty, a name does not parse or is not of its folder's identity, or an
            identity occurs both in train and in query or gallery.
    """
    place = find_layout(data_dir, PREPARED_LAYOUT)
    crops = partial(crops_of, place, names=PREPARED, needed=PREPARED_LAYOUT.needed)
    train_folders = ("train_all",) if "train_all" in place.files else ("train", "val")
    has_train = any(folder in place.files for folder in train_folders)
    train = sorted(crop for folder in train_folders for crop in crops(folder)) if has_train else []
    query = crops("query") if has_train or "query" in place.files else []
    gallery = crops("gallery")
    check_identities_apart(place.name, train, query + gallery)
    return splits_of(train, query, gallery, name="pytorch-folders", archive=place.archive)
