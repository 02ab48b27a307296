"""The pictures of a run, compared by contents: among the processes of a run, and with those that it began with."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from iics.config import Settings
from iics.crops import CropSet
from iics.errors import TrainingError
from iics.pixels.digests import Digests, file_digests
from iics.pixels.images import checked_num_threads
from iics.runs.run_crops import RunCrops, contents_fingerprint
from iics.training.distributed import Processes

_MOST_NAMED = 4

Hashing = Callable[[CropSet, Settings], Digests]
"""What returns a hash of each crop's file and box, as `digests_of` does."""


def digests_of(crops: CropSet, settings: Settings) -> Digests:
    """Return a hash of each crop's file and box.

    Raises:
        DataError: If one cannot be read.
    """
    return file_digests(crops, num_threads=checked_num_threads(settings.pixels.workers or None))


class HashedOnce:
    """`digests_of` that reads each set of crops once, however many runs ask: all begin with the same pictures."""

    def __init__(self) -> None:
        self._known: list[tuple[CropSet, Digests]] = []  # with the crops, for a number of an object may be used again

    def __call__(self, crops: CropSet, settings: Settings) -> Digests:
        """Return a hash of each crop's file and box; see `digests_of`."""
        for known, digests in self._known:
            if known is crops:
                return digests
        digests = digests_of(crops, settings)
        self.remember(crops, digests)
        return digests

    def remember(self, crops: CropSet, digests: Digests) -> None:
        """Take the hashes of crops as known, e.g. those of known crops in another order."""
        self._known.append((crops, digests))


def check_same_pictures_everywhere(crops: CropSet, digests: Sequence[bytes], processes: Processes) -> None:
    """Refuse crops that hold other pictures on one process than on another, though they are called the same.

    Raises:
        TrainingError: If they do; the processes that see others than the first are named.
    """
    if len(set(processes.gather(contents_fingerprint(digests)))) == 1:
        return
    firsts = processes.from_first(lambda: list(digests))
    differs = [index for index, (mine, first) in enumerate(zip(digests, firsts, strict=True)) if mine != first]
    mine = None
    if differs:
        mine = f"process {processes.rank} on {socket.gethostname()} {len(differs)}, e.g. {crops.label(differs[0])}"
    named = [text for text in processes.gather(mine) if text is not None]
    more = f"; and {len(named) - _MOST_NAMED} more processes" if len(named) > _MOST_NAMED else ""
    raise TrainingError(
        f"The processes see different pictures under the same names. Of the {len(crops)} crops of {crops.name}, other "
        f"pictures than process 0 sees: {'; '.join(named[:_MOST_NAMED])}{more}. Give every machine the same files."
    )


def in_order_of_the_run(
    split: str, crops: CropSet, digests: Digests, pictures: RunCrops, *, run: Path
) -> tuple[CropSet, Digests]:
    """Return crops and their hashes in the order that a run began with, wherever they lie now.

    Raises:
        RunFolderError: If they are not the pictures that it began with.
    """
    order = pictures.order_of(split, crops, digests, run=run)
    if order == list(range(len(crops))):
        return crops, digests
    return crops.subset(order), [digests[index] for index in order]


def check_measured_on(
    measured_on: Mapping[str, CropSet],
    pictures: RunCrops,
    settings: Settings,
    *,
    run: Path,
    hashing: Hashing = digests_of,
) -> dict[str, CropSet]:
    """Return what a run is measured on, in the order it began with; what it did not record stays as it is.

    Raises:
        RunFolderError: If they are other pictures, or of other people.
    """
    return {
        name: in_order_of_the_run(name, crops, hashing(crops, settings), pictures, run=run)[0]
        if name in pictures.splits
        else crops
        for name, crops in measured_on.items()
    }
