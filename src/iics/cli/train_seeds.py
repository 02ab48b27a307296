"""What `iics train --seeds` prints: which seed comes next, and in the end how far the seeds spread."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from iics.progress_display import format_seconds

if TYPE_CHECKING:
    from iics.runs.seed_runs import SeedRun, SeedRuns


def print_seed(run: SeedRun) -> None:
    """Say which seed is at work now."""
    does = "Going on with" if run.state == "started" else "Training"
    print(f"{does} seed {run.seed}; run folder {run.folder}", file=sys.stderr, flush=True)


def print_seeds(runs: SeedRuns) -> None:
    """Print what came of all seeds and where it lies."""
    table = runs.table()
    if len(table[0]) > 1:
        print(f"Query against gallery after {runs.settings['rounds']} rounds, in %")
        print(runs)
    seconds = sum(record.all_seconds for run in runs.runs for record in run.records)
    print(f"Trained {len(runs.seeds)} seeds for {format_seconds(seconds)}.")
    print(f"Runs:    {', '.join(str(run.folder) for run in runs.runs)}")
    if (report := runs.folder / "report.html").exists():
        print(f"Report:  {report}")
    print(f"All models as one: iics evaluate {runs.folder} DATA ...")
