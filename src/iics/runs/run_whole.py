"""Whether the files of a run belong together: metrics and model, compared with its newest checkpoint."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from iics.errors import RunFolderError, SettingsError
from iics.methods.by_name import remaining_stages
from iics.models.camera_means import CameraMeans
from iics.models.model_file import read_model_file
from iics.runs.checkpoint import Checkpoint
from iics.runs.run_folder import RunFolder

_REBUILD = "Restore it from a copy, or delete it: iics train --resume writes it anew from the last checkpoint."


def check_whole(folder: RunFolder) -> None:
    """Refuse settings that are not a run's, and metrics and model that are not those its newest checkpoint tells of.

    Raises:
        RunFolderError: If they are not this run's, or rounds are missing.
        WeightsError: If the model is damaged.
    """
    try:
        folder.settings()
    except SettingsError:  # of another version, perhaps: a run can be told of all the same
        return
    try:
        checkpoint = folder.latest_checkpoint()
    except RunFolderError:  # likewise without its checkpoints; going on with it names them
        return
    if checkpoint is not None:
        check_own_metrics(folder, folder.read_metrics(), checkpoint)
        check_own_model(folder, checkpoint)


def check_model_in(path: Path) -> None:
    """Refuse the model in a run folder if it is not the run's; nothing else of the folder need be whole.

    Raises:
        RunFolderError: If the run is finished, and its model is not that of its last checkpoint.
        WeightsError: If the model is damaged.
    """
    try:
        folder = RunFolder.open(path)
        checkpoint = folder.latest_checkpoint()
        folder.settings()
    except (RunFolderError, SettingsError):  # no run, or one that cannot be gone on with: a model it has all the same
        return
    if checkpoint is not None:
        check_own_model(folder, checkpoint)


def check_own_metrics(folder: RunFolder, lines: list[str], checkpoint: Checkpoint) -> None:
    """Refuse lines of metrics.jsonl that do not begin with those of a checkpoint.

    Raises:
        RunFolderError: If they do not.
    """
    if lines[: len(checkpoint.history)] != checkpoint.history:
        raise RunFolderError(
            f"{folder.path / 'metrics.jsonl'} is not this run's: its rounds are not those of the checkpoint. {_REBUILD}"
        )


def check_own_model(folder: RunFolder, checkpoint: Checkpoint) -> None:
    """Refuse a model file that is not of a finished run's last checkpoint; that of a run at work is written anew.

    Raises:
        RunFolderError: If it is not.
        WeightsError: If it is damaged.
    """
    is_finished = next(remaining_stages(folder.settings(), checkpoint.place), None) is None
    if not is_finished or not folder.model_path.exists():
        return
    if not _are_same(read_model_file(folder.model_path).weights, checkpoint.backbone):
        raise RunFolderError(
            f"{folder.model_path} is not the model of this run's last checkpoint: it is another run's, or was changed. "
            f"{_REBUILD}"
        )


def means_of(folder: RunFolder, checkpoint: Checkpoint) -> CameraMeans | None:
    """Return the camera means in a run's model file if its weights are those of a checkpoint, else None."""
    if not folder.model_path.exists():
        return None
    found = read_model_file(folder.model_path)
    return found.camera_means if _are_same(found.weights, checkpoint.backbone) else None


def _are_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and one[name].equal(other[name].cpu()) for name in one
    )
