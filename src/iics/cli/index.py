"""`iics index`: crops into a gallery, to search them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import numpy as np
import tyro

from iics.cli.keep_days import set_limit
from iics.cli.model_file import load_model_or_run, path_of_model
from iics.cli.parse import parse
from iics.cli.people_told import told_aged
from iics.cli.source import DataName, DataSource
from iics.config import Centre
from iics.crops import CropSet
from iics.data_splits import DataSplits
from iics.errors import DataError
from iics.progress_display import count_display, count_of
from iics.ranges import BATCH, check_ranges, number
from iics.readers.path_kind import TABLES, kind_of_path
from iics.shown_name import shown

if TYPE_CHECKING:
    from iics.gallery.gallery import Gallery
    from iics.gallery.indexing import IndexResult
    from iics.models.reid_model import ReidModel

SplitName = Literal["train", "query", "gallery"]


@dataclass(frozen=True)
class IndexCommand:
    """Put crops into a gallery: their features with camera, time, tracklet, identity and path.

    The gallery is made if there is none. Crops that are in it are not embedded again, so the same command goes on after
    an interruption and adds what is new (docs/gallery.md). Needs the extra gallery.
    """

    gallery: tyro.conf.Positional[str]
    """Gallery: a folder ending in .db, or a Milvus server, http://host:port."""
    crops: tyro.conf.Positional[tuple[str, ...]]
    """Folders of camera folders, tables of crops (.csv, .parquet) or boxes (.txt, .json), or data by name as in iics
    train (sample, market1501, pattern, ...); with --camera image files or folders of them."""
    model: Path
    """Model file, or the run folder that holds it."""
    data_dir: Path | None = None
    """Where data by name is."""
    pattern: str | None = None
    """What file names of the data pattern say."""
    camera_by: str | None = None
    """What stands for the camera in CROPS, as for iics train (docs/weak_cameras.md)."""
    classes: str | None = None
    """Of mot, mtmc and coco: the classes whose boxes are crops, e.g. car,truck."""
    splits: tuple[SplitName, ...] = ()
    """Of data with splits: which. By default its gallery, or all it has to train on if it has none."""
    camera: str | None = None
    """The one camera that took all of CROPS."""
    collection: str = "iics"
    """Name of the gallery within its database."""
    centre: Centre | None = None
    """How the gallery is searched unless a search says otherwise: off, on, or auto, which decides by its crops, without
    labels (docs/centring.md). By default as before, and off at first. Features are stored plain either way."""
    keep_days: Annotated[float, number(0, 36500)] | None = None
    """Delete crops that were taken so many days ago or longer, as iics people does. The gallery keeps the limit; 0 ends
    it."""
    batch_size: Annotated[int, BATCH] = 128
    """Crops that go through the network at once."""
    device: str = "auto"
    """Device to compute on: auto, cpu, cuda."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")


def main(arguments: list[str]) -> int:
    """Run the command; 1 if crops could not be read."""
    command = parse(IndexCommand, arguments, command="index")
    sets = named_crops(
        command.crops,
        data_dir=command.data_dir,
        pattern=command.pattern,
        camera_by=command.camera_by,
        classes=command.classes,
        splits=command.splits,
        camera=command.camera,
    )
    from iics.gallery.gallery import Gallery
    from iics.gallery.indexing import IndexResult, check_index_fits, index_crops
    from iics.models.centring import needed_means
    from iics.people.keeping import forget_aged

    model = load_model_or_run(command.model, device=command.device)
    if command.centre == "on":
        needed_means(model.camera_means)
    check_index_fits(model, sum(map(len, sets)), batch_size=command.batch_size)
    with (
        Gallery.open_or_create(
            command.gallery, model=model, model_file=path_of_model(command.model), collection=command.collection
        ) as gallery,
        _resume_hint(command.gallery),
    ):
        set_limit(gallery, command.keep_days)
        result = IndexResult()
        with count_display("indexed", sum(map(len, sets))) as progress:
            for crops in sets:
                result += index_crops(gallery, model, crops, batch_size=command.batch_size, progress=progress)
        if command.centre is not None:
            keep_centre(gallery, model, command.centre)
        print(f"{describe(result)}; {count_of(gallery.num_crops, 'crop')} in {command.gallery}", flush=True)
        for line in told_aged(forget_aged(gallery), is_asked=command.keep_days is not None):
            print(line)
    return report_failures(result)


def describe(result: IndexResult) -> str:
    """Return what became of crops in a line: 12 new, 3 changed, 1 updated, 240 known."""
    counts = {
        "new": result.num_new,
        "changed": result.num_changed,
        "updated": result.num_updated,
        "known": result.num_known,
        "unreadable": len(result.failures),
    }
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number or name in ("new", "known"))


def keep_centre(gallery: Gallery, model: ReidModel, centre: Centre) -> None:
    """Decide how the gallery is searched from now on, say why, and keep it."""
    from iics.gallery.centred_gallery import gallery_choice

    choice = gallery_choice(gallery, model.camera_means, centre, is_new=True)
    choice.log()
    gallery.keep_centre_choice(choice)


def report_failures(result: IndexResult) -> int:
    """Name the crops that are not in the gallery; return the exit code."""
    for failure in result.failures:
        print(f"not indexed: {shown(failure)}", file=sys.stderr)
    return 1 if result.failures else 0


@contextmanager
def _resume_hint(gallery: str) -> Iterator[None]:
    """On Ctrl-C, say how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"\nStopped; what was written is in {gallery}, and the same command goes on.", file=sys.stderr)
        raise


def named_crops(
    words: Sequence[str],
    *,
    data_dir: Path | None,
    pattern: str | None,
    camera_by: str | None,
    classes: str | None,
    splits: Sequence[SplitName],
    camera: str | None,
) -> list[CropSet]:
    """Return the crops that CROPS and its flags mean, one set or several.

    Args:
        words: The name of data as in other commands (sample, csv, ...), or paths: folders of camera folders, tables of
            crops or boxes (`path_kind.TABLES`); with `camera` image files or folders of them.
        data_dir: Where the named data is.
        pattern: What its file names say.
        camera_by: What stands for the camera in it.
        classes: Of boxes in frames, which classes.
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
        if camera_by is not None:
            raise DataError("--camera names the one camera, and --camera-by what tells several; leave one out.")
        if splits:
            raise DataError("--splits is for data with splits; images of --camera have none.")
        return [_of_one_camera(words, camera)]
    named = [DataSource(words[0], data_dir, pattern, camera_by, classes)] if is_named else []
    sources = named or [replace(_source_of_path(Path(word)), camera_by=camera_by, classes=classes) for word in words]
    return [crops for source in sources for crops in _chosen_splits(source.load(), splits)]


def _source_of_path(path: Path) -> DataSource:
    if path.is_file() and path.suffix.lower() not in TABLES:
        raise DataError(
            f"Which camera took {path}? Say it by --camera NAME, or name a folder of camera folders or a table "
            "(.csv, .parquet)."
        )
    return DataSource(kind_of_path(path) if path.exists() else "folder", path)


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
