"""What a table was measured on, in sentences: data, preset, seeds, machine, date, versions."""

from __future__ import annotations

import importlib.metadata
from datetime import date

from iics.config import ClusterSettings, Settings
from iics.crops import DataSplits
from iics.paper.paper_results import WHOSE_NUMBERS
from iics.paper.study import Study
from iics.paper.study_data import check_measurable, num_identities
from iics.paper.variants import TargetName

_PACKAGES = ("iics", "torch", "timm", "numpy")


def study_notes(target: TargetName, study: Study, *, num_seeds: int, computer: str, today: date) -> tuple[str, ...]:
    """Return the notes below a table.

    Args:
        target: Which table.
        study: What it starts from.
        num_seeds: Seeds asked for.
        computer: The machine, in a line.
        today: When the table was written.
    """
    sides = study.sides() if target == "table3" else (study.splits,)
    settings = study.supervised if target == "table3" else study.settings
    seeds = ", ".join(map(str, range(num_seeds)))
    spread = ", mean ± standard deviation (number of seeds)" if num_seeds > 1 else ", so without a deviation"
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    notes = [
        *(f"Data: {describe_data(side)}." for side in sides),
        f"Preset {study.preset}: {describe_settings(settings)}.",
        f"In percent, after the last round, {'seeds' if num_seeds > 1 else 'seed'} {seeds}{spread}.",
        f"Written on {today.isoformat()} on {computer}; {versions}.",
    ]
    return (*notes, WHOSE_NUMBERS) if target not in ("figure1", "figure3") else tuple(notes)


def describe_data(splits: DataSplits) -> str:
    """Return how much of what is trained and tested on."""
    query, gallery = check_measurable(splits)
    train = splits.to_train_on()
    return (
        f"{splits.name}: trained on {len(train)} crops of {num_identities(train)} identities by {train.num_cameras} "
        f"cameras; tested with {len(query)} queries of {num_identities(query)} other identities in {len(gallery)} crops"
    )


def describe_settings(settings: Settings) -> str:
    """Return backbone, size, length and what is clustered of the full method, or of training with identities."""
    model = settings.model
    rounds = "1 round" if settings.rounds == 1 else f"{settings.rounds} rounds"
    network = f"{model.backbone} at {model.height}x{model.width}, {rounds}"
    if settings.method == "supervised":
        return f"{network} of {settings.supervised.epochs} epochs on identities"
    stage1, stage2 = settings.stage1, settings.stage2
    return (
        f"{network} of {stage1.epochs} + {stage2.epochs} epochs, clusters {_clusters(stage1.clusters)} in a camera and "
        f"{_clusters(stage2.clusters)} over all, mu {stage2.mu:g}, {settings.distance.kind} distance"
    )


def _clusters(clusters: ClusterSettings) -> str:
    return {"fixed": str(clusters.number), "quantile": f"by quantile {clusters.quantile:g}"}.get(clusters.rule, "auto")
