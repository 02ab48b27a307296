"""A COCO file as entries: images, annotations, categories and videos by their ids, checked for what refers to what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from iics.errors import DataError
from iics.readers.table import check_rows
from iics.regular_file import MOST_TABLE_BYTES, read_regular

_FRAMES = ("frame_id", "frame_index")
_NEEDED = "A COCO file is an object with images (id, file_name) and annotations (image_id, bbox)"


@dataclass(frozen=True, eq=False)
class Entry:
    """An object of one of the lists.

    Attributes:
        name: Its id, or its place in the list, counted from 1.
        values: Its keys; those in `attributes` count as its own.
    """

    name: str
    values: Mapping[str, Any]

    def text(self, key: str) -> str:
        """Return a value as it would stand in a table, "" if it is not there."""
        value = self.values.get(key)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return "" if value is None or isinstance(value, (dict, list)) else str(value).strip()

    def number(self, key: str) -> float | None:
        """Return a number, None if there is none."""
        value = self.values.get(key)
        return None if isinstance(value, bool) or not isinstance(value, (int, float)) else value

    @property
    def frame(self) -> float | None:
        """The number of an image within its video."""
        return next((number for key in _FRAMES if (number := self.number(key)) is not None), None)


@dataclass(frozen=True, eq=False)
class CocoFile:
    """What a file holds.

    Attributes:
        boxes: Annotations in their order, each with its image.
        images: All images.
        categories: By id.
        videos: By id.
    """

    boxes: Sequence[tuple[Entry, Entry]]
    images: Sequence[Entry]
    categories: Mapping[str, Entry]
    videos: Mapping[str, Entry]

    @cached_property
    def first_frames(self) -> dict[str, float]:
        """The lowest number of a frame among the images of each video; videos without numbered images are not there."""
        first: dict[str, float] = {}
        for image in self.images:
            number, video = image.frame, image.text("video_id")
            if number is not None:
                first[video] = min(number, first.get(video, number))
        return first


def read_coco(file: Path) -> CocoFile:
    """Return what a file holds.

    Raises:
        DataError: If it cannot be read, is no COCO file, or an annotation's image is not there.
    """
    try:
        content = json.loads(read_regular(file, most_bytes=MOST_TABLE_BYTES))
    except OSError as error:
        raise DataError(f"Cannot read {file}: {error.strerror or error}. Give a COCO file.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is no JSON: {error}. {_NEEDED}.") from error
    if isinstance(content, list):
        raise DataError(
            f"{file} is a list, as of results: it does not say which picture an image_id is. {_NEEDED}; put these "
            "boxes into its annotations."
        )
    lists = {key: _entries(content, key, file) for key in ("images", "annotations", "categories", "videos")}
    for key in ("images", "annotations"):
        if not lists[key]:
            raise DataError(f"{file} has no {key}. {_NEEDED}.")
    check_rows(len(lists["annotations"]), table=file)
    images = _by_id(lists["images"], "images", file)
    boxes = [(entry, _image_of(entry, images, file)) for entry in lists["annotations"]]
    categories, videos = (_by_id(lists[key], key, file) for key in ("categories", "videos"))
    return CocoFile(boxes, lists["images"], categories, videos)


def _entries(content: Any, key: str, file: Path) -> list[Entry]:
    found = content.get(key, []) if isinstance(content, dict) else None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise DataError(f"{file} has no list of objects under {key}. {_NEEDED}.")
    return [_entry(values, str(at)) for at, values in enumerate(found, start=1)]


def _entry(values: Mapping[str, Any], place: str) -> Entry:
    inner = values.get("attributes")
    own = Entry(place, {**inner, **values} if isinstance(inner, dict) else values)
    return Entry(own.text("id") or place, own.values)


def _by_id(entries: Sequence[Entry], key: str, file: Path) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in entries:
        number = entry.text("id")
        if not number or found.setdefault(number, entry) is not entry:
            fault = f"{number} is there twice" if number else "one has none"
            raise DataError(f"{file}: {key} need an id each, of their own; {fault}. Mend the file.")
    return found


def _image_of(entry: Entry, images: Mapping[str, Entry], file: Path) -> Entry:
    image = images.get(entry.text("image_id"))
    if image is None:
        raise DataError(
            f"{file}, annotation {entry.name}: there is no image {entry.text('image_id') or '(image_id is missing)'} "
            "among the images. Add the image, or take the annotation out."
        )
    return image
