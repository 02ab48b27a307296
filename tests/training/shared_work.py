"""What one or several processes compute in test_distributed.py, started by torchrun; the first one saves it."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from iics.config import ClusterSettings, DistanceSettings, Settings, Stage1Settings, Stage2Settings
from iics.crops import CropSet
from iics.errors import TrainingError
from iics.layers.norm_groups import NormGroups
from iics.layers.normalization import AdaptiveInstanceBatchNorm2d, GroupedBatchNorm2d, MixingWeight
from iics.methods.iics.shared_overlap import SharedOverlap
from iics.methods.iics.stage1 import _train_heads, label_cameras
from iics.methods.iics.stage2 import train_stage2
from iics.model_settings import AugmentSettings
from iics.models.heads import BNNeckHead
from iics.models.network_parts import FeatureNorm
from iics.similarity.score_overlap import score_overlap
from iics.tracklet_settings import TrackletSettings
from iics.training.camera_means import measured_camera_means
from iics.training.cluster_memory import ClusterMemory
from iics.training.context import TrainingContext
from iics.training.distributed import joined_processes
from iics.training.engine import Engine
from iics.training.label_training import LabelBatches, train_on_labels
from iics.training.losses import ClassifierAndTriplet, LabelledCrops

CAMERA_SIZES = (9, 8, 12, 10)
SETTINGS = Settings(
    augment=AugmentSettings(pad=2),
    distance=DistanceSettings(k1=4, k2=2),
    stage1=Stage1Settings(crops_per_camera=4, clusters=ClusterSettings(number=3), head_learning_rate=0.05),
    stage2=Stage2Settings(clusters=ClusterSettings(number=5), clusters_per_batch=4, crops_per_cluster=3, mu=0.5),
    inference_batch_size=8,
)


def backbone(dtype):
    """A network with a plain and an adaptive normalisation."""
    torch.manual_seed(0)
    first, second = (GroupedBatchNorm2d(nn.BatchNorm2d(width), nn.ReLU()) for width in (6, 8))
    adaptive = AdaptiveInstanceBatchNorm2d(second, MixingWeight(torch.tensor(0.4), learned=True))
    layers = nn.Conv2d(3, 6, 3, stride=2), first, nn.Conv2d(6, 8, 3), adaptive, nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*layers).to(dtype)


def context_of(processes, *, dtype, num_parts=1, camera_sizes=CAMERA_SIZES):
    """A working place; in double precision, sums in another order differ by far less than training amplifies."""
    network = backbone(dtype)
    camera_ids = np.repeat(np.arange(len(camera_sizes)), camera_sizes)
    paths = tuple(Path(f"{number:03d}.png") for number in range(len(camera_ids)))
    losses = []
    context = TrainingContext(
        model=SimpleNamespace(
            backbone=network,
            device=torch.device("cpu"),
            header=SimpleNamespace(mean=(0.5,) * 3, std=(0.25,) * 3, mirror=True),
        ),
        crops=CropSet(paths, camera_ids, tuple("abcdefgh"[: len(camera_sizes)])),
        pixels=np.random.default_rng(0).integers(0, 256, (len(camera_ids), 16, 8, 3), dtype=np.uint8),
        settings=SETTINGS,
        generator=torch.Generator().manual_seed(0),
        progress=lambda event: losses.append(event.loss) if event.loss is not None else None,
        network=lambda images: network(images.to(dtype)),
        engine=Engine(num_parts=num_parts),
        processes=processes,
    )
    return context, losses


def heads_of(context, sizes):
    heads = [BNNeckHead(8, size, generator=context.generator) for size in sizes]
    return [head.to(next(context.model.backbone.parameters()).dtype) for head in heads]


def state_of(context, *heads):
    return [value.clone() for module in (context.model.backbone, *heads) for value in module.state_dict().values()]


def stage1_losses(processes, **options):
    """Six steps of stage 1 on given labels: losses and everything that was trained."""
    context, losses = context_of(processes, dtype=torch.float64, **options)
    cameras = [np.flatnonzero(context.crops.camera_ids == camera) for camera in range(context.crops.num_cameras)]
    labels = torch.arange(len(context.crops)) % 3
    heads = heads_of(context, [3] * len(cameras))
    _train_heads(context, heads, cameras, labels, 6)
    return losses, state_of(context, *heads)


def stage2_losses(processes, **options):
    """Six steps of stage 2 on given labels: losses and everything that was trained."""
    context, losses = context_of(processes, dtype=torch.float64, **options)
    loss = ClassifierAndTriplet(8, 5, triplet_weight=1.0, triplet_margin=0.3, generator=context.generator).double()
    train_on_labels(
        context,
        loss,
        torch.arange(len(context.crops)) % 5,
        context.optimiser(loss, backbone_rate=0.01, head_rate=0.1),
        LabelBatches(labels_per_batch=4, crops_per_label=3, rate_factors=[1.0] * 6),
    )
    return losses, state_of(context, loss.head)


def memory_losses(processes, **options):
    """Six steps of a cluster memory behind a neck, with Adam: losses, and everything that was trained or moved."""
    context, losses = context_of(processes, dtype=torch.float64, **options)
    context.model.backbone.append(FeatureNorm(8).double())
    # Statistics of a neck are summed in another order by processes, and Adam divides by what is nearly 0 at first.
    optimiser = torch.optim.Adam(
        [{"params": list(context.model.backbone.parameters()), "lr": 1e-3, "initial_lr": 1e-3}], eps=1e-4
    )
    labels = torch.arange(len(context.crops)) % 5
    memory = ClusterMemory(8, 5, temperature=0.05, momentum=0.1, towards="hardest").double()
    features = torch.nn.functional.normalize(context.raw_features().double())
    memory.start(LabelledCrops(labels, torch.zeros_like(labels), features))
    train_on_labels(context, memory, labels, optimiser, LabelBatches(4, 3, rate_factors=[1.0] * 6))
    return losses, state_of(context, memory)


def labels_of(processes, *, by_tracklets=False):
    """Features, the clusters of each camera, and those over all of them, in single precision."""
    context, _ = context_of(processes, dtype=torch.float32)
    if by_tracklets:  # of three crops, the last of a camera's perhaps of fewer
        crops = replace(
            context.crops,
            tracklet_ids=np.arange(len(context.crops)) // 3 + 100 * context.crops.camera_ids,
            times=np.arange(len(context.crops)) % 10.0,
        )
        tracklets = TrackletSettings(must_link=True, apart="times")
        context = replace(context, crops=crops, settings=replace(context.settings, tracklets=tracklets))
    features = context.raw_features()
    cameras = [np.flatnonzero(context.crops.camera_ids == camera) for camera in range(4)]
    within = label_cameras(context, torch.nn.functional.normalize(features), cameras, context.units(features))
    heads = heads_of(context, [labels.num_clusters for labels in within])
    across = train_stage2(context, {"heads": [dict(head.state_dict()) for head in heads]}).labels
    return features, [labels.labels for labels in within], across


def means_of(processes):
    """The mean feature of each camera."""
    context, _ = context_of(processes, dtype=torch.float32)
    means = measured_camera_means(context.model, context.crops, context.pixels, batch_size=8, processes=processes)
    return means.names, means.num_crops, means.means, means.of_all


def overlap_of(processes):
    """Eq. 9 of more crops than one panel, by all processes and by one."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.cat([torch.randn(1300, 40, generator=generator).softmax(dim=1) for _ in range(2)], dim=1)
    shared = SharedOverlap(processes, scores, num_cameras=2)
    if not processes.is_first:
        shared.help()
        return None
    return shared.matrix(scores, num_cameras=2), score_overlap(scores, num_cameras=2)


