"""Runs of the command line in a work folder, one thread each: what is measured goes through here and nowhere else."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
_LONGEST_S = 3 * 3600


class CommandError(Exception):
    """A command failed, with the end of what it said."""


@dataclass(frozen=True)
class Commands:
    """Where commands run, and which program.

    Attributes:
        work: Work folder; commands run in it, and paths in arguments are relative to it.
        iics: The program. Its interpreter lies beside it.
        model: Held while the model that several cases measure is trained.
    """

    work: Path
    iics: Path
    model: threading.Lock = field(default_factory=threading.Lock)

    @property
    def python(self) -> Path:
        """The interpreter that has iics."""
        return self.iics.with_name("python")

    def run(self, *arguments: str) -> str:
        """Run `iics` with arguments and return what it printed to standard output."""
        return self.run_program(str(self.iics), *arguments)

    def run_in_two(self, *arguments: str) -> str:
        """Likewise, in two processes that train together."""
        start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "iics"]
        return self.run_program(str(self.python), *start, *arguments)

    def run_program(self, *command: str) -> str:
        """Run a program and return its standard output.

        Raises:
            CommandError: If it fails.
        """
        done = subprocess.run(
            command, cwd=self.work, env=self._env(), capture_output=True, text=True, timeout=_LONGEST_S
        )
        if done.returncode != 0:
            raise CommandError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-1500:]}")
        return done.stdout

    def kill_after_first_checkpoint(self, run: str, *arguments: str) -> None:
        """Start `iics` with arguments and kill it (SIGKILL) as soon as a checkpoint lies in a run folder.

        Raises:
            CommandError: If it ended before.
        """
        with (self.work / f"{run}.killed.log").open("w") as log:
            process = subprocess.Popen([self.iics, *arguments], cwd=self.work, env=self._env(), stdout=log, stderr=log)
            try:
                while not list((self.work / run / "checkpoints").glob("*.ckpt")):
                    if process.poll() is not None:
                        raise CommandError(f"It ended before it was killed; see {log.name}.")
                    time.sleep(0.02)
            finally:
                process.kill()
                process.wait()
        if process.returncode == 0:
            raise CommandError("It was finished before it was killed.")

    def _env(self) -> dict[str, str]:
        return {
            **os.environ,
            **dict.fromkeys(_ONE_THREAD, "1"),
            "XDG_CACHE_HOME": str(self.work / "cache"),
            "HF_HUB_OFFLINE": "1",
            "NO_COLOR": "1",
            "COLUMNS": "200",
            "TZ": "UTC",
        }
