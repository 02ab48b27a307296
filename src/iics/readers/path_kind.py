"""Which reader a path is for, where no name of data is given: a folder of camera folders, or a table of crops or boxes.

Only names are looked at. What two readers could read in two ways is refused with both commands, never guessed.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from iics.errors import DataError
from iics.home_folder import expanded
from iics.video_pictures import VIDEO_SUFFIXES

TABLES: dict[str, Literal["csv", "parquet", "coco", "mot"]] = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".json": "coco",
    ".txt": "mot",
}
_OF_LAYOUTS = {
    "bounding_box_train": "market-layout (data of your own), market1501, dukemtmc, occluded-duke, ltcc or cuhk03-...",
    "bounding_box_test": "market-layout (data of your own), market1501, dukemtmc, occluded-duke, ltcc or cuhk03-...",
    "bbox_train": "mars",
    "image_train": "veri776",
    "list_train.txt": "msmt17",
    "train_all": "pytorch-folders",
}
"""Names in the folders of published data sets, and what may be meant: read as cameras they would be nonsense."""


def kind_of_path(path: Path) -> Literal["folder", "csv", "parquet", "coco", "mot"]:
    """Return the name of the reader of a path that exists.

    Raises:
        DataError: If it is a file that is no table, or a folder in the layout of a published data set.
    """
    if path.suffix.lower() in TABLES and not path.is_dir():
        return TABLES[path.suffix.lower()]
    if path.is_file():
        raise DataError(
            f"{path} is neither a folder of camera folders nor a table (.csv, .parquet) nor boxes in frames (.txt, "
            f".json). {_way_out(path)}"
        )
    if not path.is_dir():
        raise DataError(
            f"There is no data at {path}; name a folder of camera folders, a table (.csv, .parquet), or boxes in "
            "frames (.txt, .json)."
        )
    for name, meant in _OF_LAYOUTS.items():
        if (path / name).exists():
            raise DataError(
                f"{path} holds {name}, as published data sets do, and would be misread as folders of cameras. Say what "
                f"it is: {meant}, with --data-dir {path}; or folder, if {name} is one of your cameras."
            )
    if _holds_sequences(path):
        raise DataError(
            f"{path} holds boxes and frames as MOTChallenge has them, and whole frames would be misread as crops. Say "
            f"which: mot --data-dir {path} (each sequence has ids of its own), mtmc (cameras that share their ids), or "
            "folder, if the pictures are crops."
        )
    return "folder"


def _holds_sequences(folder: Path) -> bool:
    from iics.readers.mot_sequence import is_sequence  # late: it opens pictures

    with suppress(OSError):  # what cannot be listed is told of by the reader
        return is_sequence(folder) or any(is_sequence(each) for each in folder.iterdir() if each.is_dir())
    return False


def unknown_data(word: str, *, names: Sequence[str]) -> DataError:
    """Return the error for a word that is neither data by name nor a path; the nearest of both is suggested."""
    if expanded(word).exists():
        return DataError(f"{word} is a path, and --data-dir is another; leave one of them out.")
    folders = sorted(place.name for place in Path().iterdir() if place.is_dir() and not place.name.startswith("."))
    near = difflib.get_close_matches(word, [*names, *folders], n=2)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return DataError(
        f"{word!r} is no data: there is no file or folder of that name here, and no reader. {hint}Name a folder that "
        f"has one folder of crops per camera, a table (.csv, .parquet), boxes (.txt, .json), or one of "
        f"{', '.join(names)}."
    )


def _way_out(path: Path) -> str:
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return (
            "Boxes of its frames, in a file beside it, can be read (docs/boxes.md). Cut crops out of a video first: "
            f"iics crop {path.name} --camera NAME --out crops."
        )
    if path.suffix.lower() == ".zip":
        return f"Of a zip, say which data set it holds, e.g. market1501 --data-dir {path.name}."
    return "Put crops into a folder for each camera, e.g. cameras/lobby/0001.jpg."
