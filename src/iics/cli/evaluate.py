"""`iics evaluate`: how well a model finds people."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import tyro

from iics.cli.calibrating import calibrate, shares_above_known, threshold_text, threshold_values, transfer_text
from iics.cli.model_file import ForeignFlags, ForeignWeights, load_model_or_run
from iics.cli.parse import parse
from iics.cli.protocol_choice import (
    DEFAULT_REPEATS,
    ProtocolChoice,
    ProtocolName,
    RerankingForm,
    check_reranking_form,
    json_values,
)
from iics.cli.source import DataName, DataSource, SourceFlags
from iics.config import DEFAULT_CENTRE, Centre
from iics.errors import SettingsError, check_setting
from iics.home_folder import expanded
from iics.pixels.picture_file import check_picture_path
from iics.progress_display import count_display
from iics.ranges import BATCH, SEED, check_ranges, number, whole
from iics.readers.path_kind import TABLES

if TYPE_CHECKING:
    from iics.arrays import FloatArray, Pixels
    from iics.crops import CropSet, DataSplits
    from iics.models.match_thresholds import MatchThresholds
    from iics.models.reid_model import ReidModel

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluateCommand:
    """Measure mAP, CMC and mINP of a model on query and gallery.

    Data without them gets what can be said without labels: tracklets, camera bias, clusters.
    """

    models: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Model file, or the run folder that holds it; left out with --weights. Several, or a folder of several seeds, are
    measured each and ranked together by the mean of their distances. The data's name comes last."""
    source: SourceFlags = field(default_factory=DataSource)
    """Which data."""
    foreign: ForeignFlags = field(default_factory=ForeignWeights)
    """Weights of others."""
    protocol: ProtocolName = "market1501"
    """Who may match whom: market1501 (across cameras), same-camera, any-camera, single-gallery-shot (CUHK03's first:
    one crop per person, drawn repeatedly), camera-pairs (each query camera against each gallery camera), image-to-track
    (VeRi's: tracklets are ranked, by their nearest crop)."""
    rerank: bool = False
    """Rank by the k-reciprocal distance (k1 20, k2 6, lambda 0.3) of query and gallery instead of the cosine."""
    rerank_form: RerankingForm = "paper"
    """With --rerank: as the paper's equations say, or as the program its authors published computes it, which other
    toolboxes took over; their numbers are to be compared with the latter. camera-jaccard: by the camera-aware Jaccard
    distance (CA-Jaccard, 0.7 of it and 0.3 of the cosine distance) instead of the k-reciprocal one."""
    repeats: Annotated[int, whole(1, 1000)] = DEFAULT_REPEATS
    """Galleries drawn by single-gallery-shot."""
    seed: Annotated[int, SEED] = 0
    """Of the galleries drawn, or the individuals held out."""
    unknown: Annotated[float, number(0, 1, below=True)] = 0.0
    """Share of the query's individuals whose crops leave the gallery before it is searched, drawn at random: open-set
    figures say what a threshold makes of queries that nothing answers (docs/evaluation.md). Data that has such queries
    gets them without."""
    split_time: str | None = None
    """Make query and gallery of data without a query: crops from this time on search among those before. A date
    (2026-05-01 or 2026-05-01T14:30:00), seconds as in the data, or a share of the crops above 0 and below 1."""
    marks: Path | None = None
    """Instead of data: measure on what was marked right and wrong of MODEL's matches in `iics app --marks`."""
    contact_sheet: Path | None = None
    """Write a picture of ranked results here (PNG or JPEG); needs a query."""
    calibrate: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Measure on this data which similarity means the same person, and write it into the model file, whose weights stay
    as they are (docs/thresholds.md)."""
    centre: Centre = DEFAULT_CENTRE
    """Compare features less their camera's mean, which the model holds of its training cameras: off, on, or auto, which
    decides without labels and says why (docs/centring.md)."""
    batch_size: Annotated[int, BATCH] = 128
    """Crops that go through the network at once."""
    device: str = "auto"
    """Device to compute on: auto, cpu, cuda."""
    json: bool = False
    """Print the numbers as JSON."""

    @property
    def model(self) -> Path | None:
        """The one model; None with --weights."""
        return self.models[0] if self.models else None

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")
        check_reranking_form(self.rerank, self.rerank_form)
        check_setting(
            not self.calibrate or self.centre == "off",
            f"--calibrate measures similarities of plain features, --centre {self.centre} asks for others. Leave one "
            "out.",
        )
        check_setting(
            not self.calibrate or self.unknown == 0,
            "--calibrate measures on the whole gallery, --unknown on a part of it. Leave one out.",
        )


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = _with_data_apart(parse(EvaluateCommand, arguments, command="evaluate"))
    command, remarks = _with_runs_apart(command)
    if command.marks is not None:
        return _print_marked(command, command.marks)
    choice = ProtocolChoice(
        command.protocol,
        command.rerank,
        command.repeats,
        command.seed,
        command.contact_sheet is not None,
        command.rerank_form,
        command.unknown,
    )
    splits = choice.without_unknown(_split_by_time(command, command.source.load()))
    if len(command.models) > 1:
        from iics.cli.evaluate_several import evaluate_several

        return evaluate_several(command, choice, splits, remarks)
    if command.calibrate:
        from iics.evaluation.calibration import check_calibratable

        check_calibratable(splits)
    if splits.query is None or splits.gallery is None or splits.query.identity_ids is None:
        return _print_label_free(command, choice, splits)
    from iics.evaluation.ranked_results import EvaluatedModel
    from iics.models.extraction_memory import check_extraction_fits

    choice.check_scorable(splits.query, splits.gallery)
    if command.contact_sheet is not None:
        check_picture_path(command.contact_sheet)
    model = _model(command)
    num_crops = max(len(splits.query), len(splits.gallery))
    check_extraction_fits(model, num_crops, batch_size=command.batch_size)
    choice.check_memory([model], splits.query, splits.gallery)
    with count_display("features", len(splits.query) + len(splits.gallery)) as progress:
        evaluated = EvaluatedModel.embed(
            model,
            splits.query,
            splits.gallery,
            batch_size=command.batch_size,
            pixels=(_kept(model, splits.query), _kept(model, splits.gallery)),
            progress=progress,
        )
    features = {id(splits.query): evaluated.query_features, id(splits.gallery): evaluated.gallery_features}
    choice.warn_of_copies(evaluated)
    evaluated, centring = evaluated.centred(model.camera_means, command.centre)
    centring.log()
    result = choice.measure(evaluated)
    thresholds = _calibrated(command, splits, model, features)
    shares = {} if thresholds is not None or centring.is_centred else shares_above_known(model, splits, features)
    found = {**json_values(result), **threshold_values(thresholds), **({"above_thresholds": shares} if shares else {})}
    found |= centring.json_values()
    lines = [str(result), *threshold_text(command.model, thresholds), *transfer_text(model, shares, splits)]
    print(json.dumps(found, indent=2) if command.json else model.header.told("\n".join(lines)))
    if command.contact_sheet is not None:
        evaluated.write_contact_sheet(command.contact_sheet, protocol=command.protocol)
    return 0


def _kept(model: ReidModel, crops: CropSet) -> Pixels | None:
    """Return the pixels of crops if a run that was measured on them has kept them."""
    from iics.pixels.pixel_cache import pixels_kept_before

    size = model.header
    if size.interpolation != "bicubic":  # which is what files hold
        return None
    return pixels_kept_before(crops, height=size.height, width=size.width, letterbox=size.letterbox)


def _with_data_apart(command: EvaluateCommand) -> EvaluateCommand:
    """Return the command as it is meant: the last name is the data's, and with --weights there is no MODEL."""
    if command.calibrate and command.foreign.weights is not None:
        raise SettingsError(
            "--calibrate writes into a model file, and --weights are none of ours. Save them first: "
            "iics.load_foreign_weights(FILE, backbone=...).save('model.safetensors')."
        )
    models, data = command.models, command.source.data
    is_data = len(models) > 1 and not _is_model_place(models[-1])
    if data is None and models and (is_data or command.foreign.weights is not None):
        models, data = models[:-1], str(models[-1])  # what is no data is told of when it is read
    if command.foreign.weights is not None and models:
        raise SettingsError(f"--weights stands for the model; leave out {' '.join(map(str, models))}.")
    if command.foreign.weights is None and not models:
        raise SettingsError("Which model? Name a model file or a run folder, or --weights FILE.")
    if data is None and len(models) == 1 and _is_data(models[0]):
        raise SettingsError(
            f"Which model? {models[0]} is no run and no model file. Name one before the data: "
            f"iics evaluate RUN {models[0]}."
        )
    return replace(command, models=models, source=replace(command.source, data=data))


