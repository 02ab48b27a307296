"""A round's record: what its stages did and what was measured after it. A line of metrics.jsonl, in types.

A run writes it; reports, model card, tables, loggers and the command line read it. Stages are known by standing in it:
whatever is no field of the round itself is a stage, of any method. Older versions recorded less, so all but the number
of the round may be missing; what is there must be of its kind, and is checked here alone.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from iics.similarity.pair_histograms import BINS_PER_UNIT

Pairs = Sequence[Sequence[int]]
"""Pairs of whole numbers, as lines and statistics hold them: a size and how many clusters have it, say."""

_OF_THE_ROUND = ("round", "seconds", "phases", "alpha", "evaluation", "pseudo_labels")
_NO_TERMS = ("num_steps", "pseudo_labels", "similarity", "stability")
_DRAWN_BY_NAME = ("loss", "triplet", "accuracy")


class RecordError(ValueError):
    """What is wrong with a record, as the end of a sentence."""


@dataclass(frozen=True)
class ClusterRecord:
    """What clusters look like, as `PseudoLabelStatistics` has it; None is what was not recorded or not known."""

    num_clusters: int | None = None
    num_singletons: int | None = None
    largest_share: float | None = None
    camera_entropy_normalized: float | None = None
    num_across_cameras: int | None = None
    labelled_share: float | None = None
    size_counts: Pairs | None = None
    adjusted_rand_index: float | None = None
    normalized_mutual_information: float | None = None
    pairwise_precision: float | None = None
    pairwise_recall: float | None = None

    @property
    def num_crops(self) -> int | None:
        """How many crops were clustered."""
        return None if self.size_counts is None else sum(size * clusters for size, clusters in self.size_counts)

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str) -> ClusterRecord:
        """Return it from its part of a line, `where` being the name of that part."""
        return cls(**{name: _field(values, name, _CLUSTER_KINDS[name], where) for name in _CLUSTER_KINDS})


@dataclass(frozen=True, eq=False)
class SimilarityRecord:
    """How similar pairs of crops were before a stage, as `PairHistograms` has it.

    Attributes:
        num_sampled: Crops compared with all others.
        counts: By kind of pair, the bins that are not empty and how many pairs each holds.
    """

    num_sampled: int | None
    counts: Mapping[str, Pairs]


@dataclass(frozen=True, eq=False)
class StageRecord:
    """What a stage did in a round.

    Attributes:
        terms: Every number that it recorded, by its name: the terms of its loss, and whatever else; None where it was
            not finite.
        num_steps: Steps that it took.
        clusters: Its clusters over all cameras; None if it has none of that kind.
        by_camera: Its clusters within each camera, by the camera's name; empty if it has none of that kind.
        similarity: None if it compared no pairs.
        stability: Agreement of its clusters with those of the round before, by measure; empty in the first round.
    """

    terms: Mapping[str, float | None]
    num_steps: int | None
    clusters: ClusterRecord | None
    by_camera: Mapping[str, ClusterRecord]
    similarity: SimilarityRecord | None
    stability: Mapping[str, float | None]

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str) -> StageRecord:
        """Return it from its part of a line, `where` being the name of that part.

        Raises:
            RecordError: If something in it is of the wrong kind.
        """
        _numbers({name: values[name] for name in _DRAWN_BY_NAME if name in values}, where, "number or null")
        labels = _field(values, "pseudo_labels", "object", where) or {}
        where_labels = f"{where}.pseudo_labels"
        is_whole = any(name in labels and not isinstance(labels[name], Mapping) for name in _CLUSTER_KINDS)
        cameras = () if is_whole else labels
        return cls(
            terms={
                name: value
                for name, value in values.items()
                if name not in _NO_TERMS and _KINDS["number or null"](value)
            },
            num_steps=_field(values, "num_steps", "count", where),
            clusters=ClusterRecord.of(labels, where_labels) if is_whole else None,
            by_camera={
                name: ClusterRecord.of(_field(labels, name, "object", where_labels), f"{where_labels}.{name}")
                for name in cameras
            },
            similarity=_similarity(_field(values, "similarity", "object or null", where), f"{where}.similarity"),
            stability=_numbers(
                _field(values, "stability", "object or null", where), f"{where}.stability", "number or null"
            ),
        )

    @property
    def has_clusters(self) -> bool:
        """Whether it labelled crops."""
        return self.clusters is not None or bool(self.by_camera)

    def statistic(self, name: str) -> float | None:
        """Return a number of its clusters: over all cameras, or averaged over cameras by their crops."""
        if self.clusters is not None:
            return getattr(self.clusters, name)  # type: ignore[no-any-return]
        found = [(getattr(clusters, name), clusters.num_crops or 1) for clusters in self.by_camera.values()]
        known = [(value, weight) for value, weight in found if value is not None]
        return sum(value * weight for value, weight in known) / sum(weight for _, weight in known) if known else None


@dataclass(frozen=True, eq=False)
class RoundRecord:
    """What a round did.

    Attributes:
        number: Of the round, from 1; 0 before training.
        stages: By name, in the order in which they trained.
        seconds: Each stage took.
        phases: By stage and work, e.g. "stage1_features": "seconds", and "images_per_second" where there were any.
        alpha: Of each block (Eq. 12).
        evaluation: What was measured after the round, in whatever shape the caller gave it.
        values: The line of metrics.jsonl, read: all of it, also what no version of today writes.
    """

    number: int
    stages: Mapping[str, StageRecord]
    seconds: Mapping[str, float]
    phases: Mapping[str, Mapping[str, float | None]]
    alpha: Mapping[str, float]
    evaluation: Mapping[str, Any]
    values: Mapping[str, Any]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> RoundRecord:
        """Return the record in a line of metrics.jsonl that was read as JSON.

        Raises:
            RecordError: If it names no round, or something in it is of the wrong kind.
        """
        if not _is_count(values.get("round")):
            raise RecordError(f"names no round: round must be a whole number from 0, got {values.get('round')!r}")
        seconds = _field(values, "seconds", "object") or {}
        phases = _field(values, "phases", "object") or {}
        return cls(
            number=values["round"],
            stages={
                name: StageRecord.of(_field(values, name, "object"), name)
                for name, value in values.items()
                if name not in _OF_THE_ROUND and (isinstance(value, Mapping) or name in seconds)
            },
            seconds=_numbers(seconds, "seconds"),
            phases={
                name: _numbers(_field(phases, name, "object", "phases"), f"phases.{name}", "number or null")
                for name in phases
            },
            alpha=_numbers(_field(values, "alpha", "object"), "alpha"),
            evaluation=_field(values, "evaluation", "object or null") or {},
            values=values,
        )

    @property
    def line(self) -> str:
        """The record as a line of metrics.jsonl."""
        return json.dumps(self.values)

    @property
    def all_seconds(self) -> float:
        """How long the round trained."""
        return sum(self.seconds.values())

    @property
    def scores(self) -> dict[str, float]:
        """The numbers among what was measured, by name; a caller may have recorded anything beside them."""
        return {name: value for name, value in self.evaluation.items() if _is_number(value)}

    def term(self, stage: str, name: str) -> float | None:
        """Return a number that a stage recorded; None if it did not, or if there was no such stage."""
        return self.stages[stage].terms.get(name) if stage in self.stages else None


def stage_title(stage: str) -> str:
    """Return what people call a stage: "stage 1" for stage1, and its name otherwise."""
    return re.sub(r"^stage(\d+)$", r"stage \1", stage)


def _similarity(values: Mapping[str, Any] | None, where: str) -> SimilarityRecord | None:
    if values is None:
        return None
    pairs = _field(values, "pairs", "object", where) or {}
    kinds = {kind: _field(pairs, kind, "object", f"{where}.pairs") for kind in pairs}
    counts = {kind: _field(kinds[kind], "counts", "histogram", f"{where}.pairs.{kind}") for kind in kinds}
    return SimilarityRecord(
        num_sampled=_field(values, "num_sampled", "count", where),
        counts={kind: found for kind, found in counts.items() if found is not None},
    )


def _field(values: Mapping[str, Any], name: str, needs: str, where: str = "") -> Any:
    """Return a field if it is of a kind, None if it is missing."""
    if name not in values:
        return None
    is_right, value = _KINDS[needs], values[name]
    if not is_right(value):
        place = f"{where}.{name}" if where else name
        raise RecordError(f"has no {needs} at {place}, got {str(value)[:60]!r}")
    return value


def _numbers(values: Mapping[str, Any] | None, where: str, needs: str = "number") -> dict[str, Any]:
    """Return an object all of whose fields are numbers; empty if it is missing or null."""
    return {} if values is None else {name: _field(values, name, needs, where) for name in values}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_bin(value: Any) -> bool:
    return isinstance(value, int) and -BINS_PER_UNIT <= value < BINS_PER_UNIT


def _are_pairs(value: Any, is_first: Callable[[Any], bool] = _is_count) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(pair, list | tuple) and len(pair) == 2 and is_first(pair[0]) and _is_count(pair[1]) for pair in value
    )


_KINDS: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, Mapping),
    "object or null": lambda value: value is None or isinstance(value, Mapping),
    "number": _is_number,
    "number or null": lambda value: value is None or _is_number(value),
    "count": _is_count,
    "pairs of counts": _are_pairs,
    "histogram": lambda value: _are_pairs(value, _is_bin),
}
_MEASURED_AGAINST_IDENTITIES = (
    "adjusted_rand_index",
    "normalized_mutual_information",
    "pairwise_precision",
    "pairwise_recall",
)
_CLUSTER_KINDS = {
    **{field.name: "number" for field in fields(ClusterRecord)},
    **dict.fromkeys(_MEASURED_AGAINST_IDENTITIES, "number or null"),
    "size_counts": "pairs of counts",
}
