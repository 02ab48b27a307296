"""`iics crop`: people out of a video, for training or for a gallery."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TextIO

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from iics.cli.parse import parse
from iics.home_folder import expanded
from iics.progress_display import SECONDS_BETWEEN_LINES, count_of
from iics.video.crop_settings import CropSettings


@dataclass(frozen=True, kw_only=True)
class CropCommand:
    """Cut the people out of a video: find them in each frame, follow them, keep a crop now and then.

    Crops, and a table of them with camera, time and tracklet, go into a folder that takes any number of videos and
    cameras, one call each. The same command again goes on after an interruption (docs/video.md). Needs the extra video.
    """

    video: tyro.conf.Positional[Path]
    """The video file."""
    out: Path = Path("crops")
    """Folder of crops to make or to add to."""
    device: str = "auto"
    """Device for a detector of torchvision: auto, cpu, cuda."""
    settings: Annotated[CropSettings, tyro.conf.arg(name="")]
    """What to look for and keep."""


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(CropCommand, arguments, command="crop")
    from iics.video.crop_video import crop_video

    out = expanded(command.out)
    with _resume_hint(command.video), frame_display() as progress:
        cropped = crop_video(
            expanded(command.video), out, settings=command.settings, device=command.device, progress=progress
        )
    if cropped.was_finished:
        print(
            f"{command.video} was cropped before; its {count_of(cropped.report.crops, 'crop')} are in {cropped.folder}."
        )
        return 0
    print(cropped.report)
    print(f"Crops:  {cropped.folder}")
    print(f"Table:  {out / 'crops.csv'}")
    print(f"Report: {out / 'crops-report.json'}")
    return 0


@contextmanager
def frame_display(stream: TextIO | None = None) -> Iterator[Callable[[int, int | None], None]]:
    """Yield a callback that takes frames done and of all: a bar on a terminal, a line every half minute elsewhere."""
    stream = stream or sys.stderr
    if not stream.isatty():
        last = time.monotonic()

        def line(done: int, total: int | None) -> None:
            nonlocal last
            if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                print(f"frames  {done}{'' if total is None else f'/{total}'}", file=stream, flush=True)

        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=stream), transient=True) as bars:
        task = bars.add_task("frames", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def _resume_hint(video: Path) -> Iterator[None]:
    """On Ctrl-C, say how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"\nStopped within {video}; the same command goes on where it was.", file=sys.stderr)
        raise