def exchanged(processes):
    """What the processes tell each other."""
    shares = processes.shares(7)
    own = processes.own(shares)
    rows = torch.arange(14.0).reshape(7, 2).requires_grad_()
    gathered = processes.gather_rows(rows[own], shares)
    gathered.square().sum().backward()
    module = nn.Linear(2, 1, bias=False)
    module.weight.grad = torch.full((1, 2), float(processes.rank + 1))
    processes.sum_gradients(module)
    other = nn.Linear(2, 1, bias=False)
    nn.init.constant_(other.weight, processes.rank)
    processes.agree(other)
    return {
        "gathered": gathered.detach(),
        "gradient": processes.gather(rows.grad[own].tolist()),
        "summed": module.weight.grad,
        "agreed": processes.gather(other.weight.tolist()),
        "from_first": processes.gather(processes.from_first(lambda: processes.rank)),
        "ranks": processes.gather(processes.rank),
        "sum": processes.sum(torch.tensor([processes.rank + 1.0])),
    }


def few_crops(processes):
    """Groups of 4 crops over 3 processes: one group is cut, and normalised as if it were not."""
    x = torch.randn(8, 6, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    norm = backbone(torch.float64)[1]
    shares = (3, 0, 5) if processes.count == 3 else processes.shares(8)
    rank = processes.rank if processes.count > 1 else 0
    norm.groups = NormGroups(4, shares, rank, processes.sum)
    return processes.gather_rows(norm(x[processes.own(shares)]), shares).detach()


def compute(processes):
    """Everything, on each process."""
    return {
        "stage1": stage1_losses(processes),
        "stage1 in parts": stage1_losses(processes, num_parts=2),
        "fewer cameras than processes": stage1_losses(processes, camera_sizes=(9, 8)),
        "stage2": stage2_losses(processes),
        "stage2 in parts": stage2_losses(processes, num_parts=2),
        "cluster memory": memory_losses(processes),
        "cluster memory in parts": memory_losses(processes, num_parts=2),
        "labels": labels_of(processes),
        "labels of tracklets": labels_of(processes, by_tracklets=True),
        "overlap": overlap_of(processes),
        "few crops": few_crops(processes),
        "camera means": means_of(processes),
    }


def fail(processes):
    """The last process stops with a reason while the others wait for it."""
    if processes.rank == processes.count - 1:
        raise TrainingError("The reason.")
    processes.from_first(lambda: None)
    processes.gather(None)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined_processes() as started:
        if sys.argv[1] == "fail":
            fail(started)
        results = compute(started) | {"exchanged": exchanged(started)}
        if started.is_first:
            torch.save(results, sys.argv[1])
