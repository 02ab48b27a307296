"""`iics report`: one page that tells a run, finished or not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from iics.cli.parse import parse
from iics.home_folder import expanded


@dataclass(frozen=True)
class ReportCommand:
    """Write a run's report: settings, curves, figures, ranked lists and warnings on one page of HTML.

    The page holds all its pictures and needs neither network nor scripts. Without --out, the run's model card
    (model.md) is written anew, too. Of a folder of several seeds: a table of its runs with mean and deviation, and the
    curves of all of them.
    """

    run: tyro.conf.Positional[Path]
    """Run folder, finished or not, or a folder of several seeds."""
    out: Path | None = None
    """Where to write it. By default report.html in the run folder."""
    figures: Path | None = None
    """Folder to write every picture of the report into as well, as SVG, PDF and PNG."""


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(ReportCommand, arguments, command="report")
    from iics.reports.model_card import write_model_card
    from iics.reports.report import write_report, write_run_figures
    from iics.runs.run_folder import RunFolder
    from iics.runs.run_whole import check_whole
    from iics.runs.seed_runs import SeedRuns

    run = expanded(command.run)
    if SeedRuns.are_at(run):
        return _report_seeds(run, command)
    check_whole(RunFolder.open(run))
    print(write_report(run, None if command.out is None else expanded(command.out)))
    if command.out is None and (run / "model.safetensors").is_file():
        print(write_model_card(run))
    if command.figures is not None:
        for file in write_run_figures(run, expanded(command.figures)):
            print(file)
    return 0


def _report_seeds(folder: Path, command: ReportCommand) -> int:
    from iics.reports.seeds_report import write_seeds_figures, write_seeds_report
    from iics.runs.run_folder import RunFolder
    from iics.runs.run_whole import check_whole
    from iics.runs.seed_runs import SeedRuns

    for run in SeedRuns.read(folder).runs:
        if run.state != "to do":
            check_whole(RunFolder.open(run.folder))
    print(write_seeds_report(folder, None if command.out is None else expanded(command.out)))
    for file in [] if command.figures is None else write_seeds_figures(folder, expanded(command.figures)):
        print(file)
    return 0
