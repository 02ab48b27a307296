"""`iics evaluate`: the command, and its arguments as they are meant: models, runs and data told apart."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, get_args

import tyro

from iics.cli.model_file import ForeignFlags, ForeignWeights
from iics.cli.protocol_choice import DEFAULT_REPEATS, ProtocolName, RerankingForm, check_reranking_form
from iics.cli.source import DataName, DataSource, SourceFlags
from iics.config import DEFAULT_CENTRE, Centre
from iics.errors import SettingsError, check_setting
from iics.home_folder import expanded
from iics.ranges import BATCH, SEED, check_ranges, number, whole
from iics.readers.path_kind import TABLES

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


def with_data_apart(command: EvaluateCommand) -> EvaluateCommand:
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


def with_runs_apart(command: EvaluateCommand) -> tuple[EvaluateCommand, tuple[str, ...]]:
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
