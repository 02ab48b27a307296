"""Which crops a gallery is to be made of, as they are named on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np

from iics.cli.source import DataName, DataSource
from iics.crops import CropSet, DataSplits
from iics.errors import DataError

SplitName = Literal["train", "query", "gallery"]
_TABLES: dict[str, DataName] = {".csv": "csv", ".parquet": "parquet"}


def named_crops(
    words: Sequence[str],
    *,
    data_dir: Path | None,
    pattern: str | None,
    splits: Sequence[SplitName],
    camera: str | None,
) -> list[CropSet]:
    """Return the crops that CROPS and its flags mean, one set or several.

    Args:
        words: The name of data as in other commands (sample, csv, ...), or paths: folders of camera folders, tables of
            crops ending in .csv or .parquet; with `camera` image files or folders of them.
        data_dir: Where the named data is.
        pattern: What its file names say.
        splits: Which splits; none for the gallery of data that has one, else all that was read as its train split.
        camera: The one camera that took all the crops.

    Raises:
        DataError: If nothing is named, the data cannot be read, or has no such split.
    """
    if not words:
        raise DataError("There is nothing to index; name folders of camera folders, a table of crops, or data.")
    is_named = len(words) == 1 and words[0] in get_args(DataName)
    if not is_named and (data_dir is not None or pattern is not None):
        raise DataError(
            f"--data-dir and --pattern belong to data by name ({', '.join(get_args(DataName))}), not to the path "
            f"{words[0]}."
        )
    if camera is not None:
        if is_named:
            raise DataError(f"--camera is for images and folders of them; {words[0]} knows its cameras. Leave it out.")
        if splits:
            raise DataError("--splits is for data with splits; images of --camera have none.")
        return [_of_one_camera(words, camera)]
    named = [DataSource(cast(DataName, words[0]), data_dir, pattern)] if is_named else []
    sources = named or [_source_of_path(Path(word)) for word in words]
    return [crops for source in sources for crops in _chosen_splits(source.load(), splits)]


def _source_of_path(path: Path) -> DataSource:
    if path.suffix.lower() in _TABLES:
        return DataSource(_TABLES[path.suffix.lower()], path)
    if path.is_file():
        raise DataError(
            f"Which camera took {path}? Say it by --camera NAME, or name a folder of camera folders or a table "
            "(.csv, .parquet)."
        )
    return DataSource("folder", path)


def _of_one_camera(words: Sequence[str], camera: str) -> CropSet:
    from iics.file_keys import file_key
    from iics.readers.folders import image_files

    if not camera:
        raise DataError("--camera needs a name.")
    named = (file for word in words for file in image_files(word))
    files = tuple({file_key(file) or file: file for file in named}.values())
    return CropSet(files, np.zeros(len(files), dtype=np.int64), (camera,), name=f"crops of {camera}")


def _chosen_splits(data: DataSplits, splits: Sequence[SplitName]) -> list[CropSet]:
    found = data.sets
    chosen = splits or (["train"] if data.gallery is None else ["gallery"])
    for split in chosen:
        if split not in found:
            raise DataError(f"{data.name} has no split {split}; it has {', '.join(found)}.")
    return [found[split] for split in chosen]
