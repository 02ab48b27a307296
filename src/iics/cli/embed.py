"""`iics embed`: features of crops, for whatever comes after."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from iics.atomic import write_atomically
from iics.cli.model_file import load_model_or_run
from iics.cli.parse import parse
from iics.errors import DataError
from iics.progress_display import count_display
from iics.ranges import BATCH, check_ranges


@dataclass(frozen=True)
class EmbedCommand:
    """Write the L2-normalised features of crops to an .npz file: `features` (n, d) and `paths` (n,)."""

    model: tyro.conf.Positional[Path]
    """Model file, or the run folder that holds it."""
    crops: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, or folders that are searched for images."""
    out: Path
    """File to write, ending in .npz."""
    batch_size: Annotated[int, BATCH] = 128
    """Crops that go through the network at once."""
    device: str = "auto"
    """Device to compute on: auto, cpu, cuda."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(EmbedCommand, arguments, command="embed")
    if not command.crops:
        raise DataError("There is nothing to embed; name image files or folders of them.")
    if command.out.suffix != ".npz":
        raise DataError(f"Features are written as .npz; {command.out} ends in {command.out.suffix or 'nothing'}.")
    if not command.out.absolute().parent.is_dir():
        raise DataError(f"There is no folder {command.out.absolute().parent} to write {command.out.name} into.")
    from iics.models.extraction_memory import check_extraction_fits
    from iics.readers.folders import image_files

    files = [file for path in command.crops for file in image_files(path)]
    model = load_model_or_run(command.model, device=command.device)
    check_extraction_fits(model, len(files), batch_size=command.batch_size)
    with count_display("features", len(files)) as progress:
        features = model.embed(files, batch_size=command.batch_size, progress=progress)
    buffer = io.BytesIO()
    np.savez(buffer, features=features, paths=np.array([file.as_posix() for file in files]))
    write_atomically(command.out, buffer.getvalue())
    print(f"{len(files)} features of {features.shape[1]} numbers in {command.out}")
    return 0
