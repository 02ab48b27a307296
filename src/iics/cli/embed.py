"""`iics embed`: features of crops, for whatever comes after."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from iics.atomic import write_atomically
from iics.cli.model_file import load_model_or_run
from iics.cli.parse import parse
from iics.config import DEFAULT_CENTRE, Centre
from iics.errors import DataError, check_setting
from iics.home_folder import expanded
from iics.progress_display import count_display
from iics.ranges import BATCH, check_ranges


@dataclass(frozen=True)
class EmbedCommand:
    """Write the L2-normalised features of crops to an .npz file: `features` (n, d) and `paths` (n,).

    With --centre, also `cameras` (n,) and `is_centred`.
    """

    model: tyro.conf.Positional[Path]
    """Model file, or the run folder that holds it."""
    crops: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, or folders that are searched for images."""
    out: Path
    """File to write, ending in .npz."""
    centre: Centre = DEFAULT_CENTRE
    """Write features less their camera's mean: off, on, or auto, which decides without labels and says why
    (docs/centring.md). The first folder below one of CROPS names the camera, or --camera."""
    camera: str | None = None
    """With --centre: the one camera that took all of CROPS."""
    batch_size: Annotated[int, BATCH] = 128
    """Crops that go through the network at once."""
    device: str = "auto"
    """Device to compute on: auto, cpu, cuda."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")
        check_setting(self.camera != "", "--camera needs a name.")
        check_setting(
            self.camera is None or self.centre != "off",
            "--camera says what --centre takes off; add it, or leave it out.",
        )


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
    cameras = None if command.centre == "off" else _cameras(command)
    model = load_model_or_run(command.model, device=command.device)
    check_extraction_fits(model, len(files), batch_size=command.batch_size)
    with count_display("features", len(files)) as progress:
        features = model.embed(files, batch_size=command.batch_size, progress=progress)
    values: dict[str, Any] = {"features": features, "paths": np.array([file.as_posix() for file in files])}
    if cameras is not None:
        from iics.models.centre_choice import centre_features

        features, choice = centre_features(features, cameras, means=model.camera_means, centre=command.centre)
        choice.log()
        values |= {"features": features, "cameras": np.array(cameras), "is_centred": np.array(choice.is_centred)}
    buffer = io.BytesIO()
    np.savez(buffer, **values)
    write_atomically(command.out, buffer.getvalue())
    print(f"{len(files)} features of {features.shape[1]} numbers in {command.out}")
    return 0


def _cameras(command: EmbedCommand) -> list[str]:
    """Return the camera of each crop, in the order of the files.

    Raises:
        DataError: If one cannot be told.
    """
    from iics.readers.folders import image_files

    named: list[str] = []
    for path in command.crops:
        for file in image_files(path):
            below = file.relative_to(expanded(path)).parts
            if command.camera is None and len(below) < 2:
                raise DataError(
                    f"Which camera took {file}? --centre needs it: name a folder of camera folders, or --camera NAME."
                )
            named.append(command.camera or below[0])
    return named
