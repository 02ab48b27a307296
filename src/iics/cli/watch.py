"""`iics watch`: crops into a gallery as they arrive."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from iics.cli.index import describe, keep_centre, report_failures
from iics.cli.keep_days import HourlyLimit, set_limit, young
from iics.cli.model_file import load_model_or_run, path_of_model
from iics.cli.parse import parse
from iics.config import Centre
from iics.errors import check_setting
from iics.home_folder import expanded
from iics.progress_display import count_of
from iics.ranges import BATCH, check_ranges, number
from iics.shown_name import shown


@dataclass(frozen=True)
class WatchCommand:
    """Put the crops of a folder into a gallery as they arrive, until Ctrl-C.

    The folder is looked at again and again, so network shares do as well. A file is read when it stayed the same from
    one look to the next; one that cannot be read then is named, and tried again when it changes. Needs the extra
    gallery.
    """

    folder: tyro.conf.Positional[Path]
    """Folder that crops arrive in, each in the folder of its camera."""
    gallery: str
    """Gallery: a folder ending in .db, or a Milvus server, http://host:port (to search it at the same time)."""
    model: Path
    """Model file, or the run folder that holds it."""
    camera: str | None = None
    """The one camera that takes all crops of the folder; by default the first folder below it names the camera."""
    centre: Centre | None = None
    """How the gallery is searched unless a search says otherwise, as for iics index: off, on, or auto, which decides
    when the first crops were indexed and again whenever there are twice as many. By default as before, and off at
    first."""
    times: Literal["none", "modified"] = "none"
    """When crops were taken: none, nobody knows; modified, when their files were last changed, which is so where a
    camera's program writes them at once and what copies them keeps that time. It takes the place of times that iics
    index stored."""
    keep_days: Annotated[float, number(0, 36500)] | None = None
    """Delete crops that were taken so many days ago or longer, at the start and once an hour, as iics people does. The
    gallery keeps the limit; 0 ends it."""
    every: Annotated[float, number(0, 86400, above=True)] = 2.0
    """Seconds from one look to the next."""
    collection: str = "iics"
    """Name of the gallery within its database."""
    batch_size: Annotated[int, BATCH] = 128
    """Crops that go through the network at once."""
    device: str = "auto"
    """Device to compute on: auto, cpu, cuda."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")
        check_setting(self.camera != "", "--camera needs a name.")


def main(arguments: list[str]) -> int:
    """Run the command until it is interrupted; what was indexed stays."""
    command = parse(WatchCommand, arguments, command="watch")
    from iics.gallery.arriving import ArrivingFiles, crops_by_folder
    from iics.gallery.gallery import Gallery
    from iics.gallery.indexing import CROPS_PER_WRITE, check_index_fits, index_crops
    from iics.models.centring import needed_means

    folder = expanded(command.folder).absolute()
    arriving = ArrivingFiles(folder)
    arriving.look()
    model = load_model_or_run(command.model, device=command.device)
    if command.centre == "on":
        needed_means(model.camera_means)
    check_index_fits(model, CROPS_PER_WRITE, batch_size=command.batch_size)
    with Gallery.open_or_create(
        command.gallery, model=model, model_file=path_of_model(command.model), collection=command.collection
    ) as gallery:
        print(f"Watching {folder} for {command.gallery}; Ctrl-C ends it.", file=sys.stderr, flush=True)
        set_limit(gallery, command.keep_days)
        limit, decided_at = HourlyLimit(gallery), 0
        try:
            while True:
                for line in limit.act():
                    print(line, flush=True)
                time_of = arriving.modified if command.times == "modified" else None
                crops, loose = crops_by_folder(folder, arriving.look(), camera=command.camera, time_of=time_of)
                crops = young(gallery, crops)
                for path in loose:
                    print(
                        f"not indexed: {shown(path)} (in no camera's folder; or give --camera)",
                        file=sys.stderr,
                        flush=True,
                    )
                if crops is not None:
                    result = index_crops(gallery, model, crops, batch_size=command.batch_size)
                    if command.centre is not None and gallery.num_crops >= 2 * decided_at:
                        keep_centre(gallery, model, command.centre)
                        decided_at = max(gallery.num_crops, 1)
                    print(f"{describe(result)}; {count_of(gallery.num_crops, 'crop')}", flush=True)
                    report_failures(result)
                time.sleep(command.every)
        except KeyboardInterrupt:
            print(f"\nStopped watching; {command.gallery} keeps what was indexed.", file=sys.stderr)
    return 0
