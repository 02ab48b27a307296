"""Warnings: signs in a run's records that something went wrong, mostly found without identities.

Each threshold has its reason beside it; docs/report.md lists the runs on which they were tested. A warning is a
hint, not a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from iics.reports.told_run import FoundClusters, ToldRun, score_of
from iics.runs.record import ClusterRecord, stage_title

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
BROKEN_SHARE = 0.1
"""Of the tracklets: a good tracker breaks a few in a hundred; of whole ones, 0.4 % are called broken on the sample."""
FALL_FROM_BEST = 0.05
"""Of mAP, as a fraction; rounds differ by less at constant learning rates."""
_MOST_NAMED = 8
_ROUNDS_OF_A_FALL = 3
_TAKES_IDENTITIES = "which takes identities or marked matches"


@dataclass(frozen=True)
class RunWarning:
    """Something to look at."""

    title: str
    finding: str
    advice: str


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


def _giant_cluster(run: ToldRun) -> Iterator[RunWarning]:
    found = {one.where: one.clusters.largest_share or 0 for one in _looked_at(run) if _is_giant(one.clusters)}
    if found:
        shares = _listed([f"{100 * share:.0f} % of the crops of {where}" for where, share in found.items()])
        yield RunWarning(
            "One giant cluster" if max(found.values()) > HALF else "A cluster far larger than the others",
            f"In round {run.trained[-1].number} one cluster holds {shares}. Different people seem to share a "
            "pseudo-label, and training pulls them together until their features are the same.",
            "Look at that cluster in pseudo_labels/. Ask for more clusters"
            + _flags(run, f" ({_fixed_number(run)})")
            + ", lower the learning rates, and check the crops for copies and empty boxes with iics check-data.",
        )


def _is_giant(clusters: ClusterRecord) -> bool:
    share, number = clusters.largest_share or 0, clusters.num_clusters or 1
    return share > HALF or share >= max(GIANT_SHARE, GIANT_FACTOR / number)


def _camera_pure_clusters(run: ToldRun) -> Iterator[RunWarning]:
    for one in run.last_clusters():
        if not one.in_camera and run.num_cameras != 1:
            yield from _camera_pure(run, one)


def _camera_pure(run: ToldRun, found: FoundClusters) -> Iterator[RunWarning]:
    entropy, across = found.clusters.camera_entropy_normalized, found.clusters.num_across_cameras
    advice = (
        _flags(run, "Raise the weight of the score overlap (--stage2.mu). ")
        + "Ask for fewer clusters over all cameras"
        + _flags(run, " (--stage2.clusters.rule fixed --stage2.clusters.number N)")
        + ", keep --norm aibn, and train more rounds. If no person is seen by two cameras, there is nothing to find: "
        "that is a property of the footage."
    )
    if entropy is None:
        return
    if across == 0 or (across is None and entropy < 1e-9):
        yield RunWarning(
            "No cluster spans two cameras",
            f"All {found.clusters.num_clusters} clusters over {found.where} hold crops of a single camera each, so "
            "nothing teaches the model to find people across cameras.",
            advice,
        )
    elif entropy < PURE_ENTROPY:
        yield RunWarning(
            "Clusters keep to one camera",
            f"The camera mix of the training clusters is {100 * entropy:.1f} % of the most there could be: nearly all "
            "crops lie with crops of their own camera, and the model learns little about the others.",
            advice,
        )


def _many_singletons(run: ToldRun) -> Iterator[RunWarning]:
    found = []
    for one in _looked_at(run):
        num_crops, single = one.clusters.num_crops, one.clusters.num_singletons or 0
        if num_crops and single > SINGLETON_SHARE * num_crops:
            found.append(f"{single} of {num_crops} crops of {one.where}")
    if found:
        yield RunWarning(
            "Many crops are alone in their cluster",
            f"In round {run.trained[-1].number}: {_listed(found)}. They have no partner to be compared with.",
            "Ask for fewer clusters"
            + _flags(run, f" ({_fixed_number(run)}, or the rule auto)")
            + ", give more crops of each person, or leave out crops of poor quality.",
        )


def _as_many_clusters_as_allowed(run: ToldRun) -> Iterator[RunWarning]:
    counted = [(one, one.clusters.num_crops or 0) for one in run.last_clusters()]
    capped = [(one, crops) for one, crops in counted if crops >= 4 and one.clusters.num_clusters == crops // 2]
    # A few small cameras are nothing: the paper asks for 600 clusters, more than its smallest cameras allow.
    in_cameras = sum(crops for one, crops in counted if one.in_camera)
    in_capped = sum(crops for one, crops in capped if one.in_camera)
    if any(not one.in_camera for one, _ in capped) or in_capped > HALF * in_cameras:
        found = [f"{one.clusters.num_clusters} of {one.where}" for one, _ in capped]
        yield RunWarning(
            "As many clusters as are allowed",
            f"{_listed(found)}: one for every two crops, the most there may be. A fixed number was too large for the "
            "data, or the automatic choice found no groups.",
            "Use "
            + _flags(run, " and ".join(f"--{stage}.clusters.rule auto" for stage in _own_stages(run)) + ", or ")
            + "a number near that of the people, and check that each person has several crops in a camera.",
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
            f"It is NaN or infinite in {_listed(broken)}. The model of that round is of no use.",
            "Lower the learning rates ten-fold, use --engine.precision float32, and start anew from weights that work.",
        )
    if stuck:
        yield RunWarning(
            "The loss does not fall",
            f"From the first third of the rounds to the last: {_listed(stuck)}. Pseudo-labels may be too noisy or "
            "change too fast.",
            "Look at the stability of the clusters below. Lower the learning rates, or make the clusters smaller.",
        )
    if idle:
        yield RunWarning(
            "A stage took no step",
            f"{_listed(idle)} had no batch to train on.",
            "Give each camera more crops"
            + _flags(run, " than --stage1.crops-per-camera, or use --stage1.steps-per-epoch mean")
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
                f"Left out: {_listed(missing)}. {title[0].upper()}{title[1:]} compares crops within a camera and needs "
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
    _giant_cluster,
    _camera_pure_clusters,
    _many_singletons,
    _as_many_clusters_as_allowed,
    _loss,
    _cameras_that_sat_out,
    _accuracy,
    _broken_tracklets,
)


def _looked_at(run: ToldRun) -> list[FoundClusters]:
    """Return the clusters of the last round, without those of cameras with a handful of crops."""
    return [
        one
        for one in run.last_clusters()
        if not one.in_camera or (one.clusters.num_crops or FEWEST_CROPS) >= FEWEST_CROPS
    ]


def _own_stages(run: ToldRun) -> list[str]:
    """Return the stages of IICS that a run has, the last one first."""
    return sorted({"both": ["stage1", "stage2"]}.get(chosen := run.settings.get("stages", "both"), [chosen]))[::-1]


def _fixed_number(run: ToldRun) -> str:
    """Return the flags that fix the number of clusters."""
    last, *others = _own_stages(run)
    return f"--{last}.clusters.rule fixed --{last}.clusters.number N" + "".join(f", {one} likewise" for one in others)


def _flags(run: ToldRun, words: str) -> str:
    """Return words on flags that only IICS has; nothing where another method trained."""
    return words if run.settings.get("method", "iics") == "iics" else ""


def _listed(items: Sequence[str]) -> str:
    more = len(items) - _MOST_NAMED
    return ", ".join(items[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
