"""`iics evaluate`: how well a model finds people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from iics.cli.model_file import load_model_or_run
from iics.cli.parse import parse
from iics.cli.progress import count_display
from iics.cli.source import DataName, load_data
from iics.errors import EvaluationError

if TYPE_CHECKING:
    from iics.evaluation.metrics import RankingResult


@dataclass(frozen=True)
class EvaluateCommand:
    """Measure mAP, CMC and mINP of a model on query and gallery (Market-1501 protocol)."""

    model: tyro.conf.Positional[Path]
    """Model file, or the run folder that holds it."""
    data: tyro.conf.Positional[DataName]
    """What to read: sample, market1501 (that layout) or folder (one folder per camera)."""
    data_dir: Path | None = None
    """Where the data is."""
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
    splits = load_data(command.data, command.data_dir)
    if splits.query is None or splits.gallery is None:
        raise EvaluationError(f"{splits.name} has no query and gallery; mAP and CMC need both, with identities.")
    from iics.cli.ranked_results import EvaluatedModel, picture_format
    from iics.evaluation.evaluate import check_scorable

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


def numbers(result: RankingResult) -> dict[str, float]:
    """Return the metrics of a result as fractions, by name."""
    ranks = {f"rank{k}": result.rank(k) for k in (1, 5, 10) if k <= len(result.cmc)}
    return {
        "mean_ap": result.mean_ap,
        **ranks,
        "mean_inp": result.mean_inp,
        "num_queries": result.num_queries,
        "num_unmatched": result.num_unmatched,
    }
