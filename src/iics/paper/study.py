"""The scale at which the paper's tables are reproduced, quick or the paper's: settings of the full method, and data.

quick is made for two cores and minutes a run; what it costs in realism is told in docs/reproducing.md.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from iics import presets
from iics.config import ClusterSettings, Settings
from iics.data_splits import DataSplits
from iics.paper.paper_results import WHOSE_NUMBERS
from iics.paper.study_data import camera_halves, check_measurable, num_identities, with_fewer_identities
from iics.paper.variants import TargetName

PresetName = Literal["quick", "paper"]

QUICK_TRAIN_IDENTITIES, QUICK_TEST_IDENTITIES = 75, 150
_QUICK_ROUNDS, _QUICK_SUPERVISED_ROUNDS = 3, 10
# Sec. 4.2: 600 clusters in a camera and 800 over all for the 751 identities of Market-1501.
_CLUSTERS_PER_IDENTITY = (600 / 751, 800 / 751)

_PAPER_SETTINGS = {
    "market1501": presets.MARKET1501,
    "dukemtmc": presets.DUKEMTMC,
    "msmt17": presets.MSMT17,
}
_PACKAGES = ("iics", "torch", "timm", "numpy")


@dataclass(frozen=True, eq=False)
class Study:
    """What every table starts from.

    Attributes:
        preset: quick or paper.
        settings: Of the full method with the cosine distance.
        supervised: Of training with identities.
        splits: What is trained and tested on.
        other: A second data set, for Table 3; None for halves of the cameras.
    """

    preset: PresetName
    settings: Settings
    supervised: Settings
    splits: DataSplits
    other: DataSplits | None = None

    def sides(self) -> tuple[DataSplits, DataSplits]:
        """Return Table 3's two data sets; each is trained on and both are tested on.

        Raises:
            DataError: If one data set was given and has fewer than four cameras.
        """
        return (self.splits, self.other) if self.other is not None else camera_halves(self.splits)


def make_study(
    splits: DataSplits,
    *,
    preset: PresetName,
    device: str = "auto",
    weights: str = "imagenet",
    other: DataSplits | None = None,
) -> Study:
    """Return a study of a data set.

    Args:
        splits: With identities, query and gallery.
        preset: quick: few identities, small crops, few rounds. paper: the paper's preset of this data set; data that
            the paper did not have gets its backbone and rounds, with numbers of clusters chosen from the data.
        device: Where to train.
        weights: What to start from, see `ModelSettings`.
        other: A second data set for Table 3.

    Raises:
        DataError: If identities, query or gallery are missing.
    """
    check_measurable(splits)
    if preset == "quick":
        splits, other = _quick(splits), None if other is None else _quick(other)
        settings = quick_settings(num_identities(splits.to_train_on()))
        supervised_rounds = _QUICK_SUPERVISED_ROUNDS
    else:
        if other is not None:
            check_measurable(other)
        settings = _PAPER_SETTINGS.get(splits.name, presets.IICS)
        supervised_rounds = settings.rounds
    model = replace(settings.model, weights=weights)
    distance = replace(settings.distance, kind="cosine")
    settings = replace(settings, model=model, distance=distance, device=device)
    supervised = replace(settings, method="supervised", rounds=supervised_rounds)
    return Study(preset, settings, supervised, splits, other)


def quick_settings(num_train_identities: int) -> Settings:
    """Return the quick preset: that of the sample with fewer rounds and the paper's clusters per identity.

    The numbers of clusters are fixed, as in the paper: a number chosen from the data would differ between the variants,
    and a table would compare choices of numbers too.
    """
    in_camera, over_all = (max(2, round(share * num_train_identities)) for share in _CLUSTERS_PER_IDENTITY)
    sample = presets.SAMPLE
    return replace(
        sample,
        stage1=replace(sample.stage1, clusters=ClusterSettings(number=in_camera)),
        stage2=replace(sample.stage2, clusters=ClusterSettings(number=over_all)),
        rounds=_QUICK_ROUNDS,
    )


def _quick(splits: DataSplits) -> DataSplits:
    return with_fewer_identities(splits, num_train=QUICK_TRAIN_IDENTITIES, num_test=QUICK_TEST_IDENTITIES)


def study_notes(target: TargetName, study: Study, *, num_seeds: int, computer: str, today: date) -> tuple[str, ...]:
    """Return the notes below a table."""
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
        + (f", {stage2.distance} in stage 2" if stage2.distance else "")
    )


def _clusters(clusters: ClusterSettings) -> str:
    return {"fixed": str(clusters.number), "quantile": f"by quantile {clusters.quantile:g}"}.get(clusters.rule, "auto")
