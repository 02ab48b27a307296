"""What went wrong in a run, or looks like it: found in its records without identities, said in plain words.

Each threshold stands with its reason; docs/report.md has the runs that they were held against. A warning is a hint to
look, not a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iics.reports.reported_run import ALL_CAMERAS, ReportedRun, at, num_crops_of, number, statistics_of

HALF = 0.5
GIANT_SHARE, GIANT_FACTOR = 0.1, 5
"""A cluster is a giant with more than half of all crops, or with a tenth and five times an even share: people differ
in how often they pass, but seldom five-fold, and with few people even shares are large."""
FEWEST_CROPS = 32
"""Of a camera whose clusters are looked at: of a handful of crops, one person's walk is half."""
PURE_ENTROPY = 0.1
"""Of the most there could be: about the share of the pairs across cameras of a person that clusters hold."""
SINGLETON_SHARE = 0.25
"""A crop alone in its cluster teaches nothing about what may change between crops of a person."""
FALL_FROM_BEST = 0.05
"""Of mAP, as a fraction; rounds differ by less at constant learning rates."""
_MOST_NAMED = 8


@dataclass(frozen=True)
class RunWarning:
    """Something to look at.

    Attributes:
        title: In a few words.
        finding: What was seen, with numbers.
        advice: What to try.
    """

    title: str
    finding: str
    advice: str


def run_warnings(run: ReportedRun) -> list[RunWarning]:
    """Return all warnings of a run, from its last round unless they compare rounds."""
    if not run.trained:
        return []
    return [warning for find in _FINDERS for warning in find(run)]


def _giant_cluster(run: ReportedRun) -> Iterator[RunWarning]:
    def is_giant(statistics: Mapping[str, Any]) -> bool:
        share, number = statistics.get("largest_share", 0), statistics.get("num_clusters", 1)
        return bool(share > HALF or share >= max(GIANT_SHARE, GIANT_FACTOR / number))

    found = {name: values for name, values in _looked_at(run).items() if is_giant(values)}
    if found:
        shares = _listed(
            [f"{100 * values['largest_share']:.0f} % of the crops of {name}" for name, values in found.items()]
        )
        holds_most = any(values["largest_share"] > HALF for values in found.values())
        yield RunWarning(
            "One giant cluster" if holds_most else "A cluster far larger than the others",
            f"In round {run.trained[-1]['round']} one cluster holds {shares}. Different people seem to share a "
            "pseudo-label, and training pulls them together until their features are the same.",
            "Look at that cluster in pseudo_labels/. Ask for more clusters (--stage2.clusters.rule fixed "
            "--stage2.clusters.number N, stage1 likewise), lower the learning rates, and check the crops for "
            "copies and empty boxes with iics check-data.",
        )


def _camera_pure_clusters(run: ReportedRun) -> Iterator[RunWarning]:
    statistics = at(run.trained[-1], "stage2", "pseudo_labels")
    if statistics is None or "camera_entropy_normalized" not in statistics or _num_cameras(run) == 1:
        return
    entropy, across = statistics["camera_entropy_normalized"], statistics.get("num_across_cameras")
    advice = (
        "Raise the weight of the score overlap (--stage2.mu), ask for fewer clusters over all cameras "
        "(--stage2.clusters.rule fixed --stage2.clusters.number N), keep --norm aibn, and train more rounds. If no "
        "person is seen by two cameras, there is nothing to find: that is a property of the footage."
    )
    if across == 0 or (across is None and entropy < 1e-9):
        yield RunWarning(
            "No cluster spans two cameras",
            f"All {statistics['num_clusters']} clusters over all cameras hold crops of a single camera each, so "
            "nothing teaches the model to find people across cameras.",
            advice,
        )
    elif entropy < PURE_ENTROPY:
        yield RunWarning(
            "Clusters keep to one camera",
            f"The mix of cameras within clusters is {100 * entropy:.1f} % of the most there could be: nearly all crops "
            "lie with crops of their own camera, and the model learns little about the others.",
            advice,
        )


def _many_singletons(run: ReportedRun) -> Iterator[RunWarning]:
    found = []
    for name, values in _looked_at(run).items():
        num_crops = num_crops_of(values)
        if num_crops and values.get("num_singletons", 0) > SINGLETON_SHARE * num_crops:
            found.append(f"{values['num_singletons']} of {num_crops} crops of {name}")
    if found:
        yield RunWarning(
            "Many crops are alone in their cluster",
            f"In round {run.trained[-1]['round']}: {_listed(found)}. They have no partner to be compared with.",
            "Ask for fewer clusters (--stage1.clusters.number, --stage2.clusters.number with the rule fixed, or the "
            "rule auto), give more crops of each person, or leave out crops of poor quality.",
        )


