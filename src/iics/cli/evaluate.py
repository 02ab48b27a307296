"""`iics evaluate`: how well a model finds people."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from iics.cli.model_file import load_model_or_run
from iics.cli.parse import parse
from iics.cli.progress import count_display
from iics.cli.source import DataSource, SourceFlags
from iics.errors import EvaluationError


@dataclass(frozen=True)
class EvaluateCommand:
    """Measure mAP, CMC and mINP of a model on query and gallery (Market-1501 protocol)."""

    model: tyro.conf.Positional[Path]
    """Model file, or the run folder that holds it."""
    source: SourceFlags = field(default_factory=DataSource)
    """Which data."""
    contact_sheet: Path | None = None
    """Write a picture of ranked results here (PNG or JPEG)."""
    batch_size: int = 128
    """Crops that go through the network at once."""
    device: str = "auto"
    """Device to compute on: auto, cpu, cuda."""
    json: bool = False
    """Print the numbers as JSON."""


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(EvaluateCommand, arguments, command="evaluate")
    splits = command.source.load()
    if splits.query is None or splits.gallery is None:
        raise EvaluationError(f"{splits.name} has no query and gallery; mAP and CMC need both, with identities.")
    from iics.cli.ranked_results import EvaluatedModel, picture_format
    from iics.evaluation.evaluate import check_scorable, numbers

    check_scorable(splits.query, splits.gallery)
    if command.contact_sheet is not None:
        picture_format(command.contact_sheet)
    model = load_model_or_run(command.model, device=command.device)
    with count_display("features", len(splits.query) + len(splits.gallery)) as progress:
        evaluated = EvaluatedModel.embed(
            model, splits.query, splits.gallery, batch_size=command.batch_size, progress=progress
        )
    result = evaluated.result
    print(json.dumps(numbers(result), indent=2) if command.json else result)
    if command.contact_sheet is not None:
        evaluated.write_contact_sheet(command.contact_sheet)
    return 0
