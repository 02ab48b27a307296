"""Thresholds in `iics evaluate`: measured and written with --calibrate; those of the file, held against other crops."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iics.cli.model_file import path_of_model

if TYPE_CHECKING:
    from iics.arrays import FloatArray
    from iics.crops import CropSet
    from iics.data_splits import DataSplits
    from iics.models.match_thresholds import MatchThresholds
    from iics.models.reid_model import ReidModel


def calibrate(
    path: Path, splits: DataSplits, model: ReidModel, features: dict[int, FloatArray], *, batch_size: int
) -> MatchThresholds:
    """Measure thresholds and write them into the model file, and anew the card of its run if it is in one.

    Args:
        path: Model file, or the run folder that holds it.
        splits: To measure on.
        model: Embeds what is not embedded yet.
        features: Of crop sets that are, by their id. Each of shape (n, d).
        batch_size: Crops that go through the network at once.
    """
    from iics.evaluation.calibration import measured_thresholds
    from iics.reports.calibrated_model import store_thresholds, trained_fingerprint

    def features_of(crops: CropSet) -> FloatArray:
        return features[id(crops)] if id(crops) in features else model.embed(crops, batch_size=batch_size)

    file = path_of_model(path)
    thresholds = measured_thresholds(features_of, splits, trained_on=trained_fingerprint(file))
    store_thresholds(file, thresholds)
    return thresholds


def shares_above_known(model: ReidModel, splits: DataSplits, features: dict[int, FloatArray]) -> dict[float, float]:
    """Return how many pairs of two people of these crops are above the thresholds that the model file brings."""
    known = model.header.match_thresholds
    if known is None or splits.query is None or splits.gallery is None or splits.gallery.identity_ids is None:
        return {}
    from iics.evaluation.calibration import shares_above

    query, gallery = splits.query, splits.gallery
    return shares_above(known, features[id(query)], features[id(gallery)], query, gallery)


def transfer_text(model: ReidModel, shares: dict[float, float], splits: DataSplits) -> list[str]:
    """Return lines on how the thresholds of the file hold on these crops."""
    known = model.header.match_thresholds
    if known is None or not shares:
        return []
    from iics.models.score_meaning import transfer_lines

    return ["", *transfer_lines(known, shares, data=splits.name)]


def threshold_values(thresholds: MatchThresholds | None) -> dict[str, Any]:
    """Return thresholds as JSON values, by name."""
    return {} if thresholds is None else {"match_thresholds": asdict(thresholds)}


def threshold_text(path: Path | None, thresholds: MatchThresholds | None) -> list[str]:
    """Return lines on thresholds that were written into a model file."""
    if thresholds is None or path is None:
        return []
    from iics.models.score_meaning import summary_lines

    lines = summary_lines(thresholds, are_own_crops=True)
    return ["", *lines, f"Written into {path_of_model(path)}."]
