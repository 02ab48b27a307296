"""Your own cameras: one folder of crops per camera -> CropSet, without identities.

The first folder level names the camera; images may lie at any depth below it. A folder without folders is one camera.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from iics.crops import CropSet
from iics.data_splits import DataSplits
from iics.errors import DataError
from iics.home_folder import expanded
from iics.natural_order import natural_order
from iics.readers.camera_rule import NONE, ONE_CAMERA, warn_of_one_camera
from iics.readers.left_out import IMAGE_SUFFIXES, LeftOut, is_ignored

SIDE_SUFFIXES = frozenset({".txt", ".json", ".csv", ".md"})
"""Notes and tables that people keep beside their images; left alone."""
_NEEDED = "One folder per camera is needed, e.g. cameras/lobby/0001.jpg."


def load_folder(data_dir: Path | str, *, camera_by: str | None = None) -> DataSplits:
    """Return the crops of a folder that holds one folder per camera, e.g. `cameras/lobby/0001.jpg`.

    What the first folders are, cameras or sessions, sites and days that stand for them, is the user's
    (docs/weak_cameras.md).

    Args:
        data_dir: The folder of camera folders. Notes (.txt, .json, .csv, .md) are ignored, and, with a warning that
            counts pictures, what is hidden or kept by a NAS or desktop (`iics.readers.left_out`).
        camera_by: `none` if all crops, at any depth, are of one camera; so they are, with a warning, if the folder
            holds images and no folders.

    Returns:
        Splits with `train` only: cameras in natural order of their folder names, crops in order of
            their paths.

    Raises:
        DataError: If the folder is missing, has images both in and outside of folders, if a camera folder has no image,
            or if it holds a file that is neither an image nor one of the ignored kinds.
    """
    root = expanded(data_dir)
    left_out = LeftOut()
    if camera_by is not None and camera_by != NONE:
        raise DataError(
            f"Folders name their cameras and nothing else; --camera-by {camera_by} is for tables and name patterns "
            f"(e.g. --pattern '{{session}}/{{}}.jpg' --camera-by session). Of folders: --camera-by none."
        )
    if camera_by == NONE or _holds_images_alone(root):
        return _of_one_camera(root, left_out, is_told=camera_by == NONE)
    camera_names = _camera_names(root, left_out)
    crops: list[tuple[str, Path, int]] = []
    for camera_id, camera in enumerate(camera_names):
        images = images_below(root / camera, left_out)
        if not images:
            raise DataError(
                f"Camera folder {root / camera} holds no image ({_image_kinds()}). Add crops or remove the folder."
            )
        crops += [(path.as_posix(), path, camera_id) for path in images]
    left_out.tell(str(root))
    crops.sort()  # by path, as every reader does: the same crops are the same run whoever reads them
    _, paths, camera_ids = zip(*crops, strict=True)
    train = CropSet(paths, np.array(camera_ids), tuple(camera_names), name=f"{root.name} train")
    return DataSplits(name=root.name, train=train)


def files_below(folder: Path, left_out: LeftOut | None = None) -> list[Path]:
    """Return all files at any depth, sorted by path, except what is hidden or kept by a system beside them.

    Args:
        folder: The folder.
        left_out: Records these exceptions; if None, a warning follows at once.

    Raises:
        DataError: If a folder cannot be read, or is a link. Links below `folder` are not followed, because they may
        be circular; skipping them would lose crops silently.
    """
    files: list[Path] = []
    noted = LeftOut() if left_out is None else left_out
    try:
        for parent, folders, names in os.walk(folder, onerror=_raise):
            for name in filter(is_ignored, [*folders, *names]):
                noted.note_entry(Path(parent, name))
            folders[:] = [name for name in folders if not is_ignored(name)]
            linked = [name for name in folders if Path(parent, name).is_symlink()]
            if linked:
                raise DataError(f"{Path(parent, linked[0])} is a link to a folder. Put the folder itself there.")
            files += [Path(parent, name) for name in names if not is_ignored(name)]
    except OSError as error:
        raise DataError(f"Cannot list {folder}: {error}. Check its permissions.") from error
    if left_out is None:
        noted.tell(str(folder))
    return sorted(files, key=lambda path: path.as_posix())


def images_below(folder: Path, left_out: LeftOut | None = None) -> list[Path]:
    """Return the images at any depth below a folder, sorted by path; notes and tables beside them are left alone.

    Args:
        folder: The folder.
        left_out: As for `files_below`.

    Raises:
        DataError: As `files_below`, or if there is something else than images and notes.
    """
    files = [path for path in files_below(folder, left_out) if path.suffix.lower() not in SIDE_SUFFIXES]
    for path in files:
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            raise DataError(f"{path} is no image ({_image_kinds()}) and would be left out. Remove or convert it.")
    return files


def image_files(path: Path | str) -> list[Path]:
    """Return an image file as it is, or the images at any depth below a folder, sorted by path.

    Raises:
        DataError: If nothing is there, a folder holds no image, or something else than images.
    """
    place = expanded(path)
    if place.is_file():
        return [place]
    if not place.is_dir():
        found = "no file or folder" if place.exists() else "nothing"
        raise DataError(f"There is {found} at {place}; give image files ({_image_kinds()}) or folders of them.")
    images = images_below(place)
    if not images:
        raise DataError(f"{place} holds no image ({_image_kinds()}).")
    return images


def _entries(root: Path) -> list[Path]:
    if not root.is_dir():
        found = "is a file" if root.exists() else "does not exist"
        raise DataError(f"{_NEEDED} {root} {found}; give the folder that holds the camera folders.")
    try:
        return sorted(root.iterdir())
    except OSError as error:
        raise DataError(f"Cannot list {root}: {error}. Check its permissions.") from error


def _holds_images_alone(root: Path) -> bool:
    """Return whether images lie in a folder itself, and no folder does."""
    entries = [entry for entry in _entries(root) if not is_ignored(entry.name)]
    return any(entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file() for entry in entries) and not any(
        entry.is_dir() for entry in entries
    )


def _of_one_camera(root: Path, left_out: LeftOut, *, is_told: bool) -> DataSplits:
    _entries(root)
    images = images_below(root, left_out)
    left_out.tell(str(root))
    if not images:
        raise DataError(f"{root} holds no image ({_image_kinds()}). Put the crops there.")
    if not is_told:
        warn_of_one_camera(len(images), what=f"{root} holds images and no folder of a camera")
    train = CropSet(tuple(images), np.zeros(len(images), np.int64), (ONE_CAMERA,), name=f"{root.name} train")
    return DataSplits(name=root.name, train=train)


def _camera_names(root: Path, left_out: LeftOut) -> list[str]:
    found_entries = _entries(root)
    entries = [entry for entry in found_entries if not is_ignored(entry.name)]
    for entry in set(found_entries).difference(entries):
        left_out.note_entry(entry)
    loose = [entry for entry in entries if not entry.is_dir() and entry.suffix.lower() not in SIDE_SUFFIXES]
    if loose:
        is_image = loose[0].suffix.lower() in IMAGE_SUFFIXES
        found = "an image outside of any camera folder" if is_image else f"no image ({_image_kinds()})"
        none = " With --camera-by none, all images are of one camera." if is_image else ""
        raise DataError(f"{_NEEDED} {loose[0]} is {found}; move it into the folder of its camera or away.{none}")
    camera_names = natural_order(entry.name for entry in entries if entry.is_dir())
    if not camera_names:
        raise DataError(f"{_NEEDED} {root} has no folder in it; make one for each camera and put its crops there.")
    return camera_names


def _image_kinds() -> str:
    return ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))


def _raise(error: OSError) -> None:
    raise error
