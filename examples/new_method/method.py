"""A new method, in one folder: cluster all crops by their features, train a classifier on the clusters, do it again.

Nothing but what is learned stands here. Rounds, checkpoints, resuming, records, the table of clusters, evaluation and
the report follow from what the stage returns.
"""

from dataclasses import asdict, dataclass

import torch

from iics.config import ClusterSettings, Settings
from iics.crops import CropSet
from iics.errors import TrainingError, check_setting
from iics.labelling.labeller import labeller_of
from iics.labelling.pseudo_labels import describe_pseudo_labels
from iics.methods.method import Method, Stage, StageResult, State
from iics.models.features import l2_normalise
from iics.similarity.cosine import CosineSimilarity
from iics.training.context import TrainingContext
from iics.training.label_training import LabelBatches, steps_of_epochs, train_on_labels
from iics.training.losses import LOSSES
from iics.training.step_memory import StepBatch


@dataclass(frozen=True)
class PlainClusters:
    """What only this method is told: `settings.own`, and flags --own.NAME of `iics train`."""

    clusters: int = 600
    """Clusters to train on."""
    learning_rate: float = 0.001
    """Of the backbone; the classifier's is ten times as high."""

    def __post_init__(self) -> None:
        check_setting(self.clusters >= 2, f"own.clusters must be at least 2, got {self.clusters}.")


def train_on_clusters(context: TrainingContext, _state: State) -> StageResult:
    """Extract, cluster, label, train. A method with a memory or an optimiser that lives on puts it into the state."""
    own, stage2 = context.settings.own, context.settings.stage2
    raw = context.raw_features()  # of all crops; several processes share the work

    labeller = labeller_of(context.settings.distance, ClusterSettings(number=own.clusters))
    similarity = CosineSimilarity(l2_normalise(raw))
    found = context.processes.from_first(lambda: labeller.label(similarity))

    make = LOSSES[stage2.loss]
    loss = make(raw.shape[1], found.num_clusters, stage2, context.generator).to(context.model.device)
    batch_size = stage2.clusters_per_batch * stage2.crops_per_cluster
    num_steps = steps_of_epochs(stage2.epochs, num_crops=found.num_labelled, batch_size=batch_size)
    terms = train_on_labels(
        context,
        loss,
        torch.from_numpy(found.labels.copy()),
        context.optimiser(loss, backbone_rate=own.learning_rate, head_rate=10 * own.learning_rate),
        LabelBatches(stage2.clusters_per_batch, stage2.crops_per_cluster, [1.0] * num_steps),
    )
    statistics = describe_pseudo_labels(found, context.crops.camera_ids, context.crops.identity_ids)
    return StageResult({}, {**terms, "pseudo_labels": asdict(statistics)}, found.labels)


def check(crops: CropSet, settings: Settings) -> None:
    """Refuse crops that cannot be trained on, before anything is computed."""
    if len(crops) < 2 * settings.own.clusters:
        raise TrainingError(
            f"{settings.own.clusters} clusters need at least twice as many crops; {crops.name} has {len(crops)}. Ask "
            "for fewer (own.clusters)."
        )


def batch(_crops: CropSet, settings: Settings) -> StepBatch:
    """Return how many crops a step takes: whether they fit into memory is asked first."""
    return StepBatch(settings.stage2.clusters_per_batch * settings.stage2.crops_per_cluster, "--stage2.*-per-*")


STAGE = Stage("clusters", "clusters", stream=1, train=train_on_clusters, batch=batch)

PLAIN_CLUSTERS = Method(stages=lambda _: (STAGE,), check=check, settings=PlainClusters)
