"""`iics evaluate RUN RUN ...`: each model alone, their spread, and all of them by the mean of their distances."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from iics.cli.model_file import load_model_or_run
from iics.cli.protocol_choice import json_values
from iics.cli.unlabelled_result import UnlabelledResult
from iics.errors import check_setting
from iics.evaluation.ensemble import MEAN_DISTANCE, SideBySide, check_different, ensemble_table
from iics.evaluation.metrics import RankingResult, numbers
from iics.evaluation.ranked_results import EvaluatedModel
from iics.evaluation.spread import SCORES, Spread
from iics.models.extraction_memory import check_extraction_fits
from iics.pixels.picture_file import check_picture_path
from iics.progress_display import count_display

if TYPE_CHECKING:
    from iics.cli.evaluate_command import EvaluateCommand
    from iics.cli.protocol_choice import ProtocolChoice
    from iics.data_splits import DataSplits
    from iics.evaluation.camera_pairs import CameraPairs
    from iics.evaluation.single_shot import SingleShotResult
    from iics.models.reid_model import ReidModel

_LABEL_FREE = (
    "The {count} models as one, by the mean of their similarities. Not offered here: the numbers of each model and "
    "their spread; name one model for its own."
)


def evaluate_several(
    command: EvaluateCommand, choice: ProtocolChoice, splits: DataSplits, remarks: Sequence[str]
) -> int:
    """Measure the models of a command and print what came of it."""
    names = [str(path) for path in command.models]
    query, gallery = splits.query, splits.gallery
    if query is None or gallery is None or query.identity_ids is None:
        return _print_label_free(command, choice, splits, remarks)
    choice.check_scorable(query, gallery)
    if command.contact_sheet is not None:
        check_picture_path(command.contact_sheet)
    models = _models(command, max(len(query), len(gallery)))
    choice.check_memory(models, query, gallery)
    joined = SideBySide((len(query), len(gallery)), models)
    each: list[RankingResult | SingleShotResult | CameraPairs] = []
    choices: list[dict[str, Any]] = []
    with count_display("features", len(models) * (len(query) + len(gallery))) as progress:
        for name, model in zip(names, models, strict=True):
            own = EvaluatedModel.embed(model, query, gallery, batch_size=command.batch_size, progress=progress)
            if not each:  # copies are the same to every model, and only before centring
                choice.warn_of_copies(own)
            own, centring = own.centred(model.camera_means, command.centre)
            centring.log(of=name)
            choices.append(centring.json_values())
            each.append(choice.measure(own))
            joined.add(own.query_features, own.gallery_features)
    together = EvaluatedModel(query, gallery, *joined.as_one())
    result = choice.measure(together)
    found, of_each = json_values(result), dict(zip(names, map(json_values, each), strict=True))
    if command.json:
        as_json = {name: {**of_each[name], **centre} for name, centre in zip(names, choices, strict=True)}
        values = {**found, "models": as_json, "spread": _spread_values(of_each), "remarks": remarks}
        print(json.dumps(values, indent=2))
    elif choice.protocol == "camera-pairs":
        print(f"By the {MEAN_DISTANCE} of {len(models)} models; --json has those of each model, too.\n{result}")
    else:
        print(ensemble_table(of_each, found))
        print(f"Queries {found['num_queries']}, without match {found['num_unmatched']}.")
        if isinstance(result, RankingResult) and result.open_set is not None:
            print(f"\nBy the {MEAN_DISTANCE}; --json has those of each model, too.", *result.open_set.lines(), sep="\n")
    if command.contact_sheet is not None:
        together.write_contact_sheet(command.contact_sheet, protocol=command.protocol)
    return 0


def _models(command: EvaluateCommand, num_crops: int) -> list[ReidModel]:
    models = [load_model_or_run(path, device=command.device) for path in command.models]
    check_different(models, [str(path) for path in command.models])
    for model in models:
        check_extraction_fits(model, num_crops, batch_size=command.batch_size)
    return models


def _print_label_free(
    command: EvaluateCommand, choice: ProtocolChoice, splits: DataSplits, remarks: Sequence[str]
) -> int:
    crops = splits.to_look_at()
    choice.check_nothing_ranked(crops)
    check_setting(
        command.centre == "off", "Label-free numbers of several models are of plain features; leave out --centre."
    )
    models = _models(command, len(crops))
    joined = SideBySide((len(crops),), models)
    with count_display("features", len(models) * len(crops)) as progress:
        for model in models:
            joined.add(model.embed(crops, batch_size=command.batch_size, progress=progress))
    result, note = UnlabelledResult.of(joined.as_one()[0], crops), _LABEL_FREE.format(count=len(models))
    if command.json:
        ranked = None if result.ranked is None else numbers(result.ranked)
        values = {"label_free": asdict(result.label_free), "each_against_all": ranked, "note": note}
        print(json.dumps({**values, "models": [str(path) for path in command.models], "remarks": remarks}, indent=2))
    else:
        print(f"{note}\n\n{result}")
    return 0


def _spread_values(of_each: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Return mean, deviation, minimum and maximum of every score that is one number of each model."""
    spreads: dict[str, dict[str, float | None]] = {}
    for name in SCORES:
        found = [value for values in of_each.values() if isinstance(value := values.get(name), float)]
        if len(found) == len(of_each):
            one = Spread(tuple(found))
            spreads[name] = {
                "mean": one.mean,
                "deviation": one.deviation,
                "minimum": one.minimum,
                "maximum": one.maximum,
            }
    return spreads
