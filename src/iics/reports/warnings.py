"""Warnings: signs in a run's records that something went wrong, mostly found without identities.

Each threshold has its reason beside it; docs/report.md lists the runs on which they were tested. A warning is a
hint, not a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from iics.reports.cluster_warnings import (
    as_many_clusters_as_allowed,
    camera_pure_clusters,
    giant_cluster,
    many_singletons,
)
from iics.reports.run_warning import RunWarning, flags_of_iics, listed
from iics.reports.told_run import ToldRun, score_of
from iics.runs.record import ClusterRecord, stage_title

BROKEN_SHARE = 0.1
"""Of the tracklets: a good tracker breaks a few in a hundred; of whole ones, 0.4 % are called broken on the sample."""
FALL_FROM_BEST = 0.05
"""Of mAP, as a fraction; rounds differ by less at constant learning rates."""
_ROUNDS_OF_A_FALL = 3
_TAKES_IDENTITIES = "which takes identities or marked matches"


def run_warnings(run: ToldRun) -> list[RunWarning]:
    """Return all warnings of a run, from its last round unless they compare rounds."""
    if not run.trained:
        return []
    return [warning for find in _FINDERS for warning in find(run)]


def nothing_found(run: ToldRun) -> str:
    """Return what to say where there is no warning: what was looked for, and what is not known from it."""
    rounds, has_scores = len(run.trained), bool(run.curve("mAP", score_of("mean_ap")).values)
    is_one = run.num_cameras == 1
    of_cameras = [] if is_one else ["training clusters that keep to one camera"]
    looked_for = [
        ", ".join(["one giant cluster", *of_cameras, "crops left alone, as many clusters as allowed"]),
        "a loss that is no number" if rounds < _ROUNDS_OF_A_FALL else "a loss that does not fall",
        "a stage or a camera that sat out",
        *(["a fall of mAP"] if has_scores and len(run.records) > 1 else []),
    ]
    unknown = [
        *(["whether clusters are stable, which takes two rounds"] if rounds < 2 else []),
        *([f"whether the loss falls, which takes {_ROUNDS_OF_A_FALL}"] if rounds < _ROUNDS_OF_A_FALL else []),
        *(["whether people are found in another camera: all crops are of one"] if is_one else []),
        *([] if has_scores or is_one else [f"whether people are found across cameras, {_TAKES_IDENTITIES}"]),
        *([f"whether people are found again, {_TAKES_IDENTITIES}"] if is_one and not has_scores else []),
        *(
            []
            if is_one
            else ["how much of the camera is in the features that a search compares (iics evaluate RUN DATA)"]
        ),
    ]
    after = f"after {rounds} round{'s' if rounds > 1 else ''}"
    return (
        f"None of these was seen {after}: {'; '.join(looked_for)}. That is no praise. Not known from this: "
        f"{'; '.join(unknown)}."
    )


def _loss(run: ToldRun) -> Iterator[RunWarning]:
    stuck, broken, idle = [], [], []
    for stage in run.stages:
        name = title if (title := stage_title(stage)) != stage else f"{stage} training"
        taken = [(record.number, record.stages[stage]) for record in run.trained if stage in record.stages]
        _, loss_of = run.loss_of(stage)
        losses = [loss_of(record) for record in run.trained if "loss" in getattr(record.stages.get(stage), "terms", ())]
        known = [loss for loss in losses if loss is not None]
        idle += [f"{name} in round {number}" for number, did in taken if did.num_steps == 0]
        # A loss that was not finite is recorded as null.
        if len(known) < len(losses):
            broken.append(name)
        elif len(known) >= _ROUNDS_OF_A_FALL and (fell := _ends(known)) and fell[1] >= fell[0]:
            stuck.append(f"{name} from {fell[0]:.2f} to {fell[1]:.2f}")
    if broken:
        yield RunWarning(
            "The loss is not a number",
            f"It is NaN or infinite in {listed(broken)}. The model of that round is of no use.",
            "Lower the learning rates ten-fold, use --engine.precision float32, and start anew from weights that work.",
        )
    if stuck:
        yield RunWarning(
            "The loss does not fall",
            f"From the first third of the rounds to the last: {listed(stuck)}. Pseudo-labels may be too noisy or "
            "change too fast.",
            "Look at the stability of the clusters below. Lower the learning rates, or make the clusters smaller.",
        )
    if idle:
        yield RunWarning(
            "A stage took no step",
            f"{listed(idle)} had no batch to train on.",
            "Give each camera more crops"
            + flags_of_iics(run, " than --stage1.crops-per-camera, or use --stage1.steps-per-epoch mean")
            + ".",
        )


def _ends(losses: Sequence[float]) -> tuple[float, float]:
    """Return the mean of the first and of the last third: with few crops, a round alone is chance of a few steps."""
    size = len(losses) // _ROUNDS_OF_A_FALL
    return sum(losses[:size]) / size, sum(losses[-size:]) / size


def _cameras_that_sat_out(run: ToldRun) -> Iterator[RunWarning]:
    for one in run.clusterings:
        stage = one.at(run.trained[-1])
        missing = _missing(run, stage.by_camera) if stage is not None and one.in_cameras else []
        if missing:
            title = stage_title(one.stage)
            yield RunWarning(
                f"A camera sat {title} out",
                f"Left out: {listed(missing)}. {title[0].upper()}{title[1:]} compares crops within a camera and needs "
                "at least 2 of them.",
                "Give that camera more crops, or leave it out of the data.",
            )


def _missing(run: ToldRun, took_part: Mapping[str, ClusterRecord]) -> list[str]:
    counts = run.crops_per_camera
    if counts is not None:
        return [f"camera {name} (crops: {count})" for name, count in counts.items() if name not in took_part]
    # Runs of older versions do not tell which cameras there were.
    known = [clusters.num_crops for clusters in took_part.values()]
    left = int(run.data.get("num_crops", 0)) - sum(number for number in known if number is not None)
    return [f"{left} crops of small cameras"] if left > 0 and None not in known else []


def _accuracy(run: ToldRun) -> Iterator[RunWarning]:
    curve = run.curve("mAP", score_of("mean_ap"))
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


def _broken_tracklets(run: ToldRun) -> Iterator[RunWarning]:
    for stage, did in run.trained[-1].stages.items():
        tracklets, broken = did.terms.get("tracklets") or 0, did.terms.get("broken_tracklets") or 0
        if broken > BROKEN_SHARE * tracklets:
            yield RunWarning(
                "Many tracklets seem broken",
                f"In {stage_title(stage)} of round {run.trained[-1].number}, {broken:.0f} of {tracklets:.0f} tracklets "
                "look as if they jumped to another individual; they were not trusted.",
                "Look at some of them, and at iics check-data. If the tracker is often wrong, label crops by "
                "themselves (without --tracklets.must-link).",
            )


_FINDERS: Sequence[Callable[[ToldRun], Iterator[RunWarning]]] = (
    giant_cluster,
    camera_pure_clusters,
    many_singletons,
    as_many_clusters_as_allowed,
    _loss,
    _cameras_that_sat_out,
    _accuracy,
    _broken_tracklets,
)
