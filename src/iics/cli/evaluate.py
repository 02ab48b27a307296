"""`iics evaluate`: how well a model finds people."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from iics.cli.calibrating import calibrate, shares_above_known, threshold_text, threshold_values, transfer_text
from iics.cli.evaluate_command import EvaluateCommand, with_data_apart, with_runs_apart
from iics.cli.model_file import load_model_or_run
from iics.cli.parse import parse
from iics.cli.protocol_choice import ProtocolChoice, json_values
from iics.cli.source import DataSource
from iics.config import DEFAULT_CENTRE
from iics.errors import SettingsError, check_setting
from iics.home_folder import expanded
from iics.pixels.picture_file import check_picture_path
from iics.progress_display import count_display

if TYPE_CHECKING:
    from iics.arrays import FloatArray, Pixels
    from iics.crops import CropSet
    from iics.data_splits import DataSplits
    from iics.models.match_thresholds import MatchThresholds
    from iics.models.reid_model import ReidModel

logger = logging.getLogger(__name__)


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = with_data_apart(parse(EvaluateCommand, arguments, command="evaluate"))
    command, remarks = with_runs_apart(command)
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
