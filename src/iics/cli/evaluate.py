"""`iics evaluate`: how well a model finds people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import tyro

from iics.cli.model_file import load_model_or_run
from iics.cli.parse import parse
from iics.cli.progress import count_display
from iics.cli.protocol_choice import DEFAULT_REPEATS, ProtocolChoice, ProtocolName, json_values
from iics.cli.source import DataName, load_data
from iics.errors import EvaluationError


@dataclass(frozen=True)
class EvaluateCommand:
    """Measure mAP, CMC and mINP of a model on query and gallery."""

    model: tyro.conf.Positional[Path]
    """Model file, or the run folder that holds it."""
    data: tyro.conf.Positional[DataName]
    """What to read: sample, market1501 (that layout) or folder (one folder per camera)."""
    data_dir: Path | None = None
    """Where the data is."""
    protocol: ProtocolName = "market1501"
    """Who may match whom: market1501 (across cameras), same-camera, single-gallery-shot (CUHK03's first: one crop per
    person, drawn repeatedly), camera-pairs (each query camera against each gallery camera)."""
    rerank: bool = False
    """Rank by the k-reciprocal distance (k1 20, k2 6, lambda 0.3) of query and gallery instead of the cosine."""
    repeats: int = DEFAULT_REPEATS
    """Galleries drawn by single-gallery-shot."""
    seed: int = 0
    """Of the galleries drawn."""
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
    choice = ProtocolChoice(
        command.protocol, command.rerank, command.repeats, command.seed, command.contact_sheet is not None
    )
    splits = load_data(command.data, command.data_dir)
    if splits.query is None or splits.gallery is None:
        raise EvaluationError(f"{splits.name} has no query and gallery; mAP and CMC need both, with identities.")
    from iics.cli.ranked_results import EvaluatedModel, picture_format

    choice.check_scorable(splits.query, splits.gallery)
    if command.contact_sheet is not None:
        picture_format(command.contact_sheet)
    model = load_model_or_run(command.model, device=command.device)
    choice.check_memory(model, splits.query, splits.gallery)
    with count_display("features", len(splits.query) + len(splits.gallery)) as progress:
        evaluated = EvaluatedModel.embed(
            model, splits.query, splits.gallery, batch_size=command.batch_size, progress=progress
        )
    result = choice.measure(evaluated)
    print(json.dumps(json_values(result), indent=2) if command.json else result)
    if command.contact_sheet is not None:
        evaluated.write_contact_sheet(command.contact_sheet, protocol=command.protocol)
    return 0
