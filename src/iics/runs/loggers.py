"""Where a round's record can go beside metrics.jsonl: TensorBoard, Weights & Biases, MLflow, each chosen by name.

A logger is opened for a run folder, given each round's record and closed. Which records
it still lacks, and what happens when it fails, is told in `runs/run_log.py`. Packages are imported when a logger is
opened; those that are extras are looked for before a run starts.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from iics.arrays import DoubleArray
from iics.config import LoggerName, Settings
from iics.errors import SettingsError
from iics.runs.record import ClusterRecord, RoundRecord
from iics.settings_json import leaves
from iics.shown_name import shown

PROJECT = "iics"
"""Project (W&B) or experiment (MLflow) of every run, unless the environment names another."""

_MLFLOW_METRICS_AT_ONCE, _MLFLOW_PARAMS_AT_ONCE = 1000, 100  # the most that a server takes in one request


@dataclass(frozen=True)
class LoggerStart:
    """What a logger is opened with.

    Attributes:
        folder: Of the run; its name is the run's name.
        settings: Of the run.
        run_id: The run's name at the service if a logger was opened for it before, else None.
        last_round: Last round that a logger was given before; -1 if none.
    """

    folder: Path
    settings: Settings
    run_id: str | None
    last_round: int


class RunLogger(Protocol):
    """An open logger."""

    @property
    def run_id(self) -> str | None:
        """The run's name at the service, by which it goes on later; None if it needs none."""

    @property
    def last_round(self) -> int:
        """Last round held when opened, which may not be what was remembered before a kill; -1 if none."""

    def log_round(self, record: RoundRecord) -> None:
        """Log one round's record, at the round as step, and leave it where a kill does not lose it."""

    def close(self, *, is_finished: bool) -> None:
        """Close it; `is_finished` unless the run was stopped or failed."""


class TensorBoardLogger:
    """Event files in tensorboard/ of the run folder: scalars and histograms."""

    run_id = None

    def __init__(self, start: LoggerStart) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # tensorboard's own imports
            from torch.utils.tensorboard import SummaryWriter
        self.last_round = start.last_round
        # Readers drop what was logged for rounds from `purge_step` on: of a start that was killed while it wrote.
        self._writer = SummaryWriter(str(start.folder / "tensorboard"), purge_step=start.last_round + 1)

    def log_round(self, record: RoundRecord) -> None:
        """Write the record's numbers and histograms to disk."""
        for name, value in flatten(record):
            self._writer.add_scalar(name, value, record.number)
        for name, values in histograms(record).items():
            self._writer.add_histogram(name, values, record.number)
        self._writer.flush()

    def close(self, *, is_finished: bool) -> None:  # noqa: ARG002
        """Close the event file."""
        self._writer.close()


class WandbLogger:
    """A run of Weights & Biases. WANDB_MODE, WANDB_PROJECT, WANDB_NAME and WANDB_DIR are honoured.

    W&B writes in the background. Online, a resumed run asks the server which rounds it has; offline, a kill within a
    second after a round loses that round there.
    """

    def __init__(self, start: LoggerStart) -> None:
        import wandb

        settings = wandb.Settings(console="off")  # the live progress line is no log
        if hasattr(settings, "x_transaction_log_flush_interval"):  # wandb may change what it names x_...
            settings.x_transaction_log_flush_interval = 1.0
        self._histogram = wandb.Histogram
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            name=os.environ.get("WANDB_NAME") or _run_name(start.folder),
            dir=os.environ.get("WANDB_DIR") or str(start.folder),
            config=dataclasses.asdict(start.settings),
            id=start.run_id,
            resume=None if start.run_id is None else "allow",
            reinit="create_new",  # leaves a run of the caller's own alone
            settings=settings,
        )
        self.run_id: str = self._run.id
        self.last_round: int = start.last_round if self._run.offline else self._run.starting_step - 1

    def log_round(self, record: RoundRecord) -> None:
        """Hand the record's numbers and histograms to W&B."""
        values = {name: self._histogram(values) for name, values in histograms(record).items()}
        self._run.log({**dict(flatten(record)), **values}, step=record.number, commit=True)

    def close(self, *, is_finished: bool) -> None:
        """Upload what is left and mark the run as finished or failed."""
        self._run.finish(exit_code=0 if is_finished else 1)


