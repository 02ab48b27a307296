"""`iics evaluate`: how well a model finds people."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from iics.cli.model_file import load_model_or_run
from iics.cli.parse import parse
from iics.cli.picture_file import check_picture_path
from iics.cli.progress import count_display
from iics.cli.source import DataSource, SourceFlags
from iics.errors import EvaluationError

if TYPE_CHECKING:
    from iics.data.crops import CropSet
    from iics.evaluation.ranking import RankingResult


@dataclass(frozen=True)
class EvaluateCommand:
    """Measure mAP, CMC and mINP of a model on query and gallery (Market-1501 protocol).

    Data without them gets what can be said without labels: tracklets, camera bias, clusters.
    """

    model: tyro.conf.Positional[Path]
    """Model file, or the run folder that holds it."""
    source: SourceFlags = field(default_factory=DataSource)
    """Which data."""
    contact_sheet: Path | None = None
    """Write a picture of ranked results here (PNG or JPEG); needs a query."""
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
        return _print_label_free(command, splits.train)
    from iics.cli.ranked_results import EvaluatedModel
    from iics.evaluation.evaluate import check_scorable

    check_scorable(splits.query, splits.gallery)
    if command.contact_sheet is not None:
        check_picture_path(command.contact_sheet)
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


def _print_label_free(command: EvaluateCommand, crops: CropSet) -> int:
    if command.contact_sheet is not None:
        raise EvaluationError(
            f"{crops.name} has no query and gallery, so there are no ranked results to draw; leave out --contact-sheet."
        )
    from iics.cli.unlabelled_result import UnlabelledResult

    model = load_model_or_run(command.model, device=command.device)
    with count_display("features", len(crops)) as progress:
        features = model.embed(crops, batch_size=command.batch_size, progress=progress)
    result = UnlabelledResult.of(features, crops)
    ranked = None if result.ranked is None else numbers(result.ranked)
    found = {"label_free": asdict(result.label_free), "each_against_all": ranked}
    print(json.dumps(found, indent=2) if command.json else result)
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
