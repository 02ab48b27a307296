"""`iics check-data`: faults in a data set, before they cost a training run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from iics.cli.parse import parse
from iics.cli.source import DataName, load_data


@dataclass(frozen=True)
class CheckDataCommand:
    """Read every crop and report counts, unreadable files, copies and cameras too small. Exit code 2 on errors."""

    data: tyro.conf.Positional[DataName]
    """What to read: sample, a benchmark, market-layout (data of your own like Market-1501), folder (one per camera)."""
    data_dir: Path | None = None
    """Where the data is."""


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(CheckDataCommand, arguments, command="check-data")
    from iics.data.check import check_data

    report = check_data(load_data(command.data, command.data_dir))
    print(report)
    return 0 if report.ok else 2
