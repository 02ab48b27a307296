"""A run folder, read for reports: settings, data and records, of this version or an older one.

Report and model card are made from it. Nothing is written. What a run did not record is left out. Stages are those
that its records name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iics.reports.plot_curves import Curve
from iics.runs.record import ClusterRecord, RoundRecord, StageRecord, stage_title
from iics.runs.run_data import RunData
from iics.runs.run_files import check_is_run, read_json, read_records
from iics.settings_json import leaves

NumberOf = Callable[[RoundRecord], float | None]
_OF_CAMERAS = ("camera_entropy", "camera_entropy_normalized", "num_across_cameras")


@dataclass(frozen=True)
class Clustering:
    """The clusters of a stage, round by round.

    Attributes:
        stage: Its name.
        in_cameras: Whether they are of one camera each, and there are several.
        is_one_camera: Whether one camera took all crops.
        suffix: What tells it from other stages with clusters of the kind, e.g. ", stage 2"; "" if there is none.
    """

    stage: str
    in_cameras: bool
    suffix: str = ""
    is_one_camera: bool = False

    @property
    def where(self) -> str:
        """Where clusters were sought, for people."""
        over_all = "the only camera" if self.is_one_camera else "all cameras"
        return ("within a camera" if self.in_cameras else over_all) + self.suffix

    def clusters(self, record: RoundRecord) -> ClusterRecord | None:
        """Return the clusters over all crops of a round; None if there are none of that kind."""
        stage = self.at(record)
        if stage is None or self.in_cameras:
            return None
        return next(iter(stage.by_camera.values()), None) if self.is_one_camera and stage.by_camera else stage.clusters

    def at(self, record: RoundRecord) -> StageRecord | None:
        """Return what the stage recorded in a round."""
        return record.stages.get(self.stage)

    def number(self, name: str) -> NumberOf:
        """Return what reads a statistic of the clusters: over all crops, or the mean over cameras by their crops.

        How one camera's clusters mix cameras is nothing.
        """

        def number_of(record: RoundRecord) -> float | None:
            stage, whole = self.at(record), self.clusters(record)
            if stage is None or (self.is_one_camera and name in _OF_CAMERAS):
                return None
            if whole is None:
                return stage.statistic(name)
            return getattr(whole, name)  # type: ignore[no-any-return]

        return number_of

    def stability(self, record: RoundRecord) -> float | None:
        """Return the adjusted Rand index of the clusters with those of the round before."""
        stage = self.at(record)
        return None if stage is None else stage.stability.get("adjusted_rand_index")


@dataclass(frozen=True)
class FoundClusters:
    """The clusters of one camera or of all, in one round.

    Attributes:
        where: E.g. "all cameras" or "camera door".
        in_camera: Whether they are of one camera.
        clusters: What they look like.
    """

    where: str
    in_camera: bool
    clusters: ClusterRecord


@dataclass(frozen=True, eq=False)
class ToldRun:
    """What is told of a run.

    Attributes:
        name: Of the run folder.
        settings: Contents of settings.json, nested.
        data: Contents of data.json.
        records: Lines of metrics.jsonl; the first may be of round 0, before training.
    """

    name: str
    settings: Mapping[str, Any]
    data: Mapping[str, Any]
    records: tuple[RoundRecord, ...]

    @classmethod
    def read(cls, folder: Path) -> ToldRun:
        """Read a run folder, also of a run at work.

        Raises:
            RunFolderError: If it is none, or something in it cannot be read.
        """
        check_is_run(folder)
        return cls(
            name=folder.absolute().name,
            settings=read_json(folder / "settings.json"),
            data=RunData.read(folder).values,
            records=tuple(read_records(folder)),
        )

    @property
    def is_supervised(self) -> bool:
        """Whether it trained on identities."""
        older = "supervised" in (self.settings.get("method"), self.settings.get("stages"))
        return older or "identities" in self.data

    @property
    def progress(self) -> str:
        """How far training is."""
        done, planned = self.records[-1].number if self.records else 0, self.settings.get("rounds", "?")
        return f"round {done} of {planned}" + ("" if done == planned else " (not finished)")

    @property
    def training_similarity(self) -> str:
        """What the clusters over all cameras were made by, as settings name it."""
        stage2, distance = (self.settings.get(name, {}) for name in ("stage2", "distance"))
        if self.settings.get("stages") == "stage1" and distance:
            return f"the cosine of features and the distance {distance.get('kind')}"
        if self.settings.get("method", "iics") != "iics" or not (stage2 and distance):
            return "the method's own similarity"
        return f"the similarity {stage2.get('similarity')} and the distance {distance.get('kind')}"

    @property
    def data_name(self) -> str:
        """What the crops are called."""
        return str(self.data.get("name", "unknown data"))

    @property
    def trained(self) -> tuple[RoundRecord, ...]:
        """The records of rounds that trained."""
        return tuple(record for record in self.records if record.number > 0)

    @property
    def seconds(self) -> float:
        """How long it trained."""
        return sum(record.all_seconds for record in self.records)

    @property
    def crops_per_camera(self) -> dict[str, int] | None:
        """Crops of each camera that has any; None in runs of older versions, which do not tell."""
        counts = self.data.get("crops_per_camera")
        return None if counts is None else {name: count for name, count in counts.items() if count > 0}

    @property
    def num_cameras(self) -> int | None:
        """Cameras that have crops, or, in older runs, clusters of their own; None if nothing tells."""
        if self.crops_per_camera is not None:
            return len(self.crops_per_camera)
        return sum(found.in_camera for found in self.last_clusters()) or None

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that were recorded, in the order of a round."""
        return tuple(dict.fromkeys(name for record in self.records for name in record.stages))

    @property
    def clusterings(self) -> tuple[Clustering, ...]:
        """The stages that cluster, in the order of a round."""
        found = {name: stage for record in self.records for name, stage in record.stages.items() if stage.has_clusters}
        is_one = self.crops_per_camera is not None and len(self.crops_per_camera) == 1
        in_cameras = {name: bool(found[name].by_camera) and not is_one for name in self.stages if name in found}
        are_alone = {kind: list(in_cameras.values()).count(kind) == 1 for kind in (False, True)}
        return tuple(
            Clustering(name, kind, "" if are_alone[kind] else f", {stage_title(name)}", is_one)
            for name, kind in in_cameras.items()
        )

    @property
    def over_all_cameras(self) -> tuple[Clustering, ...]:
        """Those of them that cluster the crops of all cameras, or of the only one."""
        return tuple(found for found in self.clusterings if not found.in_cameras)

    def last_clusters(self) -> list[FoundClusters]:
        """Return the clusters of the last round: those over all cameras, then those of each camera."""
        if not self.records:
            return []
        last = self.records[-1]
        whole = [(one.where, one.clusters(last)) for one in self.clusterings]
        return [FoundClusters(where, False, clusters) for where, clusters in whole if clusters is not None] + [
            FoundClusters(f"camera {camera}{one.suffix}", True, clusters)
            for one in self.clusterings
            if one.in_cameras and (stage := one.at(last)) is not None
            for camera, clusters in stage.by_camera.items()
        ]

    @property
    def estimated_people(self) -> int | None:
        """A guess at the number of people, from the last round; None unless clusters over all cameras are `auto`.

        People fall into several clusters, most of them of one camera: the number of clusters is up to three times
        theirs. The clusters that span cameras come nearer (docs/experiments.md), and there are no fewer people than
        the fullest camera has clusters, if that number is not fixed.
        """
        chosen = {stage for stage in ("stage1", "stage2") if self._setting(f"{stage}.clusters.rule") == "auto"}
        if "stage2" not in chosen or not self.records:
            return None
        found = self.records[-1].stages
        spanning = clusters.num_across_cameras if "stage2" in found and (clusters := found["stage2"].clusters) else None
        if spanning is None:
            return None
        in_cameras = found["stage1"].by_camera.values() if "stage1" in chosen & found.keys() else ()
        return max([spanning, *(clusters.num_clusters or 0 for clusters in in_cameras)])

    def loss_of(self, stage: str) -> tuple[str, NumberOf]:
        """Return what a stage's loss is called, and what reads it: for one camera where it adds them up (Eq. 8)."""
        if not any(one.in_cameras for one in self.clusterings if one.stage == stage):
            return stage_title(stage), term_of(stage, "loss")

        def by_camera(record: RoundRecord) -> float | None:
            loss, cameras = record.term(stage, "loss"), record.stages[stage].by_camera if stage in record.stages else ()
            return None if loss is None or not cameras else loss / len(cameras)

        return f"{stage_title(stage)}, for each camera", by_camera

    def _setting(self, name: str) -> Any:
        return dict(leaves(self.settings)).get(name)

    def curve(self, name: str, number_of: NumberOf, *, scale: float = 1) -> Curve:
        """Return one number by round, from the records that have it."""
        found = [(record.number, number_of(record)) for record in self.records]
        points = [(number, scale * value) for number, value in found if value is not None]
        return Curve(name, tuple(number for number, _ in points), tuple(value for _, value in points))


def score_of(name: str) -> NumberOf:
    """Return what reads a score after a round."""
    return lambda record: record.scores.get(name)


def term_of(stage: str, name: str) -> NumberOf:
    """Return what reads a number that a stage recorded."""
    return lambda record: record.term(stage, name)


def setting_text(value: Any) -> str:
    """Return a setting as people read it."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
