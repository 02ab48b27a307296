"""Which crops make a batch: per-camera batches (stage 1, Sec. 3.2), P x K batches (stage 2, Eq. 11)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor


def stage1_steps(
    camera_sizes: list[int], *, crops_per_camera: int, rule: Literal["shortest", "mean", "longest"]
) -> int:
    """Return the steps of a stage-1 epoch, at least 1.

    Args:
        camera_sizes: Crops of each camera.
        crops_per_camera: Crops of each camera in a step.
        rule: As many steps as the smallest, the mean or the largest camera fills.
    """
    sizes = {
        "shortest": float(min(camera_sizes)),
        "mean": sum(camera_sizes) / len(camera_sizes),
        "longest": float(max(camera_sizes)),
    }
    return max(1, int(sizes[rule] // crops_per_camera))


def stage1_batches(
    cameras: list[Tensor], *, crops_per_camera: int, num_steps: int, generator: torch.Generator
) -> Tensor:
    """Return batches ordered by camera, the same number of crops from each.

    A camera's crops are dealt in random passes, each crop once a pass, without a break between passes: a crop can
    come twice in a batch where two passes meet, or where the camera is smaller than its share of a batch.

    Args:
        cameras: Indices of each camera's crops.
        crops_per_camera: Crops of each camera in a step.
        num_steps: Number of batches.
        generator: Source of the order, on the CPU.

    Returns:
        Crop indices. Shape (num_steps, cameras * crops_per_camera).
    """
    columns = []
    for crops in cameras:
        passes = math.ceil(num_steps * crops_per_camera / len(crops))
        order = torch.cat([torch.randperm(len(crops), generator=generator) for _ in range(passes)])
        dealt = crops[order[: num_steps * crops_per_camera]]
        columns.append(dealt.view(num_steps, crops_per_camera))
    return torch.cat(columns, dim=1)


def stage2_batches(
    labels: Tensor,
    *,
    clusters_per_batch: int,
    crops_per_cluster: int,
    num_steps: int,
    generator: torch.Generator,
    camera_ids: Tensor | None = None,
) -> Tensor:
    """Return batches of P clusters with K crops each, a cluster's crops side by side.

    Clusters are dealt in random passes without repeats in a batch; with fewer than P clusters every batch holds all of
    them. A cluster smaller than K repeats crops within the batch (the triplet loss does not take a crop for its own
    positive).

    Args:
        labels: Cluster of each crop; -1 for crops that are in none. Shape (n,).
        clusters_per_batch: P.
        crops_per_cluster: K.
        num_steps: Number of batches.
        generator: Source of the order, on the CPU.
        camera_ids: Camera of each crop, for K crops from as many cameras as the cluster has; None draws from all of
            its crops alike. Shape (n,).

    Returns:
        Crop indices. Shape (num_steps, min(P, clusters) * K).
    """
    order = torch.argsort(labels, stable=True)
    order = order[labels[order] >= 0]
    sizes = torch.unique(labels[order], return_counts=True)[1]
    members = torch.split(order, sizes.tolist())
    per_batch = min(clusters_per_batch, len(members))
    batches: list[Tensor] = []
    while len(batches) < num_steps:
        clusters = torch.randperm(len(members), generator=generator)
        batches.extend(clusters[: len(members) // per_batch * per_batch].view(-1, per_batch))
    rows = [
        torch.cat([_deal(members[cluster], crops_per_cluster, generator, camera_ids) for cluster in batch.tolist()])
        for batch in batches[:num_steps]
    ]
    return torch.stack(rows)


def _deal(crops: Tensor, count: int, generator: torch.Generator, camera_ids: Tensor | None) -> Tensor:
    passes = math.ceil(count / len(crops))
    orders = [torch.randperm(len(crops), generator=generator) for _ in range(passes)]
    if camera_ids is not None:
        orders = [order[_cameras_in_turn(camera_ids[crops[order]], generator)] for order in orders]
    return crops[torch.cat(orders)[:count]]


def _cameras_in_turn(cameras: Tensor, generator: torch.Generator) -> Tensor:
    """Return an order that takes the first crop of every camera, cameras at random, then their second ones, and on."""
    by_camera = torch.argsort(cameras, stable=True)
    present, sizes = torch.unique_consecutive(cameras[by_camera], return_counts=True)
    turn = torch.cat([torch.arange(size) for size in sizes.tolist()])
    camera_at = torch.randperm(len(present), generator=generator).repeat_interleave(sizes)
    return by_camera[torch.argsort(turn * len(present) + camera_at)]