def _as_many_clusters_as_allowed(run: ReportedRun) -> Iterator[RunWarning]:
    statistics = statistics_of(run.trained[-1])
    num_crops = {name: num_crops_of(values) or 0 for name, values in statistics.items()}
    capped = [
        name
        for name, values in statistics.items()
        if num_crops[name] >= 4 and values.get("num_clusters") == num_crops[name] // 2
    ]
    # A few small cameras are nothing: the paper asks for 600 clusters, more than its smallest cameras allow.
    in_cameras = sum(number for name, number in num_crops.items() if name != ALL_CAMERAS)
    in_capped = sum(num_crops[name] for name in capped if name != ALL_CAMERAS)
    if ALL_CAMERAS in capped or in_capped > HALF * in_cameras:
        found = [f"{statistics[name]['num_clusters']} of {name}" for name in capped]
        yield RunWarning(
            "As many clusters as are allowed",
            f"{_listed(found)}: one for every two crops, the most there may be. A fixed number was too large for the "
            "data, or the automatic choice found no groups.",
            "Use --stage1.clusters.rule auto and --stage2.clusters.rule auto, or a number near that of the people, and "
            "check that each person has several crops in a camera.",
        )


def _loss(run: ReportedRun) -> Iterator[RunWarning]:
    stuck, broken, idle = [], [], []
    for stage, name in (("stage1", "stage 1"), ("stage2", "stage 2"), ("supervised", "supervised training")):
        losses = [value for record in run.trained if (value := at(record, stage, "loss")) is not None]
        idle += [f"{name} in round {record['round']}" for record in run.trained if at(record, stage, "num_steps") == 0]
        if any(not math.isfinite(loss) for loss in losses):
            broken.append(name)
        elif len(losses) >= 3 and losses[-1] >= losses[0]:
            stuck.append(f"{name} from {losses[0]:.2f} to {losses[-1]:.2f}")
    if broken:
        yield RunWarning(
            "The loss is not a number",
            f"It is NaN or infinite in {_listed(broken)}. The model of that round is of no use.",
            "Lower the learning rates ten-fold, use --engine.precision float32, and start anew from weights that work.",
        )
    if stuck:
        yield RunWarning(
            "The loss does not fall",
            f"From the first round to the last: {_listed(stuck)}. Pseudo-labels may be too noisy or change too fast.",
            "Look at the stability of the clusters below. Lower the learning rates, or make the clusters smaller.",
        )
    if idle:
        yield RunWarning(
            "A stage took no step",
            f"{_listed(idle)} had no batch to train on.",
            "Give each camera more crops than --stage1.crops-per-camera, or use --stage1.steps-per-epoch mean.",
        )


def _cameras_that_sat_out(run: ReportedRun) -> Iterator[RunWarning]:
    took_part = at(run.trained[-1], "stage1", "pseudo_labels")
    if took_part is None:
        return
    counts = run.crops_per_camera
    if counts is not None:
        missing = [f"camera {name} (crops: {count})" for name, count in counts.items() if name not in took_part]
    else:  # runs of older versions do not tell which cameras there were
        known = [num_crops_of(values) for values in took_part.values()]
        left = int(run.data.get("num_crops", 0)) - sum(number for number in known if number is not None)
        missing = [f"{left} crops of small cameras"] if left > 0 and None not in known else []
    if missing:
        yield RunWarning(
            "A camera sat stage 1 out",
            f"Left out: {_listed(missing)}. Stage 1 compares crops within a camera and needs at least 2 of them.",
            "Give that camera more crops, or leave it out of the data.",
        )


def _accuracy(run: ReportedRun) -> Iterator[RunWarning]:
    curve = run.curve("mAP", lambda record: number(record, "evaluation", "mean_ap"))
    if len(curve.values) < 2:
        return
    last, best = curve.values[-1], max(curve.values)
    if curve.rounds[0] == 0 and last < curve.values[0]:
        yield RunWarning(
            "Worse than before training",
            f"mAP is {100 * last:.1f} % after round {curve.rounds[-1]} and was {100 * curve.values[0]:.1f} % before.",
            "Heed the other warnings first. Then lower the learning rates, and check that the crops trained on come "
            "from the cameras that are tested.",
        )
    elif best - last > FALL_FROM_BEST:
        yield RunWarning(
            "Accuracy fell again",
            f"mAP is {100 * last:.1f} % after the last round and was {100 * best:.1f} % after round "
            f"{curve.rounds[curve.values.index(best)]}.",
            "Do not choose a round by its test accuracy. Lower the learning rates or train fewer rounds, and look at "
            "the size and the stability of the clusters below.",
        )


_FINDERS: Sequence[Callable[[ReportedRun], Iterator[RunWarning]]] = (
    _giant_cluster,
    _camera_pure_clusters,
    _many_singletons,
    _as_many_clusters_as_allowed,
    _loss,
    _cameras_that_sat_out,
    _accuracy,
)


def _looked_at(run: ReportedRun) -> dict[str, Mapping[str, Any]]:
    """Return the statistics of the last round, without those of cameras with a handful of crops."""
    return {
        name: values
        for name, values in statistics_of(run.trained[-1]).items()
        if name == ALL_CAMERAS or (num_crops_of(values) or FEWEST_CROPS) >= FEWEST_CROPS
    }


def _num_cameras(run: ReportedRun) -> int | None:
    counts = run.crops_per_camera or at(run.trained[-1], "stage1", "pseudo_labels")
    return None if counts is None else len(counts)


def _listed(items: Sequence[str]) -> str:
    more = len(items) - _MOST_NAMED
    return ", ".join(items[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