def _is_model_place(path: Path) -> bool:
    """Return whether a model or runs are at a path, so that it is not meant as data."""
    place = expanded(path)
    return place.suffix == ".safetensors" or any(
        (place / name).exists() for name in ("settings.json", "model.safetensors", "seeds.json")
    )


def _is_data(path: Path) -> bool:
    """Return whether a path can only be meant as data: a folder without a model, a table, a reader's name."""
    place = expanded(path)
    is_own = place.is_dir() or (place.suffix in TABLES and place.is_file())
    return is_own and not _is_model_place(path) if place.exists() else str(path) in get_args(DataName)


def _with_runs_apart(command: EvaluateCommand) -> tuple[EvaluateCommand, tuple[str, ...]]:
    """Return the command with every run that its models name, and what must be said of these, which is logged.

    Raises:
        RunFolderError: If one is named twice, or has no model.
        SettingsError: If something is asked for that one model alone can do.
    """
    if len(command.models) == 0:
        return command, ()
    from iics.runs.seed_runs import SeedRuns

    named = [expanded(path) for path in command.models]
    if len(named) == 1 and not SeedRuns.are_at(named[0]):
        return command, ()
    from iics.runs.several_runs import several_runs

    found = several_runs(named)
    if len(found.paths) > 1 and (command.calibrate or command.marks is not None):
        flag, why = ("--marks", "marks are on") if command.marks is not None else ("--calibrate", "thresholds are of")
        raise SettingsError(f"{flag} takes one model, got {len(found.paths)}: {why} the matches of one. Name one run.")
    for remark in found.remarks:
        logger.warning("%s", remark)
    return replace(command, models=found.paths), found.remarks


