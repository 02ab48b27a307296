"""Stage 1, intra-camera training (Sec. 3.2; Eq. 4, 7, 8): extract, cluster each camera, label, train C heads."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iics.arrays import IntArray
from iics.config import Settings
from iics.crops import CropSet
from iics.device import sent
from iics.errors import TrainingError
from iics.labelling.centring import camera_centred
from iics.labelling.labeller import Prepared, labeller_of
from iics.labelling.pseudo_labels import NO_CLUSTER, PseudoLabels, describe_pseudo_labels
from iics.labelling.units import Units
from iics.methods.method import Stage, StageResult, State
from iics.models.features import l2_normalise
from iics.models.heads import BNNeckHead
from iics.similarity.cosine import CosineSimilarity
from iics.training.batches import stage1_batches, stage1_steps
from iics.training.context import TrainingContext
from iics.training.rates import rate_factors, scale_rates
from iics.training.step import LossOf, train_step, training_steps
from iics.training.step_memory import StepBatch
from iics.training.step_terms import StepTerms

logger = logging.getLogger(__name__)


def train_stage1(context: TrainingContext, _state: State) -> StageResult:
    """Train the backbone and one head per camera on intra-camera pseudo-labels.

    Returns:
        State: `heads`, one per camera that took part, in the order of the cameras. Record: the mean over steps of the
        loss, a sum over cameras (Eq. 8); statistics of each camera's pseudo-labels, by its name; cosines of all crops'
        features before this stage, by kind of pair.

    Raises:
        TrainingError: If no camera can take part.
    """
    settings = context.settings.stage1
    cameras = cameras_that_take_part(context.crops)
    raw = context.raw_features()

    features = camera_centred(l2_normalise(raw), context.crops.camera_ids, centring=settings.centring)
    units = context.units(raw)
    cameras, pseudo_labels = with_clusters(context, cameras, label_cameras(context, features, cameras, units))
    similarity = context.compare_pairs(raw)
    heads = [
        BNNeckHead(raw.shape[1], labels.num_clusters, generator=context.generator).to(context.model.device)
        for labels in pseudo_labels
    ]
    labels = np.full(len(context.crops), NO_CLUSTER, dtype=np.int64)
    for crops, found in zip(cameras, pseudo_labels, strict=True):
        labels[crops] = found.labels
    labelled = [crops[labels[crops] != NO_CLUSTER] for crops in cameras]
    num_steps = settings.epochs * stage1_steps(
        [len(crops) for crops in labelled], crops_per_camera=settings.crops_per_camera, rule=settings.steps_per_epoch
    )
    loss = _train_heads(context, heads, labelled, torch.from_numpy(labels), num_steps)
    names = [context.crops.camera_names[context.crops.camera_ids[crops[0]]] for crops in cameras]
    statistics = [
        describe_pseudo_labels(found, context.crops.camera_ids[crops], identities_of(context.crops, crops))
        for crops, found in zip(cameras, pseudo_labels, strict=True)
    ]
    record = {
        "loss": loss,
        "num_steps": num_steps,
        "pseudo_labels": {name: asdict(found) for name, found in zip(names, statistics, strict=True)},
        "similarity": asdict(similarity),
        **units.record(labels, context.crops.camera_ids, in_cameras=True),
    }
    return StageResult({"heads": [dict(head.state_dict()) for head in heads]}, record, labels)


def cameras_that_take_part(crops: CropSet) -> list[IntArray]:
    """Return the crop indices of every camera with at least 2 crops; others are left out of stage 1, with a warning.

    Raises:
        TrainingError: If no camera has 2 crops.
    """
    cameras = []
    for camera, name in enumerate(crops.camera_names):
        members = np.flatnonzero(crops.camera_ids == camera)
        if len(members) >= 2:
            cameras.append(members)
        elif len(members):
            logger.warning("Camera %s has %d crop(s); stage 1 needs at least 2, so it sits out.", name, len(members))
    if not cameras:
        raise TrainingError("No camera has 2 crops or more; stage 1 has nothing to compare. Add crops.")
    return cameras


def label_cameras(
    context: TrainingContext, features: Tensor, cameras: list[IntArray], units: Units
) -> list[PseudoLabels]:
    """Return each camera's pseudo-labels: its crops clustered among themselves (Eq. 4). Processes share the cameras.

    Distances use every core, camera after camera. Linkage uses one core, so it runs for several cameras at once.
    """
    clusters, processes = context.settings.stage1.clusters, context.processes
    labeller = labeller_of(context.settings.distance, clusters, crops_a_unit=units.crops_a_unit)
    in_camera = [units.of_crops(members) for members in cameras]
    # Time grows with the square of a camera's crops: the largest first, dealt out to the processes in turn.
    largest_first = sorted(range(len(cameras)), key=lambda at: -len(in_camera[at]))
    own = largest_first[processes.rank :: processes.count]
    found: list[PseudoLabels] = []

    def prepared(at: int) -> Prepared:
        own_features, own_units = features[torch.from_numpy(cameras[at]).to(features.device)], in_camera[at]
        similarity = CosineSimilarity(own_units.mean_features(own_features))
        return labeller.prepare(similarity, known=own_units.known(own_features))

    # Threads are enough: linkage is compiled and holds no interpreter lock.
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for group in groups_that_fit([len(in_camera[at]) for at in own], labeller.max_dense_crops):
            waiting = [prepared(own[at]) for at in group]
            for labels in pool.map(labeller.cluster, waiting):
                found.append(in_camera[own[len(found)]].to_crops(labels))
                context.report("cluster", len(found), len(own))
            del waiting  # before the next group's distances are made
    by_camera = {at: labels for pairs in processes.gather(list(zip(own, found, strict=True))) for at, labels in pairs}
    return [by_camera[at] for at in range(len(cameras))]


def with_clusters(
    context: TrainingContext, cameras: list[IntArray], pseudo_labels: list[PseudoLabels]
) -> tuple[list[IntArray], list[PseudoLabels]]:
    """Return cameras and their pseudo-labels; cameras without a cluster are left out, with a warning.

    Raises:
        TrainingError: If no camera has a cluster.
    """
    for crops, found in zip(cameras, pseudo_labels, strict=True):
        if found.num_clusters == 0:
            name = context.crops.camera_names[context.crops.camera_ids[crops[0]]]
            logger.warning("Camera %s has no cluster among its %d crops, so it sits stage 1 out.", name, len(crops))
    kept = [at for at, found in enumerate(pseudo_labels) if found.num_clusters > 0]
    if not kept:
        raise TrainingError(
            "No camera has a cluster; stage 1 has nothing to learn. Ask for clusters (--stage1.clusters.rule fixed "
            "--stage1.clusters.number N)."
        )
    return [cameras[at] for at in kept], [pseudo_labels[at] for at in kept]


def groups_that_fit(sizes: list[int], max_dense: int) -> list[list[int]]:
    """Return groups of cameras whose distance matrices together take no more memory than the largest matrix allowed.

    Args:
        sizes: Crops of each camera.
        max_dense: Crops whose full matrix may be held; a larger camera is a group of its own.
    """
    groups: list[list[int]] = []
    room = 0
    for place, size in enumerate(sizes):
        if not groups or size**2 > room:
            groups.append([])
            room = max_dense**2
        groups[-1].append(place)
        room -= size**2
    return groups


def identities_of(crops: CropSet, indices: IntArray) -> IntArray | None:
    """Return identities of some crops, None if there are none."""
    return None if crops.identity_ids is None else crops.identity_ids[indices]


def sum_over_cameras(heads: list[BNNeckHead], targets: Tensor, *, crops_per_camera: int) -> LossOf:
    """Return the loss of one step (Eq. 8) as a function of some cameras' features.

    Args:
        heads: One per camera, in the order of the batch.
        targets: Cluster of each crop of the batch, within its camera. Shape (cameras x crops_per_camera,).
        crops_per_camera: Crops of each camera in the batch.
    """

    def loss_of(features: Tensor, rows: slice) -> Tensor:
        # A part of a batch never splits a camera (`unit` below), so its first crop is the first of a camera.
        own_heads = heads[rows.start // crops_per_camera :]
        groups = torch.split(features, crops_per_camera), torch.split(targets[rows], crops_per_camera)
        by_camera = [F.cross_entropy(head(f), m) for head, f, m in zip(own_heads, *groups, strict=False)]
        # A sum, not a mean (Eq. 8): with more cameras, the backbone's gradient is larger.
        return torch.stack(by_camera).sum().unsqueeze(0)

    return loss_of


def _train_heads(
    context: TrainingContext, heads: list[BNNeckHead], cameras: list[IntArray], labels: Tensor, num_steps: int
) -> float:
    """Minimise the sum over cameras of softmax cross-entropy (Eq. 7, 8); return the mean loss."""
    settings = context.settings.stage1
    per_camera = settings.crops_per_camera
    modules = nn.ModuleList(heads).train()
    optimiser = context.optimiser(
        modules, backbone_rate=settings.backbone_learning_rate, head_rate=settings.head_learning_rate
    )
    batches = stage1_batches(
        [torch.from_numpy(crops) for crops in cameras],
        crops_per_camera=per_camera,
        num_steps=num_steps,
        generator=context.generator,
    )
    seen = StepTerms(context, num_steps)
    with training_steps(context):
        for batch, factor in zip(batches, rate_factors(settings.rates, num_steps), strict=True):
            scale_rates(optimiser, factor)
            targets = sent(labels[batch], context.model.device)
            loss_of = sum_over_cameras(heads, targets, crops_per_camera=per_camera)
            # One normalisation group per camera: the same statistics as if each camera went through the network alone.
            terms = train_step(context, optimiser, batch, unit=per_camera, group_size=per_camera, loss_of=loss_of)
            seen.add(terms, num_images=len(batch))
    context.processes.agree(modules)
    return seen.means()[0]


def _batch(crops: CropSet, settings: Settings) -> StepBatch:
    num_cameras = int((np.bincount(crops.camera_ids) > 1).sum())
    return StepBatch(num_cameras * settings.stage1.crops_per_camera, "--stage1.crops-per-camera")


def num_rounds_of_stage1(settings: Settings) -> int:
    """Return how many rounds, from the first on, begin with stage 1."""
    asked = settings.stage1.rounds if settings.stages == "both" else 0
    return min(asked or settings.rounds, settings.rounds)


def _in_round(settings: Settings, round_index: int) -> bool:
    return round_index < num_rounds_of_stage1(settings)


STAGE_1 = Stage("stage1", "stage 1", stream=1, train=train_stage1, batch=_batch, in_cameras=True, in_round=_in_round)