class MlflowLogger:
    """A run of MLflow, at MLFLOW_TRACKING_URI or in mlflow.db of the run folder. MLflow has no histograms."""

    def __init__(self, start: LoggerStart) -> None:
        local = f"sqlite:///{start.folder.absolute() / 'mlflow.db'}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of mlflow about its own packages
            from mlflow.entities import Metric
            from mlflow.tracking import MlflowClient

            self._metric = Metric
            self._client = MlflowClient(tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or local)
        self.last_round = -1
        if start.run_id is None:
            self.run_id = self._new_run(start)
        else:
            self.run_id = start.run_id
            self._client.update_run(self.run_id, status="RUNNING")
            logged = self._client.get_metric_history(self.run_id, "round")
            self.last_round = max((metric.step for metric in logged), default=-1)

    def log_round(self, record: RoundRecord) -> None:
        """Store the record's numbers."""
        now = int(time.time() * 1000)
        metrics = [self._metric(_mlflow_name(name), value, now, record.number) for name, value in flatten(record)]
        metrics.sort(key=lambda metric: metric.key == "round")  # last: where it is, all are
        for first in range(0, len(metrics), _MLFLOW_METRICS_AT_ONCE):
            self._client.log_batch(self.run_id, metrics=metrics[first : first + _MLFLOW_METRICS_AT_ONCE])

    def close(self, *, is_finished: bool) -> None:
        """Mark the run as finished or stopped."""
        self._client.set_terminated(self.run_id, status="FINISHED" if is_finished else "KILLED")

    def _new_run(self, start: LoggerStart) -> str:
        from mlflow.entities import Param

        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT
        experiment = self._client.get_experiment_by_name(name)
        experiment_id = self._client.create_experiment(name) if experiment is None else experiment.experiment_id
        run_id: str = self._client.create_run(experiment_id, run_name=_run_name(start.folder)).info.run_id
        params = [Param(key, str(value)) for key, value in leaves(dataclasses.asdict(start.settings))]
        for first in range(0, len(params), _MLFLOW_PARAMS_AT_ONCE):
            self._client.log_batch(run_id, params=params[first : first + _MLFLOW_PARAMS_AT_ONCE])
        return run_id


LOGGERS: dict[LoggerName, Callable[[LoggerStart], RunLogger]] = {
    "tensorboard": TensorBoardLogger,
    "wandb": WandbLogger,
    "mlflow": MlflowLogger,
}
_PACKAGES: dict[LoggerName, tuple[str, ...]] = {
    "tensorboard": ("tensorboard",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow", "sqlalchemy"),
}


def check_loggers(names: tuple[LoggerName, ...]) -> None:
    """Refuse loggers that cannot be opened for want of a package or a key.

    Raises:
        SettingsError: If a package is not installed, or W&B has no key that it accepts.
    """
    for name in names:
        for package in _PACKAGES[name]:
            spec = importlib.util.find_spec(package)
            if spec is None or spec.origin is None:  # no origin: a folder of that name, e.g. W&B's own ./wandb
                raise SettingsError(f"Logger {name} needs the package {package}: pip install 'iics[{name}]'.")
    if "wandb" in names:
        _check_wandb_key()


def _check_wandb_key() -> None:
    """Refuse a W&B that would ask for a key in the middle of a run."""
    import wandb

    if wandb.setup().settings.mode in ("offline", "disabled", "dryrun"):
        return
    ways_out = "Run `wandb login`, or set WANDB_MODE=offline and upload later with `wandb sync`."
    try:
        has_key = wandb.login(prompt=False)
    except wandb.Error as error:
        raise SettingsError(f"Logger wandb cannot log in: {error} {ways_out}") from error
    if not has_key:
        raise SettingsError(f"Logger wandb has no API key. {ways_out}")


def flatten(record: RoundRecord) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a record under names joined by slashes."""
    for name, value in leaves(record.values, separator="/"):
        if isinstance(value, int | float):
            yield shown(name), float(value)


def histograms(record: RoundRecord) -> dict[str, DoubleArray]:
    """Return what a record holds many values of: alphas; sizes of the clusters of each stage, and of its cameras."""
    found = {"alphas": np.array(list(record.alpha.values()), dtype=np.float64)}
    for name, stage in record.stages.items():
        cameras = {camera: _sizes(clusters) for camera, clusters in stage.by_camera.items()}
        found |= {shown(f"{name}/cluster_sizes/{camera}"): sizes for camera, sizes in cameras.items()}
        sizes = [*cameras.values(), *([] if stage.clusters is None else [_sizes(stage.clusters)])]
        if sizes:
            found[shown(f"{name}/cluster_sizes")] = np.concatenate(sizes)
    return {name: values for name, values in found.items() if len(values)}


def _sizes(clusters: ClusterRecord) -> DoubleArray:
    """Return the size of each cluster, ascending."""
    pairs = np.array(clusters.size_counts or [], dtype=np.int64).reshape(-1, 2)
    return np.repeat(pairs[:, 0], pairs[:, 1]).astype(np.float64)


def _mlflow_name(name: str) -> str:
    """Return a metric's name in the characters that MLflow takes; cameras may be named in others."""
    return re.sub(r"[^\w./: -]", "_", name)


def _run_name(folder: Path) -> str:
    return folder.absolute().name
