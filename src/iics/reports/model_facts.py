"""What a run folder, finished or not, tells of its model: data, settings, results, origin. Read, never written.

Folders of older versions hold less; what is missing is called so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from iics import presets
from iics.models.match_thresholds import MatchThresholds
from iics.models.model_header import header_text, read_header
from iics.runs.run_data import RunData
from iics.runs.run_files import check_is_run, read_json, read_records

Rows = list[tuple[str, str]]

_ALWAYS_SHOWN = ("rounds", "stages", "seed", "model.backbone", "model.norm", "model.height", "model.width")
_OF_THE_MACHINE = ("pixels.", "engine.", "device", "loggers", "distance.max_dense_crops", "inference_batch_size")
_MARKET_PROTOCOL = (
    "Market-1501 protocol: ranked by cosine; crops of the query's person and camera do not count; {queries} queries, "
    "{unmatched} of them without an answer in the gallery."
)
_UNKNOWN_PROTOCOL = "Measured by the program that trained the model; under which protocol was not recorded."


@dataclass(frozen=True, eq=False)
class ModelFacts:
    """A run as its model card tells it.

    Attributes:
        name: Of the run folder.
        settings: Contents of settings.json, nested.
        data: Contents of data.json.
        records: Lines of metrics.jsonl.
        versions: Of the packages that wrote the model.
        match_thresholds: Of the model file; None if not calibrated.
    """

    name: str
    settings: Mapping[str, Any]
    data: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]
    versions: Mapping[str, str]
    match_thresholds: MatchThresholds | None

    @classmethod
    def read(cls, folder: Path) -> ModelFacts:
        """Read a run folder.

        Raises:
            RunFolderError: If it is none, or something in it cannot be read.
            WeightsError: If its model cannot be read.
        """
        model = folder / "model.safetensors"
        check_is_run(folder)
        return cls(
            name=folder.absolute().name,
            settings=read_json(folder / "settings.json"),
            data=RunData.read(folder).values,
            records=read_records(folder),
            match_thresholds=read_header(model).match_thresholds,
            versions=json.loads(header_text(model) or "{}").get("versions", {}),
        )

    @property
    def is_supervised(self) -> bool:
        """Whether it trained on identities."""
        return "supervised" in (self.settings.get("method"), self.settings.get("stages"))  # the latter in older runs

    @property
    def progress(self) -> str:
        """How far training is."""
        done = self.records[-1].get("round", 0) if self.records else 0
        planned = self.settings.get("rounds", "?")
        return f"round {done} of {planned}" + ("" if done == planned else " (not finished)")

    @property
    def reader(self) -> str:
        """Name of the reader of the data, "" if it was trained from Python."""
        return str(self.data.get("data", ""))

    @property
    def data_name(self) -> str:
        """What the crops are called."""
        return str(self.data.get("name", "unknown data"))

    @property
    def num_crops(self) -> str:
        """Crops trained on."""
        return str(self.data.get("num_crops", "an unknown number of"))

    @property
    def crops_per_camera(self) -> dict[str, int] | None:
        """Crops of each camera that has any; None if not recorded."""
        counts = self.data.get("crops_per_camera")
        return None if counts is None else {name: count for name, count in counts.items() if count > 0}

    @property
    def num_cameras(self) -> str:
        """Cameras that have crops."""
        if self.crops_per_camera is not None:
            return str(len(self.crops_per_camera))
        last = self.records[-1] if self.records else {}
        return str(len(_at(last, "stage1", "pseudo_labels") or {}) or "an unknown number of")

    @property
    def use_of_identities(self) -> str:
        """Whether there were identities and what became of them."""
        if self.is_supervised:
            return "It has identities, and the model was trained on them."
        last = self.records[-1] if self.records else {}
        kinds = [_at(last, "stage2", "pseudo_labels") or {}, *(_at(last, "stage1", "pseudo_labels") or {}).values()]
        if any(kind.get("adjusted_rand_index") is not None for kind in kinds):
            return "It has identities, which were only used to measure: nothing was learned from them."
        return "No identities were used."

    @property
    def scores(self) -> Mapping[str, float]:
        """What was measured last on query and gallery, as fractions; empty if nothing was."""
        last = (self.records[-1].get("evaluation") or {}) if self.records else {}
        known = {name: value for name, value in last.items() if isinstance(value, int | float)}
        return known if "mean_ap" in known else {}

    @property
    def results(self) -> list[tuple[str, ...]]:
        """Rows of the table of results: before training, if that was measured, and last."""
        if not self.scores:
            return []
        first, last = self.records[0], self.records[-1]
        before = _at(first, "evaluation", "mean_ap")
        is_before = first.get("round") == 0 and first is not last and isinstance(before, float)
        shown = [("before training", first)] if is_before else []
        keys = ("mean_ap", "rank1", "rank5", "rank10", "mean_inp")
        return [
            (name, *(_percent(_at(record, "evaluation", key)) for key in keys))
            for name, record in [*shown, (f"after round {last.get('round')}", last)]
        ]

    @property
    def protocol(self) -> str:
        """How the results were measured."""
        if "evaluate" not in self.data:
            return _UNKNOWN_PROTOCOL
        queries, unmatched = (self.scores.get(name, "?") for name in ("num_queries", "num_unmatched"))
        return _MARKET_PROTOCOL.format(queries=queries, unmatched=unmatched)

    @property
    def pseudo_labels(self) -> Rows:
        """How good the pseudo-labels of the last round were."""
        last = self.records[-1] if self.records else {}
        statistics = _at(last, "stage2", "pseudo_labels")
        if not statistics:
            return []
        rows = [
            ("clusters over all cameras", str(statistics.get("num_clusters", "?"))),
            ("of them, of one crop", str(statistics.get("num_singletons", "?"))),
            ("crops in the largest", f"{_percent(statistics.get('largest_share'))} %"),
            ("mixture of cameras in clusters (0 none, 1 all)", _number(statistics.get("camera_entropy_normalized"))),
        ]
        measured = {
            "adjusted_rand_index": "agreement with identities, adjusted Rand index (0 chance, 1 equal)",
            "pairwise_precision": "pairs put together that are one person",
            "pairwise_recall": "pairs of one person that are put together",
        }
        known = [(text, statistics[key]) for key, text in measured.items() if statistics.get(key) is not None]
        return rows + [(text, _number(value)) for text, value in known]

    @property
    def backbone(self) -> str:
        """Name of the network."""
        return str(_at(self.settings, "model", "backbone") or "unknown")

    @property
    def weights(self) -> str:
        """What training started from: imagenet, none or a file."""
        return str(_at(self.settings, "model", "weights") or "imagenet")

    @property
    def preset_text(self) -> str:
        """Which preset the settings are nearest to."""
        name, differences = self._nearest_preset()
        if not differences:
            return f"Those of the preset {name}."
        return f"Those of the preset {name}, but for {len(differences)} of those below, which are marked."

    @property
    def settings_shown(self) -> Rows:
        """The settings that matter most, and all that differ from the nearest preset, marked."""
        _, differences = self._nearest_preset()
        leaves = dict(_leaves(self.settings))
        names = [name for name in _ALWAYS_SHOWN if name in leaves]
        names += [name for name in differences if name not in names]
        return [(name, _shown(name, leaves[name]) + (" (differs)" if name in differences else "")) for name in names]

    @property
    def made_with(self) -> str:
        """Versions, date and time."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items()) or "unknown versions"
        started = self.data.get("started")
        seconds = sum(sum((record.get("seconds") or {}).values()) for record in self.records)
        took = f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"
        when = "date not recorded" if started is None else f"started {started}"
        return f"{versions}; {when}; trained for {took}; seed {self.settings.get('seed', 'unknown')}."

    def _nearest_preset(self) -> tuple[str, list[str]]:
        """Return the preset that the fewest settings differ from, and those; what a machine decides is left out."""
        ours = {name: value for name, value in _leaves(self.settings) if not name.startswith(_OF_THE_MACHINE)}
        found = {}
        for preset, settings in presets.BY_NAME.items():
            theirs = dict(_leaves(asdict(settings)))
            found[preset] = [name for name in ours if name != "seed" and ours[name] != theirs.get(name, ours[name])]
        name = min(found, key=lambda preset: len(found[preset]))
        return name, found[name]


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", list(value) if isinstance(value, tuple) else value


def _shown(name: str, value: Any) -> str:
    if name == "model.weights":
        return Path(str(value)).name  # the rest says where things lie on somebody's machine
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _at(record: Mapping[str, Any], *path: str) -> Any:
    value: Any = record
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _percent(value: Any) -> str:
    return f"{100 * value:.1f}" if isinstance(value, int | float) else "-"  # a caller may have recorded anything


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
