"""Stage 2, inter-camera training (Sec. 3.3; Eq. 5, 6, 9, 10, 11): extract, score, compare, cluster, label, train."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace

import torch
from torch import Tensor

from iics.arrays import IntArray
from iics.config import ClusterSettings, Settings
from iics.crops import CropSet
from iics.errors import TrainingError, named
from iics.labelling.centring import camera_centred
from iics.labelling.labeller import labeller_of, stage2_distance
from iics.labelling.one_camera import across_cameras, camera_weights
from iics.labelling.pseudo_labels import PseudoLabels, describe_pseudo_labels
from iics.labelling.units import Units
from iics.methods.iics.shared_overlap import SharedOverlap
from iics.methods.method import Stage, StageResult, State
from iics.methods.trainable import check_scores_fit
from iics.models.features import l2_normalise
from iics.models.heads import BNNeckHead, classifier_scores, heads_of
from iics.similarity.by_name import SIMILARITIES
from iics.similarity.crop_similarity import ComparedCrops
from iics.training.camera_proxies import WithCameraProxies
from iics.training.context import TrainingContext
from iics.training.label_training import LabelBatches, steps_of_epochs, train_on_labels
from iics.training.losses import LOSSES, LabelledCrops, LabelLoss
from iics.training.rates import rate_factors
from iics.training.step_memory import StepBatch

logger = logging.getLogger(__name__)


def mu_schedule(mu: float, *, round_index: int, num_rounds: int, power: float) -> float:
    """Return mu of a round: mu * (1 - r / R)^power (Sec. 4.2, poly decay), with r from 0."""
    decayed: float = mu * (1 - round_index / num_rounds) ** power
    return decayed


def train_stage2(context: TrainingContext, state: State) -> StageResult:
    """Train the backbone and one head on pseudo-labels over all cameras.

    Args:
        context: The round's context.
        state: The heads of stage 1, for the scores; unused for CNN similarity.

    Returns:
        State: empty. Record: the terms of the loss (Eq. 11), as means over steps; mu, the weight of the score
        overlap this round (Eq. 5); statistics of the pseudo-labels; cosines of all crops' features before this stage,
        by kind of pair.

    Raises:
        TrainingError: If all crops fall into one cluster.
    """
    settings = context.settings.stage2
    mu = mu_schedule(
        settings.mu,
        round_index=context.round_index,
        num_rounds=context.settings.rounds,
        power=settings.mu_power,
    )
    raw = context.raw_features()
    units = context.units(raw)
    heads = heads_of(state.get("heads", []), context.model.device)
    mu = mu if heads else 0.0  # a round without stage 1 has no scores: Eq. 5 is then the cosine
    pseudo_labels = _labels_to_train_on(context, raw, heads, mu=mu, units=units)
    if pseudo_labels.num_clusters < 2:
        raise TrainingError(_too_few(pseudo_labels, settings.clusters))
    if context.round_index == 0 and pseudo_labels.num_clusters < settings.clusters_per_batch:
        # Said once: with few crops every round is so, and the record has its number of clusters.
        logger.info(
            "Stage 2 found %d clusters, fewer than the %d of a batch: batches hold all of them, as usual for few "
            "crops.",
            pseudo_labels.num_clusters,
            settings.clusters_per_batch,
        )
    # Before training, on features that are there anyway: those after it would cost one more pass over all crops.
    similarity = context.compare_pairs(raw)
    terms = _train(context, l2_normalise(raw), pseudo_labels)
    num_steps = terms.pop("num_steps")
    statistics = describe_pseudo_labels(pseudo_labels, context.crops.camera_ids, context.crops.identity_ids)
    record = {
        **terms,
        "mu": mu,
        "num_steps": num_steps,
        "pseudo_labels": asdict(statistics),
        "similarity": asdict(similarity),
        **units.record(pseudo_labels.labels, context.crops.camera_ids),
    }
    # Nothing is kept: heads and optimiser are new in every stage (Sec. 4.2).
    return StageResult({}, record, pseudo_labels.labels)


def _labels_to_train_on(
    context: TrainingContext, raw: Tensor, heads: list[BNNeckHead], *, mu: float, units: Units
) -> PseudoLabels:
    """Return the pseudo-labels without the clusters that settings drop; see `label_all_crops`."""
    settings, camera_ids = context.settings.stage2, context.crops.camera_ids
    drops = settings.one_camera_clusters == "drop"
    found = label_all_crops(context, raw, heads, mu=mu, units=units)
    is_dense, least = settings.clusters.rule == "density", settings.clusters.least
    num_kept = (across_cameras(found, camera_ids) if drops else found).num_clusters
    if not (is_dense and num_kept < least):
        return _without_one_camera_clusters(found, camera_ids) if drops else found
    # Few crops, or features that know nobody yet: hardly any place is dense, and a mean distance says more.
    if context.processes.is_first:
        logger.log(
            logging.WARNING if context.round_index == 0 else logging.DEBUG,  # said once; records have every round
            "Round %d: density found %d clusters to train on among %d crops, fewer than stage2.clusters.least %d; this "
            "round, and others like it, train on all clusters of the rule auto.",
            context.round_index + 1,
            num_kept,
            len(found.labels),
            least,
        )
    cut = replace(settings, clusters=replace(settings.clusters, rule="auto"))
    by_cut = replace(context, settings=replace(context.settings, stage2=cut))
    return label_all_crops(by_cut, raw, heads, mu=mu, units=units)


def _without_one_camera_clusters(found: PseudoLabels, camera_ids: IntArray) -> PseudoLabels:
    if found.num_clusters < 2:
        return found  # whatever their cameras
    kept = across_cameras(found, camera_ids)
    if kept.num_clusters < 2:
        raise TrainingError(
            f"Stage 2 found {found.num_clusters} clusters, and {kept.num_clusters} of them of two cameras or more; "
            "training needs at least 2. Keep those of one camera (--stage2.one-camera-clusters keep), ask for fewer "
            "clusters (--stage2.clusters.rule fixed --stage2.clusters.number N), or check that cameras see the same "
            "people."
        )
    return kept


def _too_few(found: PseudoLabels, clusters: ClusterSettings) -> str:
    """Return what is wrong with fewer than two clusters, and what to do."""
    ways = ["--stage2.clusters.rule fixed --stage2.clusters.number N"]
    if found.num_labelled:
        what = f"put all {found.num_labelled} crops into one cluster"
        if clusters.rule == "density":
            grow = f" and --stage2.clusters.grow, now {clusters.grow:g}" if clusters.grow else ""
            ways.append(f"lower --stage2.clusters.eps, now {clusters.eps:g}{grow}")
    else:
        what = f"found no cluster of {len(found.labels)} crops"
        ways.append(f"raise --stage2.clusters.eps, now {clusters.eps:g}")
        ways.append(f"lower --stage2.clusters.min-crops, now {clusters.min_crops}")
    return (
        f"Stage 2 {what}; training needs at least 2. Ask for more clusters ({'; or '.join(ways)}) or check that crops "
        "differ."
    )


def label_all_crops(
    context: TrainingContext, raw: Tensor, heads: list[BNNeckHead], *, mu: float, units: Units
) -> PseudoLabels:
    """Return pseudo-labels over all cameras. The first process clusters; the others help to compute Eq. 9.

    Args:
        context: The round's working place.
        raw: Raw features. Shape (n, d).
        heads: The heads of stage 1; without any, features alone are compared.
        mu: Weight of the score overlap in Eq. 5.
        units: What is compared: tracklets, by the means of their crops' features and scores, or the crops themselves.
    """
    context.report("cluster", 0, 1)
    settings, processes = context.settings.stage2, context.processes
    distance = stage2_distance(context.settings, round_index=context.round_index)
    labeller = labeller_of(distance, settings.clusters, crops_a_unit=units.crops_a_unit)
    kind = named(SIMILARITIES, settings.similarity if heads else "cnn", what="stage2.similarity")
    features = camera_centred(l2_normalise(raw), context.crops.camera_ids, centring=settings.centring)
    camera_ids, known = context.crops.camera_ids[units.first_crops], units.known(features)
    crops = ComparedCrops(units.mean_features(features), torch.from_numpy(camera_ids.copy()).to(raw.device), mu)
    shared = None
    if kind.needs_scores:
        check_scores_fit(len(raw), sum(len(head.weight) for head in heads))
        shared = SharedOverlap(processes, units.mean(classifier_scores(raw, heads)), num_cameras=len(heads))
        crops = replace(crops, scores=shared.scores, num_heads=len(heads), overlap=shared.matrix)
    similarity = kind.compare(crops)
    is_shared = similarity.compares_scores and labeller.compares_all_pairs(len(units))
    # The other processes compute their rows of Eq. 9 here, and then wait for the first one's clusters below.
    if shared is not None and is_shared and not processes.is_first:
        shared.help()
    found = processes.from_first(
        lambda: labeller.label(
            similarity,
            camera_ids=camera_ids,
            # With few cameras and weak features, the automatic number would be below what one camera needs alone.
            min_number=max([2, *(len(head.weight) for head in heads)]),  # the clusters of the fullest camera
            known=known,
        )
    )
    context.report("cluster", 1, 1)
    return units.to_crops(found)


def _train(context: TrainingContext, features: Tensor, pseudo_labels: PseudoLabels) -> dict[str, float]:
    """Minimise the loss over labels (Eq. 11) at constant rates, with a new classifier; return its terms."""
    settings, camera_ids = context.settings.stage2, torch.from_numpy(context.crops.camera_ids.copy())
    labels = torch.from_numpy(pseudo_labels.labels.copy())
    loss = _loss(context, features.shape[1], pseudo_labels).to(context.model.device)
    weights = None
    if settings.one_camera_clusters == "weigh":
        weights = torch.from_numpy(camera_weights(pseudo_labels, context.crops.camera_ids)).to(features)
    loss.start(LabelledCrops(labels, camera_ids, features, weights))
    batch_size = settings.clusters_per_batch * settings.crops_per_cluster
    num_steps = steps_of_epochs(settings.epochs, num_crops=pseudo_labels.num_labelled, batch_size=batch_size)
    batches = LabelBatches(
        settings.clusters_per_batch,
        settings.crops_per_cluster,
        rate_factors(settings.rates, num_steps),
        camera_ids=camera_ids if settings.camera_diverse else None,
    )
    optimiser = context.optimiser(
        loss, backbone_rate=settings.backbone_learning_rate, head_rate=settings.head_learning_rate
    )
    return train_on_labels(context, loss, labels, optimiser, batches)


def _loss(context: TrainingContext, num_features: int, pseudo_labels: PseudoLabels) -> LabelLoss:
    """Return the loss over labels that settings name, with camera proxies where they ask for them."""
    settings = context.settings.stage2
    make = named(LOSSES, settings.loss, what="loss")
    loss = make(num_features, pseudo_labels.num_clusters, settings, context.generator)
    return loss if settings.proxies.weight == 0 else WithCameraProxies(loss, settings.proxies)


def _batch(_crops: CropSet, settings: Settings) -> StepBatch:
    stage2 = settings.stage2
    flags = "--stage2.clusters-per-batch, --stage2.crops-per-cluster"
    return StepBatch(stage2.clusters_per_batch * stage2.crops_per_cluster, flags)


STAGE_2 = Stage("stage2", "stage 2", stream=2, train=train_stage2, batch=_batch)
