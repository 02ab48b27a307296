"""Warnings that the clusters of a run's last round give."""

from __future__ import annotations

from collections.abc import Iterator

from iics.reports.run_warning import RunWarning, flags_of_iics, listed
from iics.reports.told_run import FoundClusters, ToldRun
from iics.runs.record import ClusterRecord

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


def giant_cluster(run: ToldRun) -> Iterator[RunWarning]:
    """Warn of clusters far larger than the others."""
    found = {one.where: one.clusters.largest_share or 0 for one in _looked_at(run) if _is_giant(one.clusters)}
    if found:
        shares = listed([f"{100 * share:.0f} % of the crops of {where}" for where, share in found.items()])
        yield RunWarning(
            "One giant cluster" if max(found.values()) > HALF else "A cluster far larger than the others",
            f"In round {run.trained[-1].number} one cluster holds {shares}. Different people seem to share a "
            "pseudo-label, and training pulls them together until their features are the same.",
            "Look at that cluster in pseudo_labels/. Ask for more clusters"
            + flags_of_iics(run, f" ({_fixed_number(run)})")
            + ", lower the learning rates, and check the crops for copies and empty boxes with iics check-data.",
        )


def camera_pure_clusters(run: ToldRun) -> Iterator[RunWarning]:
    """Warn of clusters that keep to one camera."""
    for one in run.last_clusters():
        if not one.in_camera and run.num_cameras != 1:
            yield from _camera_pure(run, one)


def many_singletons(run: ToldRun) -> Iterator[RunWarning]:
    """Warn of crops that are alone in their cluster."""
    found = []
    for one in _looked_at(run):
        num_crops, single = one.clusters.num_crops, one.clusters.num_singletons or 0
        if num_crops and single > SINGLETON_SHARE * num_crops:
            found.append(f"{single} of {num_crops} crops of {one.where}")
    if found:
        yield RunWarning(
            "Many crops are alone in their cluster",
            f"In round {run.trained[-1].number}: {listed(found)}. They have no partner to be compared with.",
            "Ask for fewer clusters"
            + flags_of_iics(run, f" ({_fixed_number(run)}, or the rule auto)")
            + ", give more crops of each person, or leave out crops of poor quality.",
        )


def as_many_clusters_as_allowed(run: ToldRun) -> Iterator[RunWarning]:
    """Warn of a number of clusters that is the most there may be."""
    counted = [(one, one.clusters.num_crops or 0) for one in run.last_clusters()]
    capped = [(one, crops) for one, crops in counted if crops >= 4 and one.clusters.num_clusters == crops // 2]
    # A few small cameras are nothing: the paper asks for 600 clusters, more than its smallest cameras allow.
    in_cameras = sum(crops for one, crops in counted if one.in_camera)
    in_capped = sum(crops for one, crops in capped if one.in_camera)
    if any(not one.in_camera for one, _ in capped) or in_capped > HALF * in_cameras:
        found = [f"{one.clusters.num_clusters} of {one.where}" for one, _ in capped]
        yield RunWarning(
            "As many clusters as are allowed",
            f"{listed(found)}: one for every two crops, the most there may be. A fixed number was too large for the "
            "data, or the automatic choice found no groups.",
            "Use "
            + flags_of_iics(run, " and ".join(f"--{stage}.clusters.rule auto" for stage in _own_stages(run)) + ", or ")
            + "a number near that of the people, and check that each person has several crops in a camera.",
        )


def _is_giant(clusters: ClusterRecord) -> bool:
    share, number = clusters.largest_share or 0, clusters.num_clusters or 1
    return share > HALF or share >= max(GIANT_SHARE, GIANT_FACTOR / number)


def _camera_pure(run: ToldRun, found: FoundClusters) -> Iterator[RunWarning]:
    entropy, across = found.clusters.camera_entropy_normalized, found.clusters.num_across_cameras
    advice = (
        flags_of_iics(run, "Raise the weight of the score overlap (--stage2.mu). ")
        + "Ask for fewer clusters over all cameras"
        + flags_of_iics(run, " (--stage2.clusters.rule fixed --stage2.clusters.number N)")
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
