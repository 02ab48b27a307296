"""VeRi-776 as published: three folders of crops, and the tracks of the test in a list -> CropSets.

Names such as `0002_c002_00030600_0.jpg` hold vehicle, camera, time (a count of frames) and a number. A line of
test_track.txt is the name of a track and then its crops in image_test, about six of one vehicle by one camera. The
queries are crops of these tracks, under the same names in image_query. The XML files of labels repeat vehicle and
camera, and add colour and type, which are not kept; gt_index.txt and jk_index.txt say which gallery crops are right
and which are ignored (the query's vehicle, by another camera and by the query's), as `market1501` does.
"""

from __future__ import annotations

import logging
from pathlib import Path

from iics.data_splits import DataSplits
from iics.errors import DataError
from iics.readers.layout_place import LayoutPlace
from iics.readers.listed_crops import ListedCrop, splits_of
from iics.readers.split_folders import VERI776, find_split_folders

TRACKS = "test_track.txt"

logger = logging.getLogger(__name__)


def read_veri776(data_dir: Path | str) -> DataSplits:
    """Return train, query and gallery, the latter two with tracklets where test_track.txt is there.

    Raises:
        DataError: If the layout or a split is missing or empty, a name does not parse, an identity is both in train
            and in query or gallery, or a track shows two vehicles or cameras.
    """
    place, (train, query, gallery) = find_split_folders(data_dir, VERI776, extras=(TRACKS,))
    if TRACKS in place.texts:
        tracks = _tracks(place, gallery)
        query, gallery = (
            [crop._replace(tracklet=tracks.get(crop.path.name, -1)) for crop in crops] for crops in (query, gallery)
        )
    return splits_of(train, query, gallery, name="veri776", archive=place.archive)


def _tracks(place: LayoutPlace, gallery: list[ListedCrop]) -> dict[str, int]:
    """Return the number of the track of each crop that the list names."""
    crops = {crop.path.name: crop for crop in gallery}
    tracks: dict[str, int] = {}
    absent = []
    for number, line in enumerate(place.texts[TRACKS].splitlines(), start=1):
        names = [word for word in line.split() if "." in word]  # the first word is the name of the track
        absent += [name for name in names if name not in crops]
        shown = {(crops[name].identity, crops[name].camera) for name in names if name in crops}
        if len(shown) > 1:
            raise DataError(
                f"{place.name}/{TRACKS}, line {number}: a track is one vehicle seen by one camera, got {len(shown)} "
                f"of these, e.g. in {names[0]} and {names[-1]}. Fetch the list again."
            )
        twice = next((name for name in names if name in tracks), None)
        if twice is not None:
            raise DataError(
                f"{place.name}/{TRACKS}, line {number}: {twice} is in a track before. Fetch the list again."
            )
        tracks |= dict.fromkeys(names, number - 1)
    if absent:
        logger.warning(
            "%s/%s names %d crops that are not in image_test, e.g. %s; they are passed over.",
            place.name,
            TRACKS,
            len(absent),
            absent[0],
        )
    return tracks
