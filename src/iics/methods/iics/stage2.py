"""Stage 2, inter-camera training (Sec. 3.3; Eq. 5, 6, 9, 10, 11): extract, score, compare, cluster, label, train."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from iics.crops import IntArray
from iics.errors import TrainingError
from iics.labelling.labelling import label_crops, max_dense_crops
from iics.labelling.pseudo_labels import PseudoLabels, PseudoLabelStatistics, describe_pseudo_labels
from iics.methods.iics.shared_overlap import SharedOverlap
from iics.methods.trainable import check_scores_fit
from iics.models.features import l2_normalise
from iics.models.heads import BNNeckHead, classifier_scores
from iics.similarity.crop_similarity import (
    CosineSimilarity,
    CropSimilarity,
    InterCameraSimilarity,
    OverlapSimilarity,
)
from iics.similarity.pair_histograms import PairHistograms
from iics.training.context import TrainingContext
from iics.training.label_training import LabelTraining, steps_of_epochs, train_on_labels

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage2Metrics:
    """What stage 2 of one round did.

    Attributes:
        loss: Mean over steps of Eq. 11.
        cross_entropy: Mean over steps of its first term.
        triplet: Mean over steps of its second term, before the weight.
        accuracy: Mean over steps of the share of crops that the head took for their cluster.
        mu: Weight of the score overlap this round (Eq. 5).
        num_steps: Optimiser steps.
        pseudo_labels: Statistics of the pseudo-labels.
        similarity: Cosines of all crops' features before this stage, by kind of pair.
    """

    loss: float
    cross_entropy: float
    triplet: float
    accuracy: float
    mu: float
    num_steps: int
    pseudo_labels: PseudoLabelStatistics
    similarity: PairHistograms


@dataclass(frozen=True, eq=False)
class Stage2Result:
    """What stage 2 leaves behind, beside the trained backbone.

    Attributes:
        labels: Cluster of each crop. Shape (n,).
        metrics: For the record.
    """

    labels: IntArray
    metrics: Stage2Metrics


def mu_schedule(mu: float, *, round_index: int, num_rounds: int, power: float) -> float:
    """Return mu of a round: mu * (1 - r / R)^power (Sec. 4.2, poly decay), with r from 0."""
    decayed: float = mu * (1 - round_index / num_rounds) ** power
    return decayed


def train_stage2(context: TrainingContext, heads: list[BNNeckHead], *, mu: float) -> Stage2Result:
    """Train the backbone and one head on pseudo-labels over all cameras.

    Args:
        context: The round's working place.
        heads: The heads of stage 1, for the scores; unused for CNN similarity.
        mu: Weight of the score overlap in Eq. 5.

    Raises:
        TrainingError: If all crops fall into one cluster.
    """
    settings = context.settings.stage2
    raw = context.raw_features("stage 2: features")
    pseudo_labels = label_all_crops(context, raw, heads, mu=mu)
    if pseudo_labels.num_clusters < 2:
        raise TrainingError(
            f"Stage 2 put all {len(context.crops)} crops into one cluster; training needs at least 2. Ask for more "
            "clusters (--stage2.clusters.rule fixed --stage2.clusters.number N) or check that crops differ."
        )
    if pseudo_labels.num_clusters < settings.clusters_per_batch:
        logger.warning(
            "Stage 2 found %d clusters, fewer than the %d of a batch: batches hold all %d.",
            pseudo_labels.num_clusters,
            settings.clusters_per_batch,
            pseudo_labels.num_clusters,
        )
    similarity = context.compare_pairs(raw)
    head = BNNeckHead(raw.shape[1], pseudo_labels.num_clusters, generator=context.generator).to(context.model.device)
    trained = _train_head(context, head, torch.from_numpy(pseudo_labels.labels.copy()))
    metrics = Stage2Metrics(
        loss=trained.loss,
        cross_entropy=trained.cross_entropy,
        triplet=trained.triplet,
        accuracy=trained.accuracy,
        mu=mu,
        num_steps=trained.num_steps,
        pseudo_labels=describe_pseudo_labels(pseudo_labels, context.crops.camera_ids, context.crops.identity_ids),
        similarity=similarity,
    )
    return Stage2Result(pseudo_labels.labels, metrics)


def label_all_crops(context: TrainingContext, raw: Tensor, heads: list[BNNeckHead], *, mu: float) -> PseudoLabels:
    """Return pseudo-labels over all cameras. The first process clusters; the others help it with Eq. 9.

    Args:
        context: The round's working place.
        raw: Raw features. Shape (n, d).
        heads: The heads of stage 1.
        mu: Weight of the score overlap in Eq. 5.
    """
    context.report("stage 2: cluster", 0, 1, 0, None)
    settings, distance, processes = context.settings.stage2, context.settings.distance, context.processes
    overlap = None
    if settings.similarity != "cnn":
        check_scores_fit(len(raw), sum(len(head.weight) for head in heads))
        shared = SharedOverlap(processes, classifier_scores(raw, heads), num_cameras=len(heads))
        overlap = OverlapSimilarity(shared.scores, num_heads=len(heads), compute=shared.matrix)
        compares_all = len(raw) <= max_dense_crops(distance) and (settings.similarity == "overlap" or mu > 0)
        if compares_all and not processes.is_first:
            shared.help()
    found = processes.from_first(
        lambda: label_crops(
            compare_crops(context, raw, overlap, mu=mu),
            distance=distance,
            clusters=settings.clusters,
            camera_ids=context.crops.camera_ids,
            min_number=max([2, *(len(head.weight) for head in heads)]),  # the clusters of the fullest camera
        )
    )
    context.report("stage 2: cluster", 1, 1, 0, None)
    return found


def compare_crops(
    context: TrainingContext, raw: Tensor, overlap: OverlapSimilarity | None, *, mu: float
) -> CropSimilarity:
    """Return the similarity that is clustered: Eq. 5, Eq. 9 alone, or, without scores, the features' cosine."""
    if overlap is None:
        return CosineSimilarity(l2_normalise(raw))
    if context.settings.stage2.similarity == "overlap":
        return overlap
    cameras = torch.from_numpy(context.crops.camera_ids.copy()).to(raw.device)
    return InterCameraSimilarity(l2_normalise(raw), overlap, cameras, mu=mu)


def _train_head(context: TrainingContext, head: BNNeckHead, labels: Tensor) -> LabelTraining:
    """Minimise Eq. 11 at constant rates, with a new optimiser."""
    settings = context.settings.stage2
    batch_size = settings.clusters_per_batch * settings.crops_per_cluster
    return train_on_labels(
        context,
        head,
        labels,
        context.optimiser(head, backbone_rate=settings.backbone_learning_rate, head_rate=settings.head_learning_rate),
        labels_per_batch=settings.clusters_per_batch,
        crops_per_label=settings.crops_per_cluster,
        triplet_weight=settings.triplet_weight,
        triplet_margin=settings.triplet_margin,
        rate_factors=[1.0] * steps_of_epochs(settings.epochs, num_crops=len(labels), batch_size=batch_size),
        name="stage 2",
    )
