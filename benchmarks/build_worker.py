"""One build, at work for `benchmarks.two_builds`: run by its own interpreter, told by lines of JSON what to time.

It imports nothing but the build's own package, by what today's and older builds both have.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import Any


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever a build prints stays out of the answers
    worker = Worker()
    for line in sys.stdin:
        asked = json.loads(line)
        answer = getattr(worker, asked.pop("do"))(**asked)
        print(json.dumps(answer), file=answers, flush=True)


class Worker:
    """Keeps one piece of work ready, and does it when asked to."""

    def __init__(self) -> None:
        self._work: Any = None
        self._engine: Any = None

    def prepare(
        self, phase: str, backbone: str, height: int, width: int, precision: str, threads: int, extracted: int
    ) -> str:
        """Make ready a step of a stage or an extraction; return how the build chose to compute it."""
        with contextlib.suppress(ImportError):  # as the command line does, in builds that have it
            from iics.memory import ask_for_huge_pages

            ask_for_huge_pages()
        import torch

        from iics.computing_settings import EngineSettings
        from iics.training.engine import choose_engine

        try:
            from iics.speed import training_work
        except ModuleNotFoundError:  # before version 2
            from iics.experiments import training_work
        self._work = None  # makes room for the next
        settings = EngineSettings(precision=precision, threads=threads)
        workload = training_work.Workload(
            backbone=backbone, height=height, width=width, num_extracted=extracted, engine=settings
        )
        self._engine = choose_engine(settings, backbone=backbone, device=torch.device("cpu"))
        context = training_work.training_context(phase, workload, norm="aibn", engine=self._engine)
        self._work = training_work.our_work(phase, context)
        return str(self._engine)

    def run(self, times: int) -> float:
        """Return the seconds that the work took, the mean over some runs in a row."""
        from iics.training.engine import at_work

        with at_work(self._engine):
            start = time.perf_counter()
            for _ in range(times):
                self._work()
            return (time.perf_counter() - start) / times


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        main()
