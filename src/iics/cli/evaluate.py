"""`iics evaluate`: how well a model finds people."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import tyro

from iics.cli.model_file import ForeignFlags, ForeignWeights, load_model_or_run
from iics.cli.parse import parse
from iics.cli.progress import count_display
from iics.cli.protocol_choice import DEFAULT_REPEATS, ProtocolChoice, ProtocolName, json_values
from iics.cli.source import DataName, DataSource, SourceFlags
from iics.data.picture_file import check_picture_path
from iics.errors import EvaluationError, SettingsError, check_setting

if TYPE_CHECKING:
    from iics.data.crops import CropSet
    from iics.models.reid_model import ReidModel


@dataclass(frozen=True)
class EvaluateCommand:
    """Measure mAP, CMC and mINP of a model on query and gallery.

    Data without them gets what can be said without labels: tracklets, camera bias, clusters.
    """

    model: tyro.conf.Positional[Path | None] = None
    """Model file, or the run folder that holds it; left out with --weights."""
    source: SourceFlags = field(default_factory=DataSource)
    """Which data."""
    foreign: ForeignFlags = field(default_factory=ForeignWeights)
    """Weights of others."""
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
    """Write a picture of ranked results here (PNG or JPEG); needs a query."""
    batch_size: int = 128
    """Crops that go through the network at once."""
    device: str = "auto"
    """Device to compute on: auto, cpu, cuda."""
    json: bool = False
    """Print the numbers as JSON."""

    def __post_init__(self) -> None:
        check_setting(self.batch_size >= 1, f"--batch-size must be at least 1, got {self.batch_size}.")


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = _without_model(parse(EvaluateCommand, arguments, command="evaluate"))
    choice = ProtocolChoice(
        command.protocol, command.rerank, command.repeats, command.seed, command.contact_sheet is not None
    )
    splits = command.source.load()
    if splits.query is None or splits.gallery is None or splits.query.identity_ids is None:
        return _print_label_free(command, choice, splits.train)
    from iics.evaluation.ranked_results import EvaluatedModel

    choice.check_scorable(splits.query, splits.gallery)
    if command.contact_sheet is not None:
        check_picture_path(command.contact_sheet)
    model = _model(command)
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


def _without_model(command: EvaluateCommand) -> EvaluateCommand:
    """Return the command as it is meant: with --weights there is no MODEL, and its place holds the data's name."""
    if command.foreign.weights is None:
        if command.model is None:
            raise SettingsError("Which model? Name a model file or a run folder, or --weights FILE.")
        return command
    if command.source.data is not None:
        raise SettingsError(f"--weights stands for the model; leave out {command.model}.")
    name = None if command.model is None else cast(DataName, str(command.model))
    return replace(command, model=None, source=replace(command.source, data=name))


def _model(command: EvaluateCommand) -> ReidModel:
    if command.model is None:
        return command.foreign.load(device=command.device)
    return load_model_or_run(command.model, device=command.device)


def _print_label_free(command: EvaluateCommand, choice: ProtocolChoice, crops: CropSet) -> int:
    if choice.has_contact_sheet or choice.is_reranked or choice.protocol != "market1501":
        raise EvaluationError(
            f"{crops.name} has no query and gallery with identities, so nothing is ranked; leave out --protocol, "
            "--rerank and --contact-sheet."
        )
    from iics.cli.unlabelled_result import UnlabelledResult
    from iics.evaluation.evaluate import numbers

    model = _model(command)
    with count_display("features", len(crops)) as progress:
        features = model.embed(crops, batch_size=command.batch_size, progress=progress)
    result = UnlabelledResult.of(features, crops)
    ranked = None if result.ranked is None else numbers(result.ranked)
    found = {"label_free": asdict(result.label_free), "each_against_all": ranked}
    print(json.dumps(found, indent=2) if command.json else result)
    return 0
