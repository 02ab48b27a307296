"""Facts about a model from its run folder, finished or not: data, settings, results, origin. Nothing is written.

Folders of older versions hold less; missing facts are named as missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iics import presets
from iics.models.described_networks import shown_backbone
from iics.models.match_thresholds import MatchThresholds
from iics.models.model_file import header_text, read_header
from iics.models.weights_origin import WeightsOrigin
from iics.reports.told_run import ToldRun, setting_text
from iics.runs.fitted_settings import FITTED_FIELDS
from iics.settings_json import leaves, to_json

Rows = list[tuple[str, str]]

_ALWAYS_SHOWN = ("rounds", "stages", "seed", "model.backbone", "model.norm", "model.height", "model.width")
_OF_THE_MACHINE = ("pixels.", "engine.", "device", "loggers", "distance.max_dense_crops", "inference_batch_size")
_MARKET_PROTOCOL = (
    "Market-1501 protocol: ranked by cosine; crops of the query's person and camera do not count; {queries} queries, "
    "{unmatched} of them without an answer in the gallery."
)
_WITHIN_PROTOCOL = (
    "Within one camera (protocol same-camera), where the next frame of a walk is an easy match: ranked by cosine; "
    "{queries} queries, {unmatched} of them without an answer in the gallery. This says nothing of other cameras."
)
_RESULTS = ("mean_ap", "rank1", "rank5", "rank10", "mean_inp")
_UNKNOWN_PROTOCOL = "Measured by the program that trained the model; under which protocol was not recorded."


@dataclass(frozen=True, eq=False)
class ModelFacts:
    """A run as its model card tells it.

    Attributes:
        run: What lies in its folder beside the model.
        versions: Of the packages that wrote the model.
        match_thresholds: Of the model file; None if not calibrated.
        origin: The weights that training started from, as the model file tells; None if it does not.
    """

    run: ToldRun
    versions: Mapping[str, str]
    match_thresholds: MatchThresholds | None
    origin: WeightsOrigin | None = None

    @classmethod
    def read(cls, folder: Path) -> ModelFacts:
        """Read a run folder.

        Raises:
            RunFolderError: If it is none, or something in it cannot be read.
            WeightsError: If its model cannot be read.
        """
        model = folder / "model.safetensors"
        run, header = ToldRun.read(folder), read_header(model)
        return cls(
            run=run,
            match_thresholds=header.match_thresholds,
            origin=header.origin,
            versions=json.loads(header_text(model) or "{}").get("versions", {}),
        )

    @property
    def reader(self) -> str:
        """Name of the reader of the data, "" if it was trained from Python."""
        return str(self.run.data.get("data", ""))

    @property
    def num_crops(self) -> str:
        """Crops trained on."""
        return str(self.run.data.get("num_crops", "an unknown number of"))

    @property
    def num_cameras(self) -> str:
        """Cameras that have crops, with the word."""
        count = self.run.num_cameras
        number = "an unknown number of" if count is None else str(count)
        return f"{number} camera{'' if count == 1 else 's'}"

    @property
    def use_of_identities(self) -> str:
        """Whether there were identities, and what they were used for."""
        if self.run.is_supervised:
            return "It has identities, and the model was trained on them."
        if any(found.clusters.adjusted_rand_index is not None for found in self.run.last_clusters()):
            return "It has identities, which were only used to measure: nothing was learned from them."
        return "No identities were used."

    @property
    def scores(self) -> Mapping[str, float]:
        """What was measured last on query and gallery, as fractions; empty if nothing was."""
        last = self.run.records[-1].scores if self.run.records else {}
        return last if any(name in last for name in _RESULTS) else {}

    @property
    def results(self) -> list[tuple[str, ...]]:
        """Rows of the table of results: before training, if that was measured, and last."""
        if not self.scores:
            return []
        first, last = self.run.records[0], self.run.records[-1]
        rows = {f"after round {last.number}": last.scores}
        if first.number == 0 and any(name in first.scores for name in _RESULTS):
            rows = {"before training": first.scores, **rows}
        return [(name, *(_percent(scores.get(key)) for key in _RESULTS)) for name, scores in rows.items()]

    @property
    def protocol(self) -> str:
        """How the results were measured."""
        queries, unmatched = (self.scores.get(name, "?") for name in ("num_queries", "num_unmatched"))
        if self.scores.get("within_camera"):
            return _WITHIN_PROTOCOL.format(queries=queries, unmatched=unmatched)
        if "evaluate" not in self.run.data:
            return _UNKNOWN_PROTOCOL
        return _MARKET_PROTOCOL.format(queries=queries, unmatched=unmatched) + self._open_set

    @property
    def _open_set(self) -> str:
        """What was missed where a share of false claims is allowed; "" if that was not measured."""
        missed = {allowed: self.scores.get(f"open_set_missed_at_{allowed}") for allowed in (1, 5, 10)}
        told = [
            f"{_percent(value)} % where {allowed} % of those without one may claim somebody"
            for allowed, value in missed.items()
            if value is not None
        ]
        return f" Of the queries with an answer, a threshold misses {', '.join(told)} (open set)." if told else ""

    @property
    def pseudo_labels(self) -> Rows:
        """How good the pseudo-labels of the last round were."""
        found = [found.clusters for found in self.run.last_clusters() if not found.in_camera]
        if not found:
            return []
        last = found[-1]
        clusters, single = ("?" if count is None else str(count) for count in (last.num_clusters, last.num_singletons))
        is_one = self.run.num_cameras == 1
        rows = [
            ("clusters" if is_one else "clusters over all cameras", clusters),
            ("of them, of one crop", single),
            ("crops in the largest", f"{_percent(last.largest_share)} %"),
        ]
        if not is_one:
            mix = f"{_percent(last.camera_entropy_normalized)} %"
            rows.append(("camera mix of the training clusters (0 % none, 100 % all)", mix))
        measured = {
            "agreement with identities, adjusted Rand index (0 chance, 1 equal)": last.adjusted_rand_index,
            "pairs put together that are one person": last.pairwise_precision,
            "pairs of one person that are put together": last.pairwise_recall,
        }
        return rows + [(text, _number(value)) for text, value in measured.items() if value is not None]

    @property
    def backbone(self) -> str:
        """Name of the network."""
        return shown_backbone(str(dict(leaves(self.run.settings)).get("model.backbone") or "unknown"))

    @property
    def weights(self) -> str:
        """What training started from: imagenet, none or a file."""
        return str(dict(leaves(self.run.settings)).get("model.weights") or "imagenet")

    @property
    def preset_text(self) -> str:
        """Which preset the settings are of, or nearest to."""
        name, differences = self._nearest_preset()
        fits = ", which fits network, size and rounds to crops and machine" if name in presets.FITTED else ""
        if not differences:
            return f"Those of the preset {name}{fits}."
        return f"Those of the preset {name}{fits}, but for {len(differences)} of those below, which are marked."

    @property
    def settings_shown(self) -> Rows:
        """The settings that matter most, and all that differ from the nearest preset, marked."""
        _, differences = self._nearest_preset()
        settings = dict(leaves(self.run.settings))
        names = [name for name in _ALWAYS_SHOWN if name in settings]
        names += [name for name in differences if name not in names]
        return [(name, _shown(name, settings[name]) + (" (differs)" if name in differences else "")) for name in names]

    @property
    def made_with(self) -> str:
        """Versions, date and time."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items()) or "unknown versions"
        started, seconds = self.run.data.get("started"), self.run.seconds
        took = f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"
        when = "date not recorded" if started is None else f"started {started}"
        return f"{versions}; {when}; trained for {took}; seed {self.run.settings.get('seed', 'unknown')}."

    def _nearest_preset(self) -> tuple[str, list[str]]:
        """Return the preset that was named, or that the fewest settings differ from, and those that do.

        What a machine decides is left out, and so is what a preset chooses itself.
        """
        ours = {name: value for name, value in leaves(self.run.settings) if not name.startswith(_OF_THE_MACHINE)}
        found = {}
        for preset, settings in presets.BY_NAME.items():
            theirs = dict(leaves(json.loads(to_json(settings))))
            chosen = {"seed", *(FITTED_FIELDS if preset in presets.FITTED else ())}
            found[preset] = [name for name in ours if name not in chosen and ours[name] != theirs.get(name, ours[name])]
        if (named := self.run.data.get("preset")) in found:
            return named, found[named]
        name = min(found, key=lambda preset: (len(found[preset]), preset in presets.FITTED))
        return name, found[name]


def _shown(name: str, value: Any) -> str:
    if name == "model.weights":
        return Path(str(value)).name  # the rest says where things lie on somebody's machine
    return setting_text(shown_backbone(value) if name == "model.backbone" and isinstance(value, str) else value)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
