"""Thresholds in a model file: which similarity means the same person; and in the model card of its run."""

from __future__ import annotations

from pathlib import Path

from iics.data_splits import DataSplits, all_splits
from iics.evaluation.calibration import measured_thresholds
from iics.models.match_thresholds import MatchThresholds
from iics.models.model_file import write_match_thresholds
from iics.models.reid_model import load_model
from iics.models.transfer import weights_file
from iics.reports.model_card import write_model_card
from iics.runs.run_data import RunData


def calibrate(model_file: Path | str, data: DataSplits) -> MatchThresholds:
    """Measure which similarity means the same person, and write it into a model file; weights do not change.

    Args:
        model_file: A file that `ReidModel.save` wrote, or the run folder that holds it.
        data: With identities, or with tracklets and times, or boxes.

    Raises:
        DataError: If a crop cannot be read.
        EvaluationError: If no pair of two people is known.
        WeightsError: If the model cannot be read.
        WriteError: If it cannot be written.
    """
    file, data = weights_file(model_file), all_splits(data, what="Calibration")
    thresholds = measured_thresholds(load_model(file).embed, data, trained_on=trained_fingerprint(file))
    store_thresholds(file, thresholds)
    return thresholds


def store_thresholds(model_file: Path, thresholds: MatchThresholds) -> None:
    """Write thresholds into a model file and, if it is in a run folder, write the run's model card again.

    Raises:
        IicsError: If either cannot be read or written.
    """
    write_match_thresholds(model_file, thresholds)
    if (model_file.parent / "settings.json").is_file() and model_file.name == "model.safetensors":
        write_model_card(model_file.parent)


def trained_fingerprint(model_file: Path) -> str | None:
    """Return the fingerprint of the crops that the model of a run was trained on; None for a model outside of a run.

    Raises:
        RunFolderError: If it is in a run folder whose data.json is damaged.
    """
    folder = model_file.parent
    if not (folder / "settings.json").is_file() or not (folder / "data.json").exists():
        return None
    fingerprint: str | None = RunData.read(folder).values.get("fingerprint")
    return fingerprint