def _model(command: EvaluateCommand) -> ReidModel:
    if command.model is None:
        return command.foreign.load(device=command.device)
    return load_model_or_run(command.model, device=command.device)


def _split_by_time(command: EvaluateCommand, splits: DataSplits) -> DataSplits:
    if command.split_time is None:
        return splits
    from iics.evaluation.time_split import moment_of, split_by_time

    check_setting(
        splits.query is None,
        f"--split-time makes a query, and {splits.name} has one. Leave it out.",
    )
    crops = splits.to_look_at()
    split = split_by_time(crops, at=moment_of(command.split_time, crops))
    logger.warning("%s", split)
    return replace(splits, train=None, query=split.query, gallery=split.gallery)


def _print_marked(command: EvaluateCommand, file: Path) -> int:
    is_of_data = command.source != DataSource() or command.contact_sheet is not None
    is_changed = command.rerank or command.calibrate or command.centre != DEFAULT_CENTRE or command.unknown > 0
    is_changed |= command.split_time is not None
    if is_of_data or is_changed or command.protocol != "market1501" or command.model is None:
        raise SettingsError(
            "--marks takes the place of data; leave out DATA and its flags, --weights, --protocol, --rerank, "
            "--unknown, --split-time, --calibrate, --centre and --contact-sheet: iics evaluate MODEL --marks FILE."
        )
    from iics.cli.unlabelled_result import marked_matches

    result = marked_matches(expanded(file), expanded(command.model))
    print(json.dumps(asdict(result), indent=2) if command.json else result)
    return 0


def _print_label_free(command: EvaluateCommand, choice: ProtocolChoice, splits: DataSplits) -> int:
    crops = splits.to_look_at()
    choice.check_nothing_ranked(crops)
    from iics.cli.unlabelled_result import UnlabelledResult
    from iics.evaluation.centred_search import centre_crops
    from iics.evaluation.metrics import numbers
    from iics.models.extraction_memory import check_extraction_fits

    model = _model(command)
    check_extraction_fits(model, len(crops), batch_size=command.batch_size)
    with count_display("features", len(crops)) as progress:
        features = model.embed(crops, batch_size=command.batch_size, progress=progress)
    compared, centring = centre_crops(features, crops, means=model.camera_means, centre=command.centre)
    centring.log()
    result = UnlabelledResult.of(compared, crops)
    ranked = None if result.ranked is None else numbers(result.ranked)
    thresholds = _calibrated(command, splits, model, {id(crops): features})
    found = {
        "label_free": asdict(result.label_free),
        "each_against_all": ranked,
        **threshold_values(thresholds),
        **centring.json_values(),
    }
    lines = [str(result), *threshold_text(command.model, thresholds)]
    print(json.dumps(found, indent=2) if command.json else model.header.told("\n".join(lines)))
    return 0


def _calibrated(
    command: EvaluateCommand, splits: DataSplits, model: ReidModel, features: dict[int, FloatArray]
) -> MatchThresholds | None:
    if not command.calibrate or command.model is None:
        return None
    return calibrate(command.model, splits, model, features, batch_size=command.batch_size)
