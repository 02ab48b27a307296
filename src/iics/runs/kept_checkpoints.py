"""The checkpoints that a run keeps: the last two, of which the newest whole one is gone on with.

Which is newest is told by what is in them, not by their names: a stage may be called anything.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from iics.errors import RunFolderError
from iics.natural_order import natural_order
from iics.runs.checkpoint import Checkpoint, DamagedError, read_checkpoint, write_checkpoint

logger = logging.getLogger(__name__)


class KeptCheckpoints:
    """Reads and writes the folder of a run's checkpoints."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._newest: Path | None = None
        self._old: list[Path] = []

    def save(self, checkpoint: Checkpoint, *, run: str) -> None:
        """Write a checkpoint of a run and delete all but it and the one before."""
        file = self.path / f"round-{checkpoint.round_index + 1:03d}-{checkpoint.stage}.ckpt"
        write_checkpoint(file, replace(checkpoint, run=run))
        for old in self._files():
            if old not in (file, self._newest) and old.is_file():
                old.unlink()
        self._newest = file

    def delete_old(self) -> None:
        """Delete all but the last two, as the process would have done that was killed once it had written the last."""
        for old in self._old:
            old.unlink(missing_ok=True)

    def latest(self, *, run: str) -> Checkpoint | None:
        """Return the newest whole checkpoint, None if there is none yet; damaged ones are skipped with a warning.

        Raises:
            RunFolderError: If one is of another run, or there are checkpoints and all of them are damaged.
        """
        files = self._files()
        newest: Checkpoint | None = None
        places: list[tuple[tuple[int, int], Path]] = []
        for file in files:
            try:
                checkpoint = read_checkpoint(file)
            except DamagedError as error:
                logger.warning("Checkpoint %s %s; it is left out.", file, error)
                continue
            if checkpoint.run and checkpoint.run != run:
                raise RunFolderError(
                    f"{file} is of another run ({checkpoint.run[:8]}, this is {run[:8] or 'an older one'}). Put the "
                    "run's own file in its place, or delete this one to go on from the checkpoint before it."
                )
            places.append((checkpoint.place, file))
            if newest is None or checkpoint.place > newest.place:
                newest, self._newest = checkpoint, file
        self._old = [file for _, file in sorted(places)[:-2]]
        if files and newest is None:
            raise RunFolderError(
                f"All checkpoints in {self.path} are damaged. Start a new run, or delete those files to have --resume "
                "begin with round 1."
            )
        return newest

    def _files(self) -> list[Path]:
        try:
            names = [file.name for file in self.path.iterdir() if fnmatch(file.name, "round-*.ckpt")]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RunFolderError(
                f"{self.path} cannot be read: {error.strerror or error}. Restore it from a copy; without checkpoints a "
                "run begins with round 1."
            ) from error
        return [self.path / name for name in natural_order(names)]
