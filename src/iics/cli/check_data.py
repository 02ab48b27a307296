"""`iics check-data`: faults in a data set, before they cost a training run."""

from __future__ import annotations

from dataclasses import dataclass, field

from iics.cli.parse import parse
from iics.cli.source import DataSource, SourceFlags


@dataclass(frozen=True)
class CheckDataCommand:
    """Read every crop and report counts, unreadable files, copies and cameras too small. Exit code 2 on errors."""

    source: SourceFlags = field(default_factory=DataSource)
    """Which data."""


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(CheckDataCommand, arguments, command="check-data")
    from iics.data.check import check_data

    report = check_data(command.source.load())
    print(report)
    return 0 if report.ok else 2
