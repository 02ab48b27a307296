"""MARS as published: tracklets of people, with the queries among them named by the authors' info files -> CropSets.

bbox_train and bbox_test hold a folder per identity and names such as `0065C1T0002F0016.jpg`: identity, camera,
tracklet, frame. 00-1 is junk, 0000 a distractor. The queries are tracklets of bbox_test. info/query_IDX.mat holds
their row numbers in info/tracks_test_info.mat; such a row holds first crop, last crop, identity and camera, the
crops as line numbers of info/test_name.txt. All numbers count from 1. All other tracklets are gallery.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from iics.arrays import IntArray
from iics.crops import JUNK_IDENTITY
from iics.data_splits import DataSplits
from iics.errors import DataError
from iics.readers.layout_place import Layout, LayoutPlace, find_layout
from iics.readers.listed_crops import CropNames, ListedCrop, check_identities_apart, matched_files, splits_of
from iics.regular_file import MOST_TEXT_BYTES, read_regular
from iics.zip_member import ZIP_FAULTS, open_zip, read_member

TRAIN, TEST, INFO = "bbox_train", "bbox_test", "info"
TEST_NAMES, TEST_TRACKS, QUERIES = "test_name.txt", "tracks_test_info.mat", "query_IDX.mat"
LAYOUT = Layout(
    f"MARS needs the folders {TRAIN} and {TEST}, and beside them {INFO} of its authors' MARS-evaluation, with "
    f"{TEST_NAMES}, {TEST_TRACKS} and {QUERIES}.",
    versions=((TRAIN, TEST, INFO),),
    without_train=((TEST, INFO),),
)
NAMES = CropNames(
    "MARS",
    r"(?P<identity>00-1|[0-9]{4})/(?P=identity)C(?P<camera>[1-6])T(?P<tracklet>[0-9]+)F[0-9]+\.jpe?g",
    "0065/0065C1T0002F0016.jpg",
    "folder of the identity; identity, camera, tracklet, frame",
)


class _Tracklet(NamedTuple):
    """Tracklets are numbered anew for each identity."""

    identity: int
    number: int
    camera: int


def read_mars(data_dir: Path | str) -> DataSplits:
    """Return train, query and gallery of MARS, with the tracklet of each crop.

    Raises:
        DataError: If a folder or file is missing, a name does not parse, or the info files and the names contradict
            each other.
    """
    place = find_layout(data_dir, LAYOUT)
    for folder in (TEST, INFO):
        if folder not in place.files:
            raise DataError(f"{place.name} has no folder {folder}. {LAYOUT.needed}")
    test = _crops(place, TEST)
    queries = _query_tracklets(place)
    query = [crop for crop, tracklet in test if tracklet in queries]
    gallery = [crop for crop, tracklet in test if tracklet not in queries]
    train = [crop for crop, _ in _crops(place, TRAIN)] if TRAIN in place.files else []
    check_identities_apart(place.name, train, query + gallery)
    return splits_of(train, query, gallery, name="mars", archive=place.archive)


def _crops(place: LayoutPlace, folder: str) -> list[tuple[ListedCrop, _Tracklet]]:
    numbers: dict[_Tracklet, int] = {}
    crops = []
    for match, path in matched_files(place, folder, NAMES, needed=LAYOUT.needed):
        tracklet = _tracklet(match)
        number = numbers.setdefault(tracklet, len(numbers))
        crops.append((ListedCrop(path, tracklet.identity, tracklet.camera, number), tracklet))
    return crops


def _tracklet(match: re.Match[str]) -> _Tracklet:
    identity = JUNK_IDENTITY if match["identity"] == "00-1" else int(match["identity"])
    return _Tracklet(identity, int(match["tracklet"]), int(match["camera"]))


def _query_tracklets(place: LayoutPlace) -> set[_Tracklet]:
    names = _read(place, TEST_NAMES).decode(errors="replace").split()
    tracks = _matrix(place, TEST_TRACKS, "track_test_info").reshape(-1, 4)
    rows = _matrix(place, QUERIES, "query_IDX").ravel() - 1
    if len(rows) == 0 or rows.min() < 0 or rows.max() >= len(tracks) or tracks[:, :2].max() > len(names):
        raise DataError(
            f"{place.name}/{INFO}: {QUERIES}, {TEST_TRACKS} and {TEST_NAMES} do not belong together. Fetch all anew."
        )
    queries = set()
    for first, _, identity, camera in tracks[rows].tolist():
        name = names[first - 1]
        match = re.fullmatch(NAMES.pattern, f"{name[:4]}/{name}", re.ASCII | re.IGNORECASE)
        if match is None or (tracklet := _tracklet(match))[::2] != (identity, camera):
            raise DataError(
                f"{place.name}/{INFO}: a query is of identity {identity} and camera {camera} in {TEST_TRACKS}, but "
                f"line {first} of {TEST_NAMES} is {name}. Fetch all of {INFO} anew."
            )
        queries.add(tracklet)
    return queries


def _matrix(place: LayoutPlace, file: str, variable: str) -> IntArray:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        values: Any = loadmat(io.BytesIO(_read(place, file)))[variable]
        return np.asarray(values, dtype=np.int64)
    except (TypeError, MatReadError, *ZIP_FAULTS) as error:
        raise DataError(f"{place.name}/{INFO}/{file} holds no {variable}: {error}. Fetch it anew.") from error


def _read(place: LayoutPlace, file: str) -> bytes:
    if file not in place.files[INFO]:
        raise DataError(f"{place.name}/{INFO} has no file {file}. {LAYOUT.needed}")
    path = place.files[INFO][file]
    try:
        if place.archive is None:
            return read_regular(path, most_bytes=MOST_TEXT_BYTES)
        with open_zip(place.archive) as archive:
            return read_member(archive, path.as_posix(), most_bytes=MOST_TEXT_BYTES)
    except (DataError, *ZIP_FAULTS) as error:
        raise DataError(f"Cannot read {place.name}/{INFO}/{file}: {error}. Fetch it anew.") from error
