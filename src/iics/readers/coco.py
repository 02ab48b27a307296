"""Boxes in COCO's JSON with their frames -> CropSets: each annotation is a crop.

Read are images (file_name), annotations (bbox, category_id) and, where they are there, categories, videos, track_id or
instance_id (a tracklet), identity, camera and time. Keys that trackers and annotation tools put into `attributes` count
as the annotation's own. Masks and keypoints play no part.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from iics.crops import BOX_COLUMNS
from iics.data_splits import DataSplits
from iics.errors import DataError
from iics.home_folder import expanded
from iics.readers.box_columns import BoxColumns
from iics.readers.coco_file import CocoFile, Entry, read_coco
from iics.readers.table import CropTable, splits_of_table
from iics.video_pictures import VIDEO_SUFFIXES, picture_path

logger = logging.getLogger(__name__)

_COLUMNS = ("path", "camera", "time", "identity", "tracklet", "split", *BOX_COLUMNS)
_TRACKS = ("track_id", "instance_id")
_PERSON = "person"


def load_coco(file: Path | str, *, classes: Collection[str] | None = None) -> DataSplits:
    """Return the boxes of a COCO file as crops.

    Args:
        file: The JSON file. Pictures are looked for in its folder, in the folder above, and in `images` of both.
            If an image's video is a video file there, its frame is read from that.
        classes: Names of the categories to keep. By default the only one, or `person` where there are several.

    Returns:
        Train and, if annotations or images have `split`, query and gallery. The camera is the image's `camera`, or else
        its video, the first folder of its file name, or the name of the JSON file.

    Raises:
        DataError: If the file or pictures are missing, or an entry cannot be meant; the message names it.
    """
    path = expanded(file).absolute()
    found = read_coco(path)
    kept = _of_classes(found, classes, path)
    places = [f"{path.name}, annotation {entry.name}" for entry, _ in kept]
    pictures = _Pictures(found, path)
    rows: dict[str, list[str]] = {column: [] for column in _COLUMNS}
    for (entry, image), place in zip(kept, places, strict=True):
        values = {
            "path": str(pictures.path_of(image)),
            "camera": pictures.camera_of(image),
            "time": pictures.time_of(image),
            "identity": entry.text("identity"),
            "tracklet": next((text for key in _TRACKS if (text := entry.text(key))), ""),
            "split": entry.text("split") or image.text("split"),
            **dict(zip(BOX_COLUMNS, _box(entry, place), strict=True)),
        }
        for column, value in values.items():
            rows[column].append(value)
    _check_tracks(rows, kept, places, found)
    rows = {column: values for column, values in rows.items() if any(values)}
    return splits_of_table(CropTable(path.stem, path.parent, rows, places, BoxColumns(BOX_COLUMNS, "corner and size")))


def _of_classes(found: CocoFile, classes: Collection[str] | None, path: Path) -> list[tuple[Entry, Entry]]:
    """Return the annotations that are crops of one of the classes, with their images; log how many are not."""
    names = {number: category.text("name") for number, category in found.categories.items()}
    used = {names.get(entry.text("category_id"), "") for entry, _ in found.boxes}
    wanted = (used if len(used) == 1 else {_PERSON}) if classes is None else set(classes)
    unknown = sorted(wanted - set(names.values()) - used)
    if unknown:
        said = "has boxes of several classes and none is person" if classes is None else f"has no class {unknown[0]}"
        raise DataError(
            f"{path} {said}; it has {', '.join(sorted(filter(None, names.values()))[:20])}. Say which are to be read: "
            "--classes NAME,NAME."
        )
    left_out = Counter[str]()
    kept = []
    for entry, image in found.boxes:
        name = names.get(entry.text("category_id"), "")
        if name not in wanted:
            left_out[f"of class {name or 'unknown'}"] += 1
        elif entry.text("iscrowd") in ("1", "True"):
            left_out["around a crowd (iscrowd)"] += 1
        else:
            kept.append((entry, image))
    listed = "; ".join(f"{number} {reason}" for reason, number in sorted(left_out.items()))
    if not kept:
        raise DataError(f"{path} has no box to read{f'; left out are {listed}' if listed else ''}.")
    if left_out:
        logger.warning("%s: %d boxes are read; left out are %s.", path.stem, len(kept), listed)
    return kept


def _box(entry: Entry, place: str) -> list[str]:
    box = entry.values.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        raise DataError(f"{place}: bbox {box!r:.80} is not four numbers; COCO's are left, top, width and height.")
    return [str(value) for value in box]


def _check_tracks(
    rows: Mapping[str, Sequence[str]], kept: Sequence[tuple[Entry, Entry]], places: Sequence[str], found: CocoFile
) -> None:
    """Refuse a track with two boxes in one image, and one of a video that is in two cameras."""
    at_image: dict[tuple[str, str, str], int] = {}
    camera_of: dict[tuple[str, str], int] = {}
    for at, (_, image) in enumerate(kept):
        track, camera = rows["tracklet"][at], rows["camera"][at]
        if track in ("", "-1"):
            continue
        first = at_image.setdefault((camera, image.name, track), at)
        if first != at:
            raise DataError(
                f"{places[at]}: track {track} has two boxes in one image (the other is {places[first]}); two boxes of "
                "a frame are two individuals. Remove one of them, or give it another track_id."
            )
        if found.videos and (video := image.text("video_id")):
            before = camera_of.setdefault((video, track), at)
            if rows["camera"][before] != camera:
                raise DataError(
                    f"{places[at]}: track {track} is in two cameras, {rows['camera'][before]} ({places[before]}) and "
                    f"{camera}; a tracklet is one individual followed by one camera. Give it another track_id there."
                )


@dataclass(frozen=True, eq=False)
class _Pictures:
    """Where the pictures of a COCO file are, who took them, and when."""

    found: CocoFile
    file: Path

    def path_of(self, image: Entry) -> Path:
        """Return the picture of an image: a file, or a frame of its video."""
        name = image.text("file_name")
        video = self._video_file(image)
        if video is not None:
            return picture_path(video, self._frame(image) + 1)
        if not name:
            raise DataError(f"{self.file.name}, image {image.name}: file_name is missing; each image needs one.")
        return self._existing(name) or self.file.parent / name

    def camera_of(self, image: Entry) -> str:
        """Return the camera of an image."""
        said = image.text("camera")
        video = self._video(image)
        if said:
            return said
        if video is not None:
            name = PurePosixPath(video.text("name") or video.text("file_name") or video.name)
            return name.stem if name.suffix.lower() in VIDEO_SUFFIXES else str(name)
        folders = PurePosixPath(image.text("file_name")).parts[:-1]
        return next((part for part in folders if part not in ("/", ".", "..", "images")), self.file.stem)

    def time_of(self, image: Entry) -> str:
        """Return the time of an image in seconds, "" if it is not known."""
        if image.text("time"):
            return image.text("time")
        video = self._video(image)
        rate = 0.0 if video is None else float(video.number("fps") or video.number("frame_rate") or 0.0)
        return f"{self._frame(image) / rate:.6f}" if rate > 0 and image.frame is not None else ""

    def _existing(self, name: str) -> Path | None:
        folder = self.file.parent
        places = (folder, folder.parent, folder / "images", folder.parent / "images")
        return next((place / name for place in places if (place / name).is_file()), None)

    def _video(self, image: Entry) -> Entry | None:
        number = image.text("video_id")
        if number and self.found.videos and number not in self.found.videos:
            raise DataError(f"{self.file.name}, image {image.name}: there is no video {number} among the videos.")
        return self.found.videos.get(number)

    def _video_file(self, image: Entry) -> Path | None:
        """Return the file of an image's video, None if the image has a picture of its own or no such file is there."""
        video = self._video(image)
        if video is None or self._existing(image.text("file_name") or "?") is not None:
            return None
        names = [video.text(key) for key in ("file_name", "name")]
        named = [name for name in names if PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES]
        return next((place for name in named if (place := self._existing(name)) is not None), None)

    def _frame(self, image: Entry) -> int:
        """Return the frame of an image within its video, from 0, whether the file counts from 0 or 1."""
        first = self.found.first_frames.get(image.text("video_id"))
        if image.frame is None or image.frame != int(image.frame) or first not in (0, 1):
            begin = "there are none" if first is None else f"here they begin with {first:g}"
            raise DataError(
                f"{self.file.name}, image {image.name}: the images of a video need frame_id, counted from 0 or 1; "
                f"{begin}. List all images of the video, the first included."
            )
        return int(image.frame) - int(first)
